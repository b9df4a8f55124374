using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using AiOs.Cli;
using AiOs.Cli.Commands;

RootCommand root = new("AiOs.Native: trains and runs models with hand-written kernels.")
{
    DevicesCommand.Create(),
    DoctorCommand.Create(),
    TrainCommand.Create(),
    GenerateCommand.Create(),
    MemoryCommand.Create(),
    BenchCommand.Create(),
};

if (Console.IsOutputRedirected && root.Options.OfType<HelpOption>().FirstOrDefault()?.Action is HelpAction help)
{
    help.MaxWidth = Terminal.DefaultWidth;
}

ParseResult parsed = root.Parse(args);
if (parsed.Action is ParseErrorAction || parsed.Errors.Count > 0)
{
    string path = parsed.CommandResult.Command is RootCommand ? "aios" : "aios " + parsed.CommandResult.Command.Name;
    ErrorHandling.WriteLine(Console.Error, $"{ErrorHandling.ParseProblem(parsed)} (see '{path} --help')");
    return ExitCodes.Usage;
}

// Commands handle signals themselves: an interrupted training run saves its checkpoint and ends well.
return ErrorHandling.Guard(
    () => parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }), Console.Error);
