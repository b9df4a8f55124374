using AiOs.Runtime;

namespace AiOs.Tensors.Tests;

/// <summary>Wrong arguments are one line that names the op and what is wrong.</summary>
public class ErrorTests
{
    public static TheoryData<string> Cases => [.. Wrong.Keys];

    private static readonly Dictionary<string, Action<Tape, Tensor, Tensor>> Wrong = new()
    {
        ["Add: a [2, 3] and b [4, 2]"] = (tape, x, y) => Ops.Add(tape, x, y),
        ["Add: a is F32 and b is I32"] = (tape, x, y) => Ops.Add(tape, x, Ids(tape)),
        ["Exp: x is I32"] = (tape, x, y) => Ops.Exp(tape, Ids(tape)),
        ["MatMul: a [2, 3] and b [4, 2]"] = (tape, x, y) => Ops.MatMul(tape, x, y),
        ["MatMul: a has shape [3]; its rank"] = (tape, x, y) => Ops.MatMul(tape, Ops.Sum(tape, x, 0), y),
        ["Linear: x [2, 3] and weight [4, 2]"] = (tape, x, y) => Ops.Linear(tape, x, y),
        ["Linear: bias has shape [2, 3]; it must be a contiguous [3]"] = (tape, x, y) => Ops.Linear(tape, Ops.Transpose(tape, x, 0, 1), x, x),
        ["Linear: residual has shape [4, 2] but the result is [3, 3]"] =
            (tape, x, y) => Ops.Linear(tape, Ops.Transpose(tape, x, 0, 1), x, residual: y),
        ["LinearTransposed: x [2, 3] and weight [4, 2]"] = (tape, x, y) => Ops.LinearTransposed(tape, x, y),
        ["LayerNorm: weight has shape [4, 2]"] = (tape, x, y) => Ops.LayerNorm(tape, x, y),
        ["Embedding: ids is F32"] = (tape, x, y) => Ops.Embedding(tape, x, y),
        ["Gather: there is no dimension 2"] = (tape, x, y) => Ops.Gather(tape, x, 2, Ids(tape)),
        ["ScatterAdd: x [2, 3] and source [4, 2]"] = (tape, x, y) => Ops.ScatterAdd(tape, x, 0, Ids(tape), y),
        ["Reshape: [2, 3] has 6 elements, which do not fill [4]"] = (tape, x, y) => Ops.Reshape(tape, x, 4),
        ["Reshape: [2, 3] has 6 elements, which do not fill [4, -1]"] = (tape, x, y) => Ops.Reshape(tape, x, 4, -1),
        ["Permute: each dimension of [2, 3]"] = (tape, x, y) => Ops.Permute(tape, x, 1, 1),
        ["Transpose: there is no dimension -3"] = (tape, x, y) => Ops.Transpose(tape, x, 0, -3),
        ["Slice: [1, 1 + 3) is not inside dimension 1 of [2, 3]"] = (tape, x, y) => Ops.Slice(tape, x, 1, 1, 3),
        ["Expand: [2, 3] does not broadcast to [2, 2, 4]"] = (tape, x, y) => Ops.Expand(tape, x, 2, 2, 4),
        ["Concat: one tensor [2, 3] and another [4, 2]"] = (tape, x, y) => Ops.Concat(tape, 0, x, y),
        ["Concat: there must be at least one"] = (tape, x, y) => Ops.Concat(tape, 0),
        ["Cast: F32 to I32"] = (tape, x, y) => Ops.Cast(tape, x, DType.I32),
        ["SwiGlu: x has shape [2, 3]"] = (tape, x, y) => Ops.SwiGlu(tape, x),
        ["Attention: q has shape [2, 3]"] = (tape, x, y) => Ops.Attention(tape, x, x, x),
        ["SelfAttention: qkv has shape [1, 2, 3]"] = (tape, x, y) => Ops.SelfAttention(tape, Ops.Reshape(tape, x, 1, 2, 3), 2),
        ["Rope: x has shape [1, 1, 2, 3]"] = (tape, x, y) => Ops.Rope(tape, Ops.Reshape(tape, x, 1, 1, 2, 3)),
        ["CrossEntropy: logits [2, 3] and targets [3]"] = (tape, x, y) => Ops.CrossEntropy(tape, x, Ids(tape)),
        ["Dropout: the probability 1"] = (tape, x, y) => Ops.Dropout(tape, x, 1),
        ["ArgMax: there is no dimension 5"] = (tape, x, y) => Ops.ArgMax(tape, x, 5),
        ["Backward: the loss has shape [2, 3]"] = (tape, x, y) => tape.Backward(Ops.Exp(tape, x)),
        ["Tensor.Empty: shape [-1]"] = (tape, x, y) => Tensor.Empty(tape.Stream, DType.F32, -1),
        ["Tensor.Empty: shape [1, 1, 1, 1, 1, 1, 1, 1, 1] has more than 8"] =
            (tape, x, y) => Tensor.Empty(tape.Stream, DType.F32, 1, 1, 1, 1, 1, 1, 1, 1, 1),
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Wrong_arguments_are_named_in_one_line(string start)
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        using Tensor x = Tensor.Zeros(device.Stream, DType.F32, 2, 3).WithGrad(), y = Tensor.Zeros(device.Stream, DType.F32, 4, 2);
        Exception error = Assert.ThrowsAny<ArgumentException>(() => Wrong[start](tape, x, y));
        Assert.StartsWith(start, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void A_tensor_of_another_device_is_refused()
    {
        using DeviceFixture one = new(), other = new();
        using var tape = new Tape(one.Stream);
        using Tensor x = Tensor.Zeros(other.Stream, DType.F32, 2);
        Assert.Contains("another device", Assert.Throws<ArgumentException>(() => Ops.Exp(tape, x)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_id_outside_the_table_is_an_error_of_the_stream_and_leaves_nothing_behind()
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        using Tensor ids = device.Indices([0, 9], 2), table = Tensor.Zeros(device.Stream, DType.F32, 4, 2).WithGrad();
        _ = Ops.Embedding(tape, ids, table);
        var error = Assert.Throws<BackendException>(device.Stream.Synchronize);
        Assert.Contains("9", error.Message, StringComparison.Ordinal);
    }

    private static Tensor Ids(Tape tape) => new(tape.Adopt(Tensor.From<int>(tape.Stream, [0, 1, 2], 3).Body));
}
