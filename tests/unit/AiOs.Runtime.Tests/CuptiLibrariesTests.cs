using AiOs.Interop;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime.Tests;

/// <summary>Which CUPTI is asked to listen, of those that a machine has.</summary>
public sealed class CuptiLibrariesTests : IDisposable
{
    private const int Driver = 12_040;

    private readonly string _folder = Directory.CreateTempSubdirectory("aios-cupti-").FullName;

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_folder, true);

    [Theory]
    [InlineData(12_040, "libcupti.so.12", "libcupti.so.13")]
    [InlineData(13_000, "libcupti.so.13", "libcupti.so.12")]
    [InlineData(14_000, "libcupti.so.13", "libcupti.so.12")]
    public void That_of_the_drivers_major_version_comes_first_wherever_it_is(int driver, string first, string second)
    {
        string[] expected = [.. new[] { first, second, "libcupti.so" }.SelectMany(name => new[]
        {
            name, $"/usr/local/cuda/extras/CUPTI/lib64/{name}", $"/usr/local/cuda/lib64/{name}",
        })];
        Assert.Equal(expected, CuptiLibraries.Candidates(["PATH_THAT_NOBODY_SETS"], driver));
    }

    [Fact]
    public void What_keeps_each_away_is_said_in_one_line()
    {
        string none = Path.Combine(_folder, "none.so"), text = Path.Combine(_folder, "text.so"), other = NativeLibraries.Probe("aios_cpu").Path!;
        File.WriteAllText(text, "no library");
        Assert.Equal("libcupti was not found in 1 places; install cuda-cupti of CUDA 12 or set CUDA_HOME", new CuptiLibraries([none], Driver).Problem);
        var spoiled = new CuptiLibraries([none, text, other], Driver);
        Assert.Null(spoiled.Preferred);
        Assert.StartsWith($"{text} cannot be loaded, {other} does not export cupti", spoiled.Problem, StringComparison.Ordinal);
        Assert.EndsWith("; install cuda-cupti of CUDA 12 or set CUDA_HOME", spoiled.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void The_next_is_asked_when_one_refuses()
    {
        // A copy is a library of its own; a link is the same one again.
        string first = NativeLibraries.Probe("aios_cudasim").Path!;
        string link = Path.Combine(_folder, "link.so"), second = Path.Combine(_folder, "copy.so"), text = Path.Combine(_folder, "text.so");
        File.CreateSymbolicLink(link, first);
        File.Copy(first, second);
        File.WriteAllText(text, "no library");
        var libraries = new CuptiLibraries([first, link, text, second], Driver);
        List<CuptiTable> asked = [];

        Assert.Null(Ask([null]));
        Assert.Same(libraries.Preferred, Assert.Single(asked));
        Assert.Null(Ask(CUptiResult.ErrorNotCompatible, null));
        Assert.Equal(2, asked.Distinct().Count());
        Assert.Same(libraries.Preferred, asked[0]); // the next trace begins with it again
        Assert.Equal(
            $"{first}: ErrorNotCompatible, {second}: ErrorNotSupported, {text} cannot be loaded; install cuda-cupti of CUDA 12 or set CUDA_HOME",
            Ask(CUptiResult.ErrorNotCompatible, CUptiResult.ErrorNotSupported));
        Assert.EndsWith("; end other profilers of this process", Ask(CUptiResult.ErrorNotCompatible, CUptiResult.ErrorMultipleSubscribersNotSupported), StringComparison.Ordinal);

        string? Ask(params CUptiResult?[] answers)
        {
            asked.Clear();
            return libraries.Ask(cupti =>
            {
                asked.Add(cupti);
                return answers[asked.Count - 1] is { } result ? new CuptiLibraries.Refusal(result, result.ToString()) : null;
            });
        }
    }
}
