using AiOs.Interop;

namespace AiOs.Conformance.Harness;

/// <summary>What a kernel may do to a buffer.</summary>
public enum Role
{
    /// <summary>Read only: every byte must be the same afterwards.</summary>
    Input,

    /// <summary>Written where the oracle says so; every other element must keep its bits.</summary>
    Output,

    /// <summary>Free to use; only its guard bands are checked.</summary>
    Scratch,
}

/// <summary>One buffer of a case, what it holds before the launch and what it must hold after.</summary>
public sealed unsafe class Operand(string name, aios_dtype type, Role role, int length)
{
    private double[]? _want;
    private double[]? _magnitude;
    private bool[]? _written;

    public string Name { get; } = name;

    public aios_dtype Type { get; } = type;

    public Role Role { get; } = role;

    /// <summary>Number of elements; bytes for scratch and tables.</summary>
    public int Length { get; set; } = length;

    /// <summary>Bytes of one element: 1 for scratch and tables, which are untyped.</summary>
    public int ElementSize { get; init; } = Storage.SizeOf(type);

    /// <summary>What the buffer holds before the launch, already representable; null leaves it poisoned.</summary>
    public double[]? Initial { get; init; }

    /// <summary>Makes the content of an untyped table once all addresses are known.</summary>
    public Func<byte[]>? Table { get; init; }

    /// <summary>Elements by which the buffer starts past a 64-byte boundary.</summary>
    public int Misalignment { get; init; }

    /// <summary>Length of the sums behind an element: picks the row of the tolerance table.</summary>
    public int Terms { get; set; } = 1;

    /// <summary>True when results must equal the rounded oracle bit for bit (small integers, copies).</summary>
    public bool Exact { get; set; }

    /// <summary>
    /// An output whose result this one must hold rounded, bit for bit; the elements that
    /// <see cref="Expect"/> names are then held to it instead of to the oracle's value.
    /// </summary>
    public Operand? RoundingOf { get; set; }

    /// <summary>Where the buffer starts in the arena, in bytes.</summary>
    public int Offset { get; set; }

    /// <summary>Address on the device while the case runs.</summary>
    public nint Address { get; set; }

    public void* P => (void*)Address;

    public float* F => (float*)Address;

    public int* I => (int*)Address;

    /// <summary>Address of an element.</summary>
    public void* At(long element) => (void*)(Address + (nint)(element * ElementSize));

    /// <summary>Value of an input element.</summary>
    public double this[long index] => Initial![index];

    public bool HasExpectations => _want is not null;

    /// <summary>
    /// The oracle's value of element <paramref name="index"/>. <paramref name="magnitude"/> is the sum of the absolute
    /// values of the terms behind it, to which rounding errors are proportional; left out, it is |want|.
    /// </summary>
    public void Expect(long index, double want, double magnitude = double.NaN)
    {
        if (_want is null)
        {
            _want = new double[Length];
            _magnitude = new double[Length];
            _written = new bool[Length];
        }

        _want[index] = want;
        _magnitude![index] = double.IsNaN(magnitude) ? Math.Abs(want) : magnitude;
        _written![index] = true;
    }

    /// <summary>True, with the oracle's value, when element <paramref name="index"/> must be written.</summary>
    public bool Expects(int index, out double want, out double magnitude)
    {
        if (_written is null || !_written[index])
        {
            want = magnitude = 0;
            return false;
        }

        want = _want![index];
        magnitude = _magnitude![index];
        return true;
    }
}
