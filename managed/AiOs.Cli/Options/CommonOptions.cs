using System.CommandLine;
using static AiOs.Cli.Options.OptionFactory;

namespace AiOs.Cli.Options;

/// <summary>Options that several commands have.</summary>
internal static class CommonOptions
{
    public static Option<bool> Json() => new("--json") { Description = "Prints the result as one JSON document on stdout; everything else goes to stderr" };

    public static Option<string?> Backend() => Text("--backend", "B", "Backend to run on; see 'aios devices'", TrainDefaults.Backend);

    public static Option<long?> Threads() => Whole("--threads", "Worker threads; results do not depend on it", 1, 1024, "AIOS_CPU_THREADS, or the processors this process may use");
}
