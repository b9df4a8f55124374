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
    private readonly Action _noticed;
    private readonly PosixSignalRegistration[] _registrations;

    /// <summary>Listens from now on.</summary>
    /// <param name="noticed">Called at the first signal, from a thread of the system.</param>
    public Interruption(Action noticed)
    {
        _noticed = noticed;
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle),
        ];
    }

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Token => _source.Token;

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
        _noticed();
    }
}
