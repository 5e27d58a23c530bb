using System.Runtime.InteropServices;

namespace OmniPg.Wal.Cli;

/// <summary>
/// Turns SIGTERM and SIGINT into a cancellation, so that temporary files are removed before the program ends with the shell's code of that
/// signal: PostgreSQL takes 143 of a restore_command as its own shutdown request.
/// </summary>
internal sealed class StopSignals : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly PosixSignalRegistration[] _registrations;
    private int _exitCode;

    public StopSignals() => _registrations =
    [
        PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Stop(context, ExitCodes.Terminated)),
        PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Stop(context, ExitCodes.Interrupted)),
    ];

    public CancellationToken Token => _stop.Token;

    /// <summary>The exit code of the signal that came first; 0 when none came.</summary>
    public int ExitCode => Volatile.Read(ref _exitCode);

    public void Dispose()
    {
        foreach (var registration in _registrations)
            registration.Dispose();
        _stop.Dispose();
    }

    private void Stop(PosixSignalContext context, int exitCode)
    {
        context.Cancel = true;
        Interlocked.CompareExchange(ref _exitCode, exitCode, 0);
        _stop.Cancel();
    }
}
