namespace AiOs.Interop.Tests;

/// <summary>Each way in which a library can fail to be the right one, and the report about it.</summary>
public sealed class NativeLibrariesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("aios-libraries-").FullName;

    public void Dispose() => Directory.Delete(_folder, true);

    [Fact]
    public void A_missing_library_names_what_builds_it()
    {
        string path = Path.Combine(_folder, "libnowhere.so");
        LibraryProbe probe = NativeLibraries.Search("nowhere", [path]);
        AssertRejected(probe, "libnowhere.so was not found", "dotnet build");
        Assert.Contains(NativeLibraries.SearchPathVariable, probe.Fix, StringComparison.Ordinal);
        Assert.Equal([(path, "no such file")], probe.Tried);
    }

    [Fact]
    public void A_file_that_is_no_library_shows_what_the_loader_said()
    {
        string path = Path.Combine(_folder, "libtext.so");
        File.WriteAllText(path, "this is text, long enough to hold the header of an executable file, and yet is none");
        LibraryProbe probe = NativeLibraries.Search("text", [path]);
        AssertRejected(probe, $"{path} cannot be loaded", "rebuild it");
        Assert.Contains("invalid ELF header", Assert.Single(probe.Tried).Outcome, StringComparison.Ordinal);
    }

    [Fact]
    public void A_foreign_library_names_the_missing_function()
    {
        string path = Build("foreign", "int unrelated(void) { return 1; }");
        LibraryProbe probe = NativeLibraries.Search("foreign", [path]);
        AssertRejected(probe, $"{path} is not a library of AiOs.Native", "rebuild it");
        Assert.Contains("aios_abi_version", probe.Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "rebuild the library")]
    [InlineData(99, "rebuild the managed projects")]
    public void Another_version_names_both_numbers(int version, string fix)
    {
        string path = Build("version", Library(version, Providers.HeaderHash));
        AssertRejected(
            NativeLibraries.Search("version", [path]),
            $"{path} has ABI version {version}, but these bindings need {AiosConstants.AIOS_ABI_VERSION}", fix);
    }

    [Fact]
    public void Another_header_hash_names_both_hashes()
    {
        string path = Build("hash", Library(AiosConstants.AIOS_ABI_VERSION, "0123abcd"));
        LibraryProbe probe = NativeLibraries.Search("hash", [path]);
        AssertRejected(probe, $"{path} was built from headers with hash 0123abcd", "rebuild both sides");
        Assert.Contains(Providers.HeaderHash, probe.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_that_fits_is_taken_and_all_tries_are_reported()
    {
        string wrong = Build("wrong", Library(99, Providers.HeaderHash));
        string right = Build("right", Library(AiosConstants.AIOS_ABI_VERSION, Providers.HeaderHash));
        LibraryProbe probe = NativeLibraries.Search("x", [Path.Combine(_folder, "none.so"), wrong, right, "never-tried.so"]);
        Assert.True(probe.Found);
        Assert.NotEqual(0, probe.Handle);
        Assert.Equal(right, probe.Path);
        Assert.Equal(["no such file", "has ABI version 99, but these bindings need 1", "loaded"], probe.Tried.Select(t => t.Outcome));
        Assert.Null(probe.Problem);
        Assert.Null(probe.Fix);
    }

    [Fact]
    public void A_rejected_library_outweighs_missing_ones_in_the_problem()
    {
        string wrong = Build("wrong2", Library(99, Providers.HeaderHash));
        LibraryProbe probe = NativeLibraries.Search("x", [Path.Combine(_folder, "none.so"), wrong, "libaios-surely-not-installed.so"]);
        AssertRejected(probe, $"{wrong} has ABI version 99", "rebuild");
        Assert.Equal(3, probe.Tried.Count);
    }

    [Fact]
    public void The_search_path_comes_first_and_the_system_last()
    {
        IReadOnlyList<string> candidates = NativeLibraries.Candidates("aios_x", $"{_folder}{Path.PathSeparator}{Path.PathSeparator}relative");
        Assert.Equal(Path.Combine(_folder, "libaios_x.so"), candidates[0]);
        Assert.Equal(Path.GetFullPath("relative/libaios_x.so"), candidates[1]);
        Assert.Equal(Path.Combine(AppContext.BaseDirectory, "libaios_x.so"), candidates[2]);
        Assert.Contains("/runtimes/", candidates[3], StringComparison.Ordinal);
        Assert.Equal("libaios_x.so", candidates[^1]);
        Assert.Equal(5, candidates.Count);
    }

    [Fact]
    public void The_answer_is_kept_and_shared_by_threads()
    {
        LibraryProbe[] probes = new LibraryProbe[16];
        Parallel.For(0, probes.Length, i => probes[i] = NativeLibraries.Probe(Providers.Cpu));
        Assert.All(probes, probe => Assert.Same(probes[0], probe));
        Assert.True(probes[0].Found, probes[0].Problem);
        Assert.Equal(Path.Combine(AppContext.BaseDirectory, "libaios_cpu.so"), probes[0].Path);
    }

    private static void AssertRejected(LibraryProbe probe, string problem, string fix)
    {
        Assert.False(probe.Found);
        Assert.Null(probe.Path);
        Assert.Equal(0, probe.Handle);
        Assert.StartsWith(problem, probe.Problem, StringComparison.Ordinal);
        Assert.Contains(fix, probe.Fix, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', probe.Problem + probe.Fix + string.Concat(probe.Tried.Select(t => t.Outcome)));
    }

    private static string Library(int version, string hash) => $$"""
        int aios_abi_version(void) { return {{version}}; }
        const char *aios_header_hash(void) { return "{{hash}}"; }
        const char *aios_status_name(int status) { return "x"; }
        const char *aios_last_error(void) { return ""; }
        """;

    private string Build(string name, string source)
    {
        string path = Path.Combine(_folder, $"lib{name}.so");
        File.WriteAllText(path + ".c", source);
        TestEnvironment.Run("cc", "gcc", "-shared", "-fPIC", "-o", path, path + ".c");
        return path;
    }
}
