using AiOs.Conformance.Harness;
using AiOs.Conformance.Oracles;
using AiOs.Interop;
using AiOs.Runtime;

namespace AiOs.Conformance;

/// <summary>
/// The suite's own instruments: launchers written here, wrong in one way each, must be caught. They write to device
/// memory from the host, which the CPU backend allows.
/// </summary>
public sealed unsafe class HarnessTests
{
    [Fact]
    public void A_correct_launcher_passes() => Assert.Null(Run((a, output) => Double(a, output, 0, 16)));

    [Fact]
    public void An_element_not_written_is_seen() => Assert.Contains("out[15] was not written", Run((a, output) => Double(a, output, 0, 15)), StringComparison.Ordinal);

    [Fact]
    public void A_write_behind_the_end_is_seen() => Assert.Contains("out was overwritten 0 bytes behind its end", Run((a, output) => Double(a, output, 0, 17)), StringComparison.Ordinal);

    [Fact]
    public void A_write_before_the_start_is_seen() => Assert.Contains("bytes before out were overwritten", Run((a, output) =>
    {
        Double(a, output, 0, 16);
        output[-1] = 0;
    }), StringComparison.Ordinal);

    [Fact]
    public void A_changed_input_is_seen() => Assert.Contains("a[3] was changed", Run((a, output) =>
    {
        Double(a, output, 0, 16);
        a[3] += 1;
    }), StringComparison.Ordinal);

    [Fact]
    public void A_wrong_element_is_seen() => Assert.Contains("out[7]", Run((a, output) =>
    {
        Double(a, output, 0, 16);
        output[7] *= 1.00001f;
    }), StringComparison.Ordinal);

    [Fact]
    public void A_read_outside_the_input_spoils_the_result() => Assert.Contains("out[15]", Run((a, output) =>
    {
        Double(a, output, 0, 16);
        output[15] += a[16];
    }), StringComparison.Ordinal);

    [Fact]
    public void An_unexpected_status_is_seen()
    {
        if (Unavailable() is { } problem)
        {
            Assert.Skip(problem);
        }

        using var lab = new Lab("cpu", threads: 1);
        var test = new Case("a launcher", aios_dtype.F32, "that refuses") { Launch = (_, _) => aios_status.Unimplemented };
        Assert.Contains("returned Unimplemented, expected Ok", lab.Run(test).Failure, StringComparison.Ordinal);
    }

    /// <summary>The known answers published with the Random123 library for Philox4x32-10.</summary>
    [Theory]
    [InlineData(0UL, 0UL, 0UL, 0x6627E8D5U, 0xE169C58DU, 0xBC57AC4CU, 0x9B00DBD8U)]
    [InlineData(ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, 0x408F276DU, 0x41C83B0EU, 0xA20BC7C6U, 0x6D5451FDU)]
    [InlineData(0x299F31D0_A4093822UL, 0x85A308D3_243F6A88UL, 0x03707344_13198A2EUL, 0xD16CFE09U, 0x94FDCCEBU, 0x5001E420U, 0x24126EA1U)]
    public void Philox_gives_the_published_answers(ulong key, ulong low, ulong high, uint w0, uint w1, uint w2, uint w3) =>
        Assert.Equal((w0, w1, w2, w3), Philox.Block(key, low, high));

    [Theory]
    [InlineData(1.00390625, 1.0)]
    [InlineData(1.01171875, 1.015625)]
    [InlineData(1.0039062500001, 1.0078125)]
    [InlineData(-1.0039062500001, -1.0078125)]
    [InlineData(3.4e38, double.PositiveInfinity)]
    public void Bfloat16_is_rounded_once_to_nearest_even(double value, double rounded) =>
        Assert.Equal(rounded, Storage.Round(aios_dtype.Bf16, value));

    private delegate void Kernel(float* a, float* output);

    private static void Double(float* a, float* output, int start, int end)
    {
        for (int i = start; i < end; i++)
        {
            output[i] = 2 * a[i];
        }
    }

    private static string? Run(Kernel kernel)
    {
        if (Unavailable() is { } problem)
        {
            Assert.Skip(problem);
        }

        using var lab = new Lab("cpu", threads: 1);
        var test = new Case("a launcher", aios_dtype.F32, "of sixteen elements") { Launch = null! };
        Operand a = test.Input("a", aios_dtype.F32, test.Data.Reals(16, 0.5, 1));
        Operand output = test.Output("out", aios_dtype.F32, 16);
        test.Launch = (_, _) =>
        {
            kernel(a.F, output.F);
            return aios_status.Ok;
        };
        test.Oracle = () =>
        {
            for (int i = 0; i < 16; i++)
            {
                output.Expect(i, 2 * a[i]);
            }
        };
        return lab.Run(test).Failure;
    }

    private static string? Unavailable() =>
        Backends.Probe().Single(probe => probe.Name == "cpu") is { Available: false } probe ? $"backend cpu: {probe.Problem}" : null;

    [Fact]
    public void Parts_have_every_case_once()
    {
        Part[] parts = [.. Enumerable.Range(1, 6).Select(number => Part.Parse($"{number}/6"))];
        Assert.All(Enumerable.Range(0, 100), index => Assert.Single(parts, part => part.Has(index)));
        Assert.All(Enumerable.Range(0, 100), index => Assert.True(Part.Parse(null).Has(index)));
    }

    [Theory]
    [InlineData("0/3")]
    [InlineData("4/3")]
    [InlineData("1/0")]
    [InlineData("2")]
    [InlineData("-1/3")]
    public void What_is_no_part_is_refused(string text) => Assert.Throws<FormatException>(() => Part.Parse(text));
}
