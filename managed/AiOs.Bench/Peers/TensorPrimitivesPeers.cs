using System.Numerics.Tensors;
using AiOs.Bench.Families;

namespace AiOs.Bench.Peers;

/// <summary>
/// What .NET itself offers for rows of floats: <see cref="TensorPrimitives"/>, which uses one thread, on as many threads as ours
/// with an equal share of the rows each.
/// </summary>
internal static unsafe class TensorPrimitivesPeers
{
    /// <summary>Elements below which a second thread costs more than it does.</summary>
    private const long FewElements = 16384;

    /// <summary>Calls and rests until the runtime has replaced its first, slow code of the two functions.</summary>
    private static readonly Lazy<bool> s_optimized = new(() =>
    {
        float[] x = new float[256], y = new float[256];
        for (int rest = 0; rest < 4; rest++)
        {
            for (int i = 0; i < 100; i++)
            {
                TensorPrimitives.SoftMax<float>(x, y);
                TensorPrimitives.Exp<float>(x, y);
            }

            Thread.Sleep(150);
        }

        return true;
    });

    /// <summary>The peer of a row op; none when there is no function for it.</summary>
    public static IReadOnlyList<PeerRun> Rows(RowOp op, void* a, void* result, long rows, long cols, int threads)
    {
        if (op is not (RowOp.Softmax or RowOp.Exp))
        {
            return [];
        }

        nint from = (nint)a, to = (nint)result;
        int workers = rows * cols < FewElements ? 1 : (int)Math.Min(threads, rows);
        _ = s_optimized.Value;
        return
        [
            new SimplePeer("tensor_primitives", _ =>
            {
                if (workers == 1)
                {
                    Part(0);
                }
                else
                {
                    Parallel.For(0, workers, Part);
                }
            }),
        ];

        void Part(int worker)
        {
            for (long row = rows * worker / workers; row < rows * (worker + 1) / workers; row++)
            {
                ReadOnlySpan<float> x = new((float*)from + (row * cols), (int)cols);
                Span<float> y = new((float*)to + (row * cols), (int)cols);
                if (op == RowOp.Softmax)
                {
                    TensorPrimitives.SoftMax(x, y);
                }
                else
                {
                    TensorPrimitives.Exp(x, y);
                }
            }
        }
    }
}
