namespace AiOs.Tensors.Tests;

public class PhiloxTests
{
    /// <summary>Known answers of the authors' Random123 library.</summary>
    [Theory]
    [InlineData(0u, 0u, 0u, 0u, 0u, 0u, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [InlineData(
        0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)]
    [InlineData(
        0xa4093822u, 0x299f31d0u, 0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u)]
    public void Known_answers(uint k0, uint k1, uint c0, uint c1, uint c2, uint c3, uint w0, uint w1, uint w2, uint w3) =>
        Assert.Equal((w0, w1, w2, w3), Philox.Next((k0, k1), (c0, c1, c2, c3)));

    [Theory]
    [InlineData(1, 0.1f)]
    [InlineData(3, 0.5f)]
    [InlineData(1000, 0.25f)]
    [InlineData(4097, 0.9f)]
    public void Dropout_draws_the_numbers_of_the_reference(int length, float probability)
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        const ulong Seed = 0x1234_5678_9abc_def0;
        tape.SeedRandom(Seed, 7);
        using Tensor ones = Tensor.Full(device.Stream, DType.F32, 1, length);
        for (ulong op = 0; op < 2; op++)
        {
            float[] kept = device.Read(Ops.Dropout(tape, ones, probability));
            float[] uniform = new float[length];
            Philox.FillUniform(uniform, Seed, (7ul << 24) + op);
            for (int i = 0; i < length; i++)
            {
                Assert.Equal(uniform[i] < probability ? 0 : 1 / (1 - probability), kept[i], 1e-6f);
            }
        }
    }

    [Fact]
    public void Numbers_depend_on_their_index_alone_and_have_the_right_moments()
    {
        float[] all = new float[100_000], some = new float[17];
        Philox.FillNormal(all, 1, 2, 3, 0.5f);
        Philox.FillNormal(some, 1, 2, 3, 0.5f);
        Assert.Equal(all[..17], some);
        double mean = all.Average(value => (double)value);
        double deviation = Math.Sqrt(all.Average(value => (value - mean) * (value - mean)));
        Assert.InRange(mean, 2.99, 3.01);
        Assert.InRange(deviation, 0.495, 0.505);
        Philox.FillUniform(all, 1, 2, -2, 4);
        Assert.All(all, value => Assert.InRange(value, -2, 4));
        Assert.InRange(all.Average(value => (double)value), 0.97, 1.03);
        Philox.FillUniform(some, 1, 3, -2, 4);
        Assert.NotEqual(all[..17], some);
    }
}
