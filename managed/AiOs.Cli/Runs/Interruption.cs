using System.Runtime.InteropServices;

namespace AiOs.Cli.Runs;

/// <summary>
/// SIGINT and SIGTERM as a request to stop well: the first asks, and the step in progress is finished and saved; a
/// second one ends the process at once.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private const string ShowCursor = "\e[?25h";
    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration[] _registrations;

    public Interruption() => _registrations =
    [
        PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle),
        PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle),
    ];

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>True once a signal came.</summary>
    public bool Requested => _source.IsCancellationRequested;

    /// <summary>Gives the signals their usual meaning again.</summary>
    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
        {
            registration.Dispose();
        }

        _source.Dispose();
    }

    private void Handle(PosixSignalContext context)
    {
        context.Cancel = true;
        if (_source.IsCancellationRequested)
        {
            if (!Console.IsOutputRedirected)
            {
                Console.Out.Write(ShowCursor);
            }

            Environment.Exit(ExitCodes.Aborted);
        }

        _source.Cancel();
    }
}
