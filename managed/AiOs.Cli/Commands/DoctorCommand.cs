using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using AiOs.Cli.Options;
using AiOs.Runtime;
using Spectre.Console;

namespace AiOs.Cli.Commands;

/// <summary>What <c>aios doctor --json</c> prints.</summary>
/// <param name="Healthy">True when nothing is a problem.</param>
/// <param name="Sections">The findings, in the order they are printed.</param>
internal sealed record DoctorDocument(bool Healthy, IReadOnlyList<DoctorSection> Sections);

/// <summary>Findings that belong together.</summary>
internal sealed record DoctorSection(string Title, IReadOnlyList<DoctorFinding> Findings);

/// <summary>One thing that was looked for.</summary>
/// <param name="Name">What was looked for, or where.</param>
/// <param name="Found">What was found.</param>
/// <param name="Verdict">ok, note (works, could be better), problem, or info.</param>
/// <param name="Fix">What to do; null when there is nothing to do.</param>
internal sealed record DoctorFinding(string Name, string Found, string Verdict = "info", string? Fix = null);

/// <summary><c>aios doctor</c>: what was looked for, where, what was found, why not, and what to do.</summary>
internal static class DoctorCommand
{
    private const string Good = "ok";
    private const string Note = "note";
    private const string Problem = "problem";

    public static Command Create()
    {
        Option<bool> json = CommonOptions.Json();
        Command command = new("doctor", "Says what was looked for and where, what was found, why not, and what to do. Fails when something is missing.") { json };
        command.SetAction(result => Run(result.GetValue(json)));
        return command;
    }

    private static int Run(bool json)
    {
        List<DoctorSection> sections = [];
        IReadOnlyList<BackendProbe> probes = Backends.Probe();
        sections.AddRange(probes.Select(Backend));
        if (probes.Any(p => p.LibraryPath is null && p.IsExpected))
        {
            sections.Add(BuildTools());
        }

        sections.Add(Processor(probes.SelectMany(p => p.Devices).FirstOrDefault()));
        sections.Add(Memory());
        sections.Add(DotNet());

        bool healthy = sections.SelectMany(s => s.Findings).All(f => f.Verdict != Problem);
        DoctorDocument document = new(healthy, sections);
        if (json)
        {
            JsonOutput.Write(Console.Out, document);
        }
        else
        {
            Print(Terminal.ForPeople(json: false), document);
        }

        return healthy ? ExitCodes.Ok : ExitCodes.Failed;
    }

    private static DoctorSection Backend(BackendProbe probe)
    {
        List<DoctorFinding> findings =
        [
            probe.Available
                ? new("available", "yes", Good)
                : new("available", "no: " + probe.Problem, probe.IsExpected ? Problem : Note, probe.Fix),
        ];
        foreach ((int index, DeviceInfo device) in probe.Devices.Index())
        {
            string name = Units.Device(probe.Name, index);
            findings.Add(new("device", index == 0 ? device.Name : $"{device.Name} ({name})"));
            findings.AddRange(probe.Name == "cpu" ? ProcessorDevice(device) : GpuDevice(device));
            findings.AddRange(Sensors(Backends.ReadSensors(name)));
        }

        findings.Add(new("library", probe.LibraryPath ?? "not found"));
        findings.AddRange(probe.Tried.Select(tried => new DoctorFinding("tried", $"{tried.Path}: {tried.Outcome}")));
        findings.AddRange(Backends.OptionalLibraries(probe.Name).Select(library => library.Problem is null
            ? new DoctorFinding(library.Name, library.Version ?? "does not tell its version", Good)
            : new DoctorFinding(library.Name, $"{library.Problem}; {library.Use}", Note, library.Fix)));
        return new($"Backend {probe.Name}", findings);
    }

    private static IEnumerable<DoctorFinding> ProcessorDevice(DeviceInfo device) =>
    [
        new("kernels", $"{device.Isa}, {Choice("AIOS_CPU_ISA", "the best this processor supports")}"),
        new("threads", $"{Units.Count(device.Threads)}, {Choice("AIOS_CPU_THREADS", "what the processors, the quota and the ranks leave this process")}"),
        new("caches", $"L1 {Cache(device.L1Bytes)}, L2 {Cache(device.L2Bytes)}, L3 {Cache(device.L3Bytes)}"),
    ];

    private static IEnumerable<DoctorFinding> GpuDevice(DeviceInfo device) =>
    [
        new("kernels", device.Isa),
        new("multiprocessors", Units.Count(device.Threads)),
        new("memory", Units.Bytes(device.MemoryBytes)),
    ];

    /// <summary>How the device is, as far as it says, and what of it spoils measurements or training.</summary>
    private static IEnumerable<DoctorFinding> Sensors(DeviceSensors sensors)
    {
        if (sensors.ToString() is { Length: > 0 } line)
        {
            yield return new("sensors", line);
        }

        foreach ((string what, string fix) in SensorOutput.Remarks(sensors))
        {
            yield return new("sensors", what, Note, fix);
        }
    }

