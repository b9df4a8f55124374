using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Reflection;
using AiOs.Runtime;

namespace AiOs.Cli;

/// <summary>The command line is wrong; the message is one line that names the option, the value and the fix.</summary>
internal sealed class UsageException : Exception
{
    public UsageException()
    {
    }

    public UsageException(string message)
        : base(message)
    {
    }

    public UsageException(string message, Exception inner)
        : base(message, inner)
    {
    }
}

/// <summary>Turns whatever a command throws into one line on the error stream and an exit code.</summary>
internal static class ErrorHandling
{
    /// <summary>Environment variable that, when set to 1, adds the stack trace below the line.</summary>
    public const string DebugVariable = "AIOS_DEBUG";

    /// <summary>Runs a command.</summary>
    public static int Guard(Func<int> command, TextWriter error)
    {
        try
        {
            return command();
        }
#pragma warning disable CA1031 // The outermost frame: every failure becomes one line and an exit code.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            return Report(exception, error);
        }
    }

    /// <summary>Writes the line of an exception and returns the exit code that goes with it.</summary>
    public static int Report(Exception exception, TextWriter error)
    {
        Exception cause = Unwrap(exception);
        (string message, int code) = cause switch
        {
            UsageException => (cause.Message, ExitCodes.Usage),
            AiOsException => (cause.Message, ExitCodes.Failed),
            OutOfMemoryException => ("out of memory; use a smaller model, batch or block", ExitCodes.Failed),
            IOException or UnauthorizedAccessException => (cause.Message, ExitCodes.Failed),
            _ => (string.Create(CultureInfo.InvariantCulture,
                $"internal error, {cause.GetType().Name}: {cause.Message} Set {DebugVariable}=1 for the stack trace"), ExitCodes.Failed),
        };
        WriteLine(error, message);
        if (Environment.GetEnvironmentVariable(DebugVariable) == "1")
        {
            error.WriteLine(exception);
        }

        return code;
    }

    /// <summary>Writes <c>error: message</c> as one line, whatever the message holds.</summary>
    public static void WriteLine(TextWriter error, string message) => error.WriteLine("error: " + OneLine(message));

    /// <summary>What is wrong with a command line, as one sentence without a full stop.</summary>
    public static string ParseProblem(ParseResult parsed)
    {
        if (parsed.UnmatchedTokens.Count > 0)
        {
            string token = parsed.UnmatchedTokens[0];
            return token.StartsWith('-')
                ? $"unknown option {token}"
                : $"unexpected '{token}'" + (parsed.CommandResult.Command is RootCommand ? $"; the commands are {CommandNames(parsed)}" : string.Empty);
        }

        foreach (SymbolResult result in parsed.CommandResult.Children)
        {
            if (result is OptionResult { Option: { Required: false } option, Tokens.Count: 0 } && option.Arity.MinimumNumberOfValues > 0)
            {
                return $"{option.Name} needs a value";
            }
        }

        if (parsed.Errors.FirstOrDefault(e => e.SymbolResult?.Tokens.Count > 0 && e.SymbolResult is not CommandResult) is { } wrongValue)
        {
            return wrongValue.Message;
        }

        if (parsed.CommandResult.Command.Options.FirstOrDefault(o => o.Required && parsed.GetResult(o) is null) is { } missing)
        {
            return $"{missing.Name} {missing.HelpName} is required";
        }

        return parsed.CommandResult.Command is RootCommand
            ? $"name a command: {CommandNames(parsed)}"
            : parsed.Errors[0].Message.TrimEnd('.');
    }

    private static string CommandNames(ParseResult parsed) =>
        string.Join(", ", parsed.CommandResult.Command.Subcommands.Select(command => command.Name));

    private static string OneLine(string message) =>
        string.Join(' ', message.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));

    private static Exception Unwrap(Exception exception) => exception switch
    {
        AggregateException { InnerExceptions.Count: 1, InnerException: { } inner } => Unwrap(inner),
        TargetInvocationException { InnerException: { } inner } => Unwrap(inner),
        TypeInitializationException { InnerException: { } inner } => Unwrap(inner),
        _ => exception,
    };
}
