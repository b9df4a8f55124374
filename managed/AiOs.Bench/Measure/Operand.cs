using System.Runtime.InteropServices;
using AiOs.Interop;
using AiOs.Runtime;
using AiOs.Tensors;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Bench.Measure;

/// <summary>
/// One operand of a case on the device, in one copy or in so many that launches that take turns find none of them in a cache.
/// </summary>
internal sealed class Operand : IDisposable
{
    // Copies start at different offsets within a page, so that they do not compete for the same sets of the caches.
    private const long Stagger = 4096 + 256;

    private readonly Stream _stream;
    private readonly DeviceMemory<byte> _memory;
    private readonly long _pitch;

    /// <summary>Makes an operand with undefined contents.</summary>
    /// <param name="stream">The stream that uses it.</param>
    /// <param name="dtype">Element type.</param>
    /// <param name="length">Elements.</param>
    /// <param name="copies">Copies, at least 1.</param>
    public Operand(Stream stream, aios_dtype dtype, long length, int copies = 1)
    {
        (_stream, DType, Length, Copies) = (stream, dtype, length, copies);
        _pitch = copies == 1 ? Bytes : (Bytes + Stagger + 63) / 64 * 64;
        _memory = stream.Device.Allocate<byte>(Math.Max(64, _pitch * copies), stream);
    }

    public aios_dtype DType { get; }

    public long Length { get; }

    public int Copies { get; }

    /// <summary>Bytes of one copy.</summary>
    public long Bytes => Length * SizeOf(DType);

    /// <summary>Address of the first copy.</summary>
    public nint Pointer => _memory.Pointer;

    /// <summary>Address of the copy for a launch.</summary>
    public nint At(int launch) => Copies == 1 ? _memory.Pointer : _memory.Pointer + (nint)(launch % Copies * _pitch);

    /// <summary>Bytes of one element.</summary>
    public static int SizeOf(aios_dtype dtype) => dtype switch
    {
        aios_dtype.F32 or aios_dtype.I32 => 4,
        aios_dtype.F16 or aios_dtype.Bf16 => 2,
        _ => 1,
    };

    /// <summary>Writes values to all copies and changes <paramref name="values"/> to what the element type made of them.</summary>
    public Operand Write(float[] values)
    {
        Upload(Encode(values, DType));
        return this;
    }

    /// <summary>Writes indices to all copies.</summary>
    public Operand Write(int[] values)
    {
        Upload(MemoryMarshal.AsBytes<int>(values));
        return this;
    }

    /// <summary>Writes values that are encoded already to all copies.</summary>
    public Operand Write(byte[] values)
    {
        Upload(values);
        return this;
    }

    /// <summary>Zeros every copy.</summary>
    public Operand Clear()
    {
        _stream.Fill(_memory.Pointer, 0, _memory.Length);
        return this;
    }

    /// <summary>The values of the first copy.</summary>
    public float[] Read()
    {
        byte[] bytes = GC.AllocateUninitializedArray<byte>(checked((int)Bytes));
        _stream.CopyToHost<byte>(bytes, _memory.Pointer);
        return Decode(bytes, DType);
    }

    public void Dispose() => _memory.Dispose();

    private static ReadOnlySpan<byte> Encode(float[] values, aios_dtype dtype)
    {
        switch (dtype)
        {
            case aios_dtype.F32:
                return MemoryMarshal.AsBytes<float>(values);
            case aios_dtype.Bf16:
                var halves = new BFloat16[values.Length];
                for (int i = 0; i < values.Length; i++)
                {
                    halves[i] = (BFloat16)values[i];
                    values[i] = halves[i];
                }

                return MemoryMarshal.AsBytes<BFloat16>(halves);
            case aios_dtype.I8:
            case aios_dtype.U8:
                // Random values become whole numbers of most of the range.
                float offset = dtype == aios_dtype.U8 ? 128 : 0;
                byte[] bytes = new byte[values.Length];
                for (int i = 0; i < values.Length; i++)
                {
                    values[i] = MathF.Floor(values[i] * 127) + offset;
                    bytes[i] = (byte)(int)values[i];
                }

                return bytes;
            default:
                throw new BenchInputException($"there are no values of {dtype} here");
        }
    }

    private static float[] Decode(byte[] bytes, aios_dtype dtype)
    {
        if (dtype == aios_dtype.F32)
        {
            return MemoryMarshal.Cast<byte, float>(bytes).ToArray();
        }

        float[] values = GC.AllocateUninitializedArray<float>(bytes.Length / SizeOf(dtype));
        if (dtype == aios_dtype.Bf16)
        {
            ReadOnlySpan<BFloat16> halves = MemoryMarshal.Cast<byte, BFloat16>(bytes);
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = halves[i];
            }
        }
        else
        {
            ReadOnlySpan<int> whole = MemoryMarshal.Cast<byte, int>(bytes);
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = whole[i];
            }
        }

        return values;
    }

    private void Upload(ReadOnlySpan<byte> bytes)
    {
        _stream.CopyFromHost(_memory.Pointer, bytes);
        for (int copy = 1; copy < Copies; copy++)
        {
            _stream.Copy(At(copy), _memory.Pointer, Bytes);
        }

        _stream.Synchronize();
    }
}
