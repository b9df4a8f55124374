using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace AiOs.Tensors;

/// <summary>The checks of tensor arguments, in one place: each failure is one line that names the op and the shapes.</summary>
internal static class Require
{
    /// <summary>The body of an op's input: alive, on the tape's device, and not another tape's.</summary>
    /// <remarks>The use by the tape's stream is noted, for the allocator.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TensorBody Input(string op, string name, Tape tape, Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tape);
        if (tensor.IsNull)
        {
            ThrowNull(op, name);
        }

        TensorBody body = tensor.Body;
        if (body.Device != tape.Stream.Device || (body.Tape is not null && body.Tape != tape))
        {
            ThrowForeign(op, name, tape, body);
        }

        body.On(tape.Stream);
        return body;
    }

    /// <summary>The body of an input that may be absent.</summary>
    public static TensorBody? Optional(string op, string name, Tape tape, Tensor tensor) =>
        tensor.IsNull ? null : Input(op, name, tape, tensor);

    public static void Floating(string op, string name, TensorBody body)
    {
        if (body.DType is not (DType.F32 or DType.BF16))
        {
            Throw($"{op}: {name} is {body.DType}; it must be F32 or BF16 (use Ops.Cast)");
        }
    }

    /// <summary>Both inputs are floating-point and of one dtype.</summary>
    public static void SameFloating(string op, string aName, TensorBody a, string bName, TensorBody? b)
    {
        Floating(op, aName, a);
        if (b is not null && b.DType != a.DType)
        {
            Throw($"{op}: {aName} is {a.DType} and {bName} is {b.DType}; both must have one dtype (use Ops.Cast)");
        }
    }

    public static void Indices(string op, string name, TensorBody body)
    {
        if (body.DType != DType.I32)
        {
            Throw($"{op}: {name} is {body.DType}; it must be I32");
        }
    }

    public static void Contiguous(string op, TensorBody body)
    {
        if (!body.IsContiguous)
        {
            Throw($"{op}: the tensor {Text(body)} is not contiguous; use Ops.Contiguous first");
        }
    }

    public static void Rank(string op, string name, TensorBody body, int minimum, int maximum = Extents.Capacity)
    {
        if (body.Rank < minimum || body.Rank > maximum)
        {
            Throw($"{op}: {name} has shape {Text(body)}; its rank must be {(minimum == maximum ? minimum : $"{minimum} to {maximum}")}");
        }
    }

    /// <summary>The optional tensor is a vector of the given length.</summary>
    public static void Vector(string op, string name, TensorBody? body, long length)
    {
        if (body is not null && (body.Rank != 1 || body.Length != length || !body.IsContiguous))
        {
            Throw($"{op}: {name} has shape {Text(body)}; it must be a contiguous [{length}]");
        }
    }

    /// <summary>An index of a dimension in [0, rank), counted from the end when negative.</summary>
    public static int Dimension(string op, int dim, int rank)
    {
        int index = dim < 0 ? dim + rank : dim;
        if (index < 0 || index >= rank)
        {
            throw new ArgumentOutOfRangeException(nameof(dim), $"{op}: there is no dimension {dim} in a tensor of rank {rank}");
        }

        return index;
    }

    public static void Shape(string op, ReadOnlySpan<long> shape)
    {
        if (shape.Length > Extents.Capacity)
        {
            Throw($"{op}: shape {Shapes.Text(shape)} has more than {Extents.Capacity} dimensions");
        }

        foreach (long extent in shape)
        {
            if (extent < 0)
            {
                Throw($"{op}: shape {Shapes.Text(shape)} has a negative extent");
            }
        }
    }

    public static void Count(string op, long count, ReadOnlySpan<long> shape)
    {
        if (count != Shapes.Product(shape))
        {
            Throw($"{op}: {count} values do not fill shape {Shapes.Text(shape)}");
        }
    }

    public static void HostType(string op, TensorBody body, DType dtype, long length)
    {
        bool stores = body.DType == dtype || (dtype == DType.U8 && body.DType is DType.F8E4M3 or DType.F8E5M2);
        if (!stores || body.Length != length)
        {
            Throw($"{op}: the tensor is {body.DType} {Text(body)} but the host has {length} elements of {dtype}");
        }
    }

    public static void Writable(string op, TensorBody body)
    {
        if (body.IsReadOnly)
        {
            Throw($"{op}: the tensor {Text(body)} belongs to a library that forbids writing to it; make a copy first");
        }
    }

    /// <summary>Throws for shapes that do not go together.</summary>
    [DoesNotReturn]
    public static void Mismatch(string op, string aName, TensorBody a, string bName, TensorBody b, string rule) =>
        Throw($"{op}: {aName} {Text(a)} and {bName} {Text(b)} do not go together: {rule}");

    [DoesNotReturn]
    public static void Throw(string message) => throw new ArgumentException(message);

    public static string Text(TensorBody body) => Shapes.Text(body.Shape);

    [DoesNotReturn]
    private static void ThrowNull(string op, string name) => throw new ArgumentNullException(name, $"{op}: {name} is a null tensor");

    [DoesNotReturn]
    private static void ThrowForeign(string op, string name, Tape tape, TensorBody body) => Throw(
        body.Device != tape.Stream.Device
            ? $"{op}: {name} is on another device than the tape's stream"
            : $"{op}: {name} belongs to another tape; take it out with Tape.Keep first");
}