    private static DoctorSection BuildTools() => new("Tools that build the native libraries",
    [
        Tool("CMake", "apt-get install cmake", "cmake"),
        Tool("C++ compiler", "apt-get install g++", Environment.GetEnvironmentVariable("CXX") ?? "c++", "g++", "clang++"),
        Tool("Ninja or Make", "apt-get install ninja-build", "ninja", "make"),
    ]);

    private static DoctorFinding Tool(string name, string fix, params ReadOnlySpan<string> commands)
    {
        foreach (string command in commands)
        {
            foreach (string directory in (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(Path.PathSeparator))
            {
                string path = Path.Combine(directory, command);
                if (File.Exists(path))
                {
                    return new(name, path, Good);
                }
            }
        }

        return new(name, "not found in PATH", Problem, fix);
    }

    /// <summary>What this process may use; the quota is what the backend found, and unknown without one.</summary>
    private static DoctorSection Processor(DeviceInfo? device)
    {
        List<DoctorFinding> findings =
        [
            new("architecture", RuntimeInformation.ProcessArchitecture.ToString()),
            new("processors", $"{Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture)} usable by this process"),
        ];
        if (device?.CpuQuota is { } quota)
        {
            findings.Add(new("quota", string.Create(CultureInfo.InvariantCulture, $"{quota:0.##} processors' worth of time (container limit)"),
                quota < 1 ? Note : "info", quota < 1 ? "raise the container's CPU limit to at least one processor" : null));
        }
        else if (device is not null)
        {
            findings.Add(new("quota", "none"));
        }

        return new("Processor", findings);
    }

    private static DoctorSection Memory()
    {
        List<DoctorFinding> findings = [];
        if (HostFacts.MemoryInfo("MemTotal") is { } total && HostFacts.MemoryInfo("MemAvailable") is { } available)
        {
            bool little = available < 1L << 30;
            findings.Add(new("memory", $"{Units.Bytes(available)} available of {Units.Bytes(total)}", little ? Note : Good,
                little ? "close other programs: training the default model takes about half a GiB" : null));
        }

        findings.Add(new("container limit", HostFacts.MemoryLimit() is { } limit ? Units.Bytes(limit) : "none"));
        if (HostFacts.TransparentHugePages() is { } mode)
        {
            findings.Add(new("huge pages", $"transparent huge pages: {mode}", mode == "never" ? Note : Good,
                mode == "never" ? "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled makes large models faster" : null));
        }

        return new("Memory", findings);
    }

    private static DoctorSection DotNet() => new(".NET",
    [
        new("runtime", RuntimeInformation.FrameworkDescription, Good),
        new("system", $"{RuntimeInformation.OSDescription}, {RuntimeInformation.RuntimeIdentifier}"),
        new("command", AppContext.BaseDirectory),
    ]);

    private static string Choice(string variable, string otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? $"chosen by {variable}={value}" : otherwise;

    private static string Cache(long bytes) => bytes > 0 ? Units.Bytes(bytes) : "unknown";

    private static void Print(IAnsiConsole console, DoctorDocument document)
    {
        foreach (DoctorSection section in document.Sections)
        {
            console.MarkupLine($"[bold]{Markup.Escape(section.Title)}[/]");
            foreach (DoctorFinding finding in section.Findings)
            {
                PrintLine(console, finding.Verdict, finding.Name, finding.Found);
                if (finding.Fix is { } fix)
                {
                    PrintLine(console, "info", "to do", fix);
                }
            }

            console.WriteLine();
        }

        console.MarkupLine(document.Healthy ? "[green]Everything that is needed is here.[/]" : "[red]Something is missing; see 'to do' above.[/]");
    }

    /// <summary>Three columns. Words, such as paths, are never broken, so that they can be copied.</summary>
    private static void PrintLine(IAnsiConsole console, string verdict, string name, string text)
    {
        const int verdictWidth = 10;
        const int nameWidth = 17;
        console.Markup("  " + Mark(verdict) + new string(' ', verdictWidth - 2 - (Mark(verdict).Length == 0 ? 0 : verdict.Length)));
        int left = console.Profile.Width - verdictWidth - nameWidth;
        string line = name.PadRight(nameWidth);
        int used = 0;
        foreach (string word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (used > 0 && used + 1 + word.Length > left)
            {
                console.Profile.Out.Writer.WriteLine(line);
                line = new string(' ', verdictWidth + nameWidth);
                used = 0;
            }

            line += used > 0 ? " " + word : word;
            used += used > 0 ? 1 + word.Length : word.Length;
        }

        console.Profile.Out.Writer.WriteLine(line);
    }

    private static string Mark(string verdict) => verdict switch
    {
        Good => "[green]ok[/]",
        Note => "[yellow]note[/]",
        Problem => "[red]problem[/]",
        _ => string.Empty,
    };
}
