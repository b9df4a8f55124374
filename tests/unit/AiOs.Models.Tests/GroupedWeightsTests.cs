using System.Runtime.InteropServices;
using AiOs.Models.Compression.Quantization;
using AiOs.Models.Formats;
using AiOs.Runtime;
using AiOs.Tensors;

namespace AiOs.Models.Tests;

/// <summary>The packings of GPTQ and AWQ, written out by hand for eight outputs and 32 or 64 inputs.</summary>
public class GroupedWeightsTests
{
    private static readonly Half[] s_scales = [.. Enumerable.Range(1, 8).Select(o => (Half)(o * 0.25f))];

    [Fact]
    public void Gptq_packs_inputs_into_a_word()
    {
        // Word (i, o) has the codes of inputs 8 i to 8 i + 7 from its lowest digit up: 0 to 7 for output 0, all o for others.
        int[] qweight = new int[4 * 8];
        for (int i = 0; i < 4; i++)
        {
            qweight[i * 8] = 0x76543210;
            for (int o = 1; o < 8; o++)
            {
                qweight[(i * 8) + o] = 0x11111111 * o;
            }
        }

        // Zero points less one, output 0 in the lowest digit: 8, 1, 2, 3, 4, 5, 6 and 16.
        GroupedWeights weights = GroupedWeights.FromGptq(qweight, [unchecked((int)0xF5432107)], s_scales, 8, 32, 32);
        Assert.Equal([8, 1, 2, 3, 4, 5, 6, 16], weights.ZeroPoints.ToArray());
        Assert.Equal("00112233445566770011223344556677", Convert.ToHexString(weights.Codes[..16]));
        Assert.Equal("33333333333333333333333333333333", Convert.ToHexString(weights.Codes.Slice(3 * 16, 16)));
        float[] values = Dequantized(weights);
        Assert.Equal(0.25f * (5 - 8), values[13]);
        Assert.Equal(1f * (3 - 3), values[(3 * 32) + 9]);
        Assert.Equal(2f * (7 - 16), values[(7 * 32) + 31]);
    }

    [Fact]
    public void Awq_packs_outputs_into_a_word_in_its_own_order()
    {
        // From the lowest digit up a word has outputs 0, 2, 4, 6, 1, 3, 5, 7. With the digits 0 to 7, output 1 has 4.
        int[] qweight = new int[64];
        Array.Fill(qweight, 0x76543210);
        qweight[17] = unchecked((int)0xFEDCBA98);
        qweight[40] = 0x0000000F;
        Half[] scales = [.. s_scales, .. s_scales.Select(s => s * (Half)2)];
        GroupedWeights weights = GroupedWeights.FromAwq(qweight, [0x76543210, 0x00000008], scales, 8, 64, 32);
        Assert.Equal([0, 8, 4, 0, 1, 0, 5, 0, 2, 0, 6, 0, 3, 0, 7, 0], weights.ZeroPoints.ToArray());

        // Output 1: code 4 everywhere but for input 17, in the high half of byte 1, which has 12, and input 40, which has 0.
        Assert.Equal("44C4" + string.Concat(Enumerable.Repeat("44", 14)), Convert.ToHexString(weights.Codes.Slice(32, 16)));
        Assert.Equal(string.Concat(Enumerable.Repeat("44", 8)) + "40" + string.Concat(Enumerable.Repeat("44", 7)), Convert.ToHexString(weights.Codes.Slice(48, 16)));
        float[] values = Dequantized(weights);
        Assert.Equal(0.5f * (12 - 4), values[64 + 17]);
        Assert.Equal(0.5f * (15 - 8), values[40]);
        Assert.Equal(4f * (7 - 0), values[(7 * 64) + 32]);
    }

    [Fact]
    public void Lengths_and_shapes_are_checked()
    {
        Assert.Contains("qweight has 31", Assert.Throws<ArgumentException>(() => GroupedWeights.FromGptq(new int[31], new int[1], s_scales, 8, 32, 32)).Message, StringComparison.Ordinal);
        Assert.Contains("qzeros has 2", Assert.Throws<ArgumentException>(() => GroupedWeights.FromAwq(new int[32], new int[2], s_scales, 8, 32, 32)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => GroupedWeights.FromGptq(new int[32], new int[1], s_scales, 8, 32, 48));
        Assert.Throws<ArgumentException>(() => GroupedWeights.FromGptq(new int[28], new int[1], s_scales, 7, 32, 32));
    }

    [Theory]
    [InlineData(false, "[4,8]")]
    [InlineData(true, "[32,1]")]
    public void A_file_tells_the_packing_by_its_shape(bool awq, string shape)
    {
        int[] words = [.. Enumerable.Range(0, 32).Select(i => (i * 0x01234567) ^ 0x5A)];
        using var directory = new TemporaryDirectory();
        using SafetensorsFile file = SafetensorsFile.Open(Write(directory, shape, words, [.. Enumerable.Range(0, 32).Select(_ => 0)]));
        GroupedWeights expected = awq
            ? GroupedWeights.FromAwq(words, [0x12345678], s_scales, 8, 32, 32)
            : GroupedWeights.FromGptq(words, [0x12345678], s_scales, 8, 32, 32);
        GroupedWeights weights = GroupedWeightsFile.Read(file, "layer");
        Assert.Equal(Convert.ToHexString(expected.Codes), Convert.ToHexString(weights.Codes));
        Assert.Equal(expected.ZeroPoints.ToArray(), weights.ZeroPoints.ToArray());
        Assert.Equal(32, weights.Group);
    }

    [Fact]
    public void Inputs_out_of_order_are_refused()
    {
        using var directory = new TemporaryDirectory();
        int[] order = [.. Enumerable.Range(0, 32).Select(i => i == 7 ? 1 : 0)];
        using SafetensorsFile file = SafetensorsFile.Open(Write(directory, "[4,8]", new int[32], order));
        Assert.Contains("desc_act", Assert.Throws<InvalidFileException>(() => GroupedWeightsFile.Read(file, "layer")).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidFileException>(() => GroupedWeightsFile.Read(file, "another"));
    }

    private static string Write(TemporaryDirectory directory, string shape, int[] words, int[] order)
    {
        string header =
            $$$"""{"layer.qweight":{"dtype":"I32","shape":{{{shape}}},"data_offsets":[0,128]},"layer.qzeros":{"dtype":"I32","shape":[1,1],"data_offsets":[128,132]},"layer.scales":{"dtype":"F16","shape":[1,8],"data_offsets":[132,148]},"layer.g_idx":{"dtype":"I32","shape":[32],"data_offsets":[148,276]}}""";
        byte[] data =
        [
            .. MemoryMarshal.AsBytes<int>(words), .. MemoryMarshal.AsBytes<int>([0x12345678]), .. MemoryMarshal.AsBytes<Half>(s_scales),
            .. MemoryMarshal.AsBytes<int>(order),
        ];
        return directory.Write("model.safetensors", SafetensorsBytes.File(header, data));
    }

    private static float[] Dequantized(GroupedWeights weights)
    {
        using Device device = Device.Open();
        using Runtime.Stream stream = device.CreateStream();
        using QuantizedTensor onDevice = weights.ToDevice(stream);
        using Tensor dense = onDevice.Dequantize(stream);
        float[] values = new float[dense.Length];
        dense.CopyTo<float>(values, stream);
        return values;
    }
}
