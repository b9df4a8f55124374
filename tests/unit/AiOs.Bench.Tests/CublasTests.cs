using AiOs.Bench.Families;
using AiOs.Bench.Peers;

namespace AiOs.Bench.Tests;

/// <summary>What can be said of the peer for GPUs without a GPU.</summary>
public sealed class CublasTests
{
    [Fact]
    public void Eighths_are_encoded_as_the_8_bit_floats_that_they_are()
    {
        for (int eighths = -8; eighths <= 8; eighths++)
        {
            byte code = CublasCase.Encode(eighths);
            int exponent = (code >> 3) & 15, fraction = code & 7;
            double size = exponent == 0 ? Math.ScaleB(fraction, -9) : Math.ScaleB(8 + fraction, exponent - 10);
            Assert.Equal(eighths / 8.0, code >= 0x80 ? -size : size);
        }
    }

    [Fact]
    public void A_library_that_is_missing_is_one_line_that_says_what_to_do()
    {
        List<string> notes = [];
        using PeerLibraries peers = PeerLibraries.OpenForGpu(notes.Add);
        Assert.SkipWhen(peers.Cublas is not null, "this machine has cuBLASLt");
        Assert.Contains("LD_LIBRARY_PATH", Assert.Single(notes), StringComparison.Ordinal);
        Assert.Empty(peers.Descriptions);
    }
}
