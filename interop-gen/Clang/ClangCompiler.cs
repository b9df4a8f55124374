using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace AiOs.InteropGen.Clang;

/// <summary>What one run of clang gave.</summary>
/// <param name="ExitCode">0 when the source had no error.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Diagnostics">Standard error.</param>
public readonly record struct ClangResult(int ExitCode, byte[] Output, string Diagnostics)
{
    /// <summary>The first error, without what included its file.</summary>
    public string FirstError => Diagnostics.Split('\n').FirstOrDefault(line => line.Contains("error: ", StringComparison.Ordinal), Diagnostics);
}

/// <summary>Runs clang, for one fixed target so that the output is the same on every machine.</summary>
/// <param name="executable">Command or path of clang.</param>
/// <param name="directory">Directory that relative paths start from.</param>
public sealed class ClangCompiler(string executable, string directory)
{
    private const int OldestVersion = 14;
    private const int NewestVersion = 21;

    // A freestanding build takes stdint.h and stddef.h from clang itself, and nothing from the machine.
    private static readonly string[] s_freestanding = ["-ffreestanding", "-nostdlibinc"];

    /// <summary>Finds clang on the search path, the unversioned name first.</summary>
    /// <param name="directory">Directory that relative paths start from.</param>
    /// <param name="searchPath">Directories to search, as in PATH; PATH itself when null.</param>
    /// <returns>The compiler, or null when there is none.</returns>
    public static ClangCompiler? Find(string directory, string? searchPath = null)
    {
        IEnumerable<string> names = Enumerable.Range(OldestVersion, NewestVersion - OldestVersion + 1)
            .Reverse().Select(version => $"clang-{version}").Prepend("clang");
        string[] folders = (searchPath ?? Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        string? found = names.SelectMany(name => folders.Select(folder => Path.Combine(folder, name)))
            .FirstOrDefault(File.Exists);
        return found is null ? null : new ClangCompiler(found, directory);
    }

    /// <summary>Finds clang or says how to install it.</summary>
    /// <param name="directory">Directory that relative paths start from.</param>
    /// <param name="searchPath">Directories to search, as in PATH; PATH itself when null.</param>
    /// <exception cref="GenerationException">There is no clang.</exception>
    public static ClangCompiler Require(string directory, string? searchPath = null) => Find(directory, searchPath) ?? throw new GenerationException(
        $"clang {OldestVersion} or newer was not found on PATH; install it with: apt-get install clang");

    /// <summary>Directory that relative paths start from.</summary>
    public string Directory => directory;

    /// <summary>Parses a source and returns the syntax tree as JSON.</summary>
    /// <param name="options">Include paths and definitions of the header.</param>
    /// <param name="source">Path of a file, or null to parse <paramref name="text"/>.</param>
    /// <param name="text">Source text for standard input.</param>
    /// <param name="language"><c>c</c> or <c>c++</c>.</param>
    public ClangResult DumpAst(HeaderOptions options, string? source, string text = "", string language = "c") =>
        Run(options, ["-Xclang", "-ast-dump=json", "-fsyntax-only"], source, text, language);

    /// <summary>Preprocesses a file, keeping definitions and line markers.</summary>
    /// <param name="options">Include paths and definitions of the header.</param>
    /// <param name="source">Path of the header.</param>
    public ClangResult DumpMacros(HeaderOptions options, string source) => Run(options, ["-E", "-dD"], source, "", "c");

    /// <summary>Preprocesses a text that stands behind the header.</summary>
    /// <param name="options">The header.</param>
    /// <param name="text">The text.</param>
    public ClangResult Preprocess(HeaderOptions options, string text) => Run(options, ["-E", "-P"], null, text, "c");

    private ClangResult Run(HeaderOptions options, string[] action, string? source, string text, string language)
    {
        var start = new ProcessStartInfo(executable)
        {
            WorkingDirectory = directory,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardErrorEncoding = Encoding.UTF8,
        };
        string[] arguments =
        [
            "--target=x86_64-unknown-linux-gnu", "-x", language, language == "c" ? "-std=c11" : "-std=c++17", "-w",
            "-ferror-limit=0", "-fno-color-diagnostics", "-fno-caret-diagnostics",
            .. options.IsHosted ? [] : s_freestanding, .. options.IncludeDirectories.Select(path => "-I" + path), .. action,
            .. options.More.SelectMany(header => (string[])["-include", header]),
            .. source is null ? (string[])["-include", options.Header, "-"] : [source],
        ];
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        try
        {
            using Process process = Process.Start(start)!;
            Task<string> diagnostics = process.StandardError.ReadToEndAsync();
            using var output = new MemoryStream();
            Task copy = process.StandardOutput.BaseStream.CopyToAsync(output);
            process.StandardInput.Write(text);
            process.StandardInput.Close();
            copy.Wait();
            process.WaitForExit();
            return new ClangResult(process.ExitCode, output.ToArray(), diagnostics.Result);
        }
        catch (Win32Exception e)
        {
            throw new GenerationException($"{executable} could not be started: {e.Message}");
        }
    }
}

/// <summary>How a header is parsed.</summary>
/// <param name="Header">Path of the header, relative to the root.</param>
/// <param name="IncludeDirectories">Where its includes are found, relative to the root.</param>
/// <param name="IsHosted">Whether it may include headers of the machine's C library.</param>
/// <param name="More">Headers that are read too, by the names they are included under.</param>
public sealed record HeaderOptions(string Header, IReadOnlyList<string> IncludeDirectories, bool IsHosted, IReadOnlyList<string> More);
