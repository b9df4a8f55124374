using Spectre.Console;

namespace AiOs.Cli;

/// <summary>Where a command prints: results on stdout, everything else on stderr when the result is JSON.</summary>
internal static class Terminal
{
    /// <summary>Columns when the output is not a terminal.</summary>
    public const int DefaultWidth = 80;

    /// <summary>The console for people: stdout, or stderr when stdout belongs to a JSON document.</summary>
    public static IAnsiConsole ForPeople(bool json) => Create(json ? Console.Error : Console.Out, json ? Console.IsErrorRedirected : Console.IsOutputRedirected);

    private static IAnsiConsole Create(TextWriter writer, bool redirected)
    {
        bool plain = redirected || !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = redirected ? AnsiSupport.No : AnsiSupport.Detect,
            ColorSystem = plain ? ColorSystemSupport.NoColors : ColorSystemSupport.Detect,
            Interactive = redirected ? InteractionSupport.No : InteractionSupport.Detect,
            Out = new AnsiConsoleOutput(writer),
        });
        if (redirected)
        {
            console.Profile.Width = DefaultWidth;
        }

        return console;
    }
}
