using AiOs.Conformance.Oracles;
using AiOs.Interop;

namespace AiOs.Conformance.Harness;

/// <summary>A quantised matrix as operands of a case: codes, and scales and zero points where the format has them.</summary>
public sealed unsafe class QuantizedMatrix
{
    private readonly int _rowBytes;
    private readonly int _groups;

    private QuantizedMatrix(aios_dtype format, int rows, int cols, int group, bool zeros)
    {
        (Format, Rows, Cols, Group, HasZeros) = (format, rows, cols, group, zeros);
        _rowBytes = QuantizedWeights.RowBytes(format, cols);
        _groups = format == aios_dtype.I4 ? (cols + group - 1) / group : 0;
    }

    public aios_dtype Format { get; }

    public int Rows { get; }

    public int Cols { get; }

    public int Group { get; }

    public bool HasZeros { get; }

    public Operand Data { get; private set; } = null!;

    public Operand? Scales { get; private set; }

    public Operand? Zeros { get; private set; }

    private bool HasRowScales => Format is aios_dtype.I8 or aios_dtype.F8e4m3 or aios_dtype.F8e5m2;

    /// <summary>Random codes with scales of every sign and some magnitudes. Floats of 8 bits are finite.</summary>
    public static QuantizedMatrix Random(Case test, aios_dtype format, int rows, int cols, int group = 32, bool zeros = false)
    {
        var matrix = new QuantizedMatrix(format, rows, cols, group, zeros);
        double[] bytes = test.Data.Indices((long)rows * matrix._rowBytes, 256);
        if (format is aios_dtype.F8e4m3 or aios_dtype.F8e5m2)
        {
            for (int i = 0; i < bytes.Length; i++)
            {
                bytes[i] = double.IsFinite(QuantizedWeights.Float8(format, (byte)bytes[i])) ? bytes[i] : 0x33;
            }
        }

        (_, int blockBytes) = QuantizedWeights.Block(format);
        foreach (int half in QuantizedWeights.Halves(format))
        {
            for (int at = half; at < bytes.Length; at += blockBytes)
            {
                byte[] number = BitConverter.GetBytes((Half)(test.Data.Reals(1, -1, 1)[0] * Math.ScaleB(1, test.Data.Integer(-6, 0))));
                (bytes[at], bytes[at + 1]) = (number[0], number[1]);
            }
        }

        matrix.Data = test.Input("data", aios_dtype.U8, bytes);
        int count = rows * matrix._groups;
        matrix.Scales = matrix.HasRowScales ? test.Input("scales", aios_dtype.F32, test.Data.Reals(rows, -1, 1))
            : count > 0 ? test.Input("scales", aios_dtype.F16, test.Data.Reals(count, -1, 1)) : null;
        matrix.Zeros = zeros ? test.Input("zeros", aios_dtype.U8, test.Data.Indices(count, 17)) : null;
        return matrix;
    }

    /// <summary>Buffers that a case writes.</summary>
    public static QuantizedMatrix Empty(Case test, aios_dtype format, int rows, int cols, int group = 32, bool zeros = false)
    {
        var matrix = new QuantizedMatrix(format, rows, cols, group, zeros);
        int count = rows * matrix._groups;
        matrix.Data = test.Output("data", aios_dtype.U8, (long)rows * matrix._rowBytes);
        matrix.Data.Exact = true;
        matrix.Scales = matrix.HasRowScales ? test.Output("scales", aios_dtype.F32, rows) : count > 0 ? test.Output("scales", aios_dtype.F16, count) : null;
        matrix.Zeros = zeros ? test.Output("zeros", aios_dtype.U8, count) : null;
        return matrix;
    }

    /// <summary>The structure that the library takes; call it once the operands have their addresses.</summary>
    public aios_qmatrix Native => new()
    {
        data = Data.P,
        scales = Scales is null ? null : Scales.P,
        zeros = Zeros is null ? null : Zeros.P,
        rows = Rows,
        cols = Cols,
        group = Group,
        format = Format,
    };

    /// <summary>W[r][c] of an input as product and offset, whose magnitudes rounding errors are proportional to.</summary>
    public (double Product, double Offset) Weight(int r, int c)
    {
        int at = r * _rowBytes;
        switch (Format)
        {
            case aios_dtype.I8:
                return (Scales![r] * (sbyte)Data[at + c], 0);
            case aios_dtype.F8e4m3 or aios_dtype.F8e5m2:
                return (Scales![r] * QuantizedWeights.Float8(Format, (byte)Data[at + c]), 0);
            case aios_dtype.I4:
                int group = (r * _groups) + (c / Group);
                int code = QuantizedWeights.Nibble(Bytes(at + (c / 32 * 16), 16), c % 32);
                return (Scales![group] * (code - (Zeros?[group] ?? 8)), 0);
            default:
                (int weights, int bytes) = QuantizedWeights.Block(Format);
                return QuantizedWeights.Weight(Format, Bytes(at + (c / weights * bytes), bytes), c % weights);
        }
    }

    private byte[] Bytes(int at, int count) => Array.ConvertAll(Data.Initial![at..(at + count)], value => (byte)value);
}
