using System.Runtime.InteropServices;

namespace OmniPg.Cli;

/// <summary>Turns signals into a cancelled token, or hands them to whoever took them over.</summary>
internal sealed class TerminationSignals : IDisposable
{
    private static readonly PosixSignal[] Watched = [PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP, PosixSignal.SIGQUIT];

    private readonly CancellationTokenSource _cancellation = new();
    private readonly List<PosixSignalRegistration> _registrations = [];
    // Read by the runtime's signal thread while the command's thread sets it.
    private volatile Action<PosixSignal>? _handler;

    public TerminationSignals()
    {
        // Before anything else runs: a signal that comes earlier ends the program, and nothing has begun then.
        foreach (var signal in Watched)
            _registrations.Add(PosixSignalRegistration.Create(signal, Handle));
    }

    /// <summary>Fires at the first signal that nobody took over.</summary>
    public CancellationToken Token => _cancellation.Token;

    /// <summary>Sends every further signal to <paramref name="handler"/> until the result is disposed.</summary>
    public IDisposable TakeOver(Action<PosixSignal> handler)
    {
        _handler = handler;
        return new Takeover(this);
    }

    public void Dispose()
    {
        foreach (var registration in _registrations)
            registration.Dispose();
        _cancellation.Dispose();
    }

    private void Handle(PosixSignalContext context)
    {
        if (_handler is { } handler)
        {
            context.Cancel = true;
            handler(context.Signal);
            return;
        }
        // The second signal does what it does to any program: cancelling a question to a server that hangs can take long.
        context.Cancel = !_cancellation.IsCancellationRequested;
        if (context.Cancel)
        {
            // Not on the signal thread: what is registered for the token may block, and the next signal must still be heard.
            _cancellation.CancelAsync();
        }
    }

    private sealed class Takeover(TerminationSignals signals) : IDisposable
    {
        public void Dispose() => signals._handler = null;
    }
}
