using System.Runtime.InteropServices;
using System.Text;

namespace OmniPg.Cli;

/// <summary>The whole terminal as a drawing area. What stood there before is back after disposal.</summary>
internal sealed class FullScreen : IDisposable
{
    // Alternate buffer, cursor hidden, no automatic line wrap: a line that a terminal draws wider than computed loses its end
    // instead of pushing the rest of the picture down.
    private const string EnterCode = "\e[?1049h\e[?25l\e[?7l\e[2J";

    private const string LeaveCode = "\e[?7h\e[?25h\e[?1049l";

    private readonly TextWriter _terminal;
    private readonly List<PosixSignalRegistration> _registrations = [];
    private readonly Lock _gate = new();
    private bool _entered;

    /// <param name="terminal">The terminal.</param>
    /// <param name="redraw">Called when the picture must be drawn again: the window has another size, or the program came back to the foreground.</param>
    public FullScreen(TextWriter terminal, Action redraw)
    {
        _terminal = terminal;
        Enter();
        if (OperatingSystem.IsWindows())
            return;
        _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ => redraw()));
        _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGTSTP, Suspend));
        _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGCONT, _ =>
        {
            Enter();
            redraw();
        }));
    }

    /// <summary>Draws the lines, cut to the window, over the old picture; each line clears its own rest, so nothing flickers.</summary>
    public void Paint(IEnumerable<ScreenLine> lines, int width, int height)
    {
        var picture = new StringBuilder("\e[H");
        var first = true;
        foreach (var line in lines.Take(height))
        {
            picture.Append(first ? "" : "\r\n");
            first = false;
            // Behind a full line the cursor stands on its last cell, and erasing from there on would take that one, too.
            if (line.AppendTo(picture, width) > 0)
                picture.Append("\e[K");
        }
        picture.Append("\e[J");
        // One write, and none between leaving for the shell and coming back: it would land in the shell's screen.
        lock (_gate)
        {
            if (_entered)
                Write(picture.ToString());
        }
    }

    public void Dispose()
    {
        foreach (var registration in _registrations)
            registration.Dispose();
        Leave();
    }

    private void Enter()
    {
        lock (_gate)
        {
            if (!_entered)
                Write(EnterCode);
            _entered = true;
        }
    }

    private void Leave()
    {
        lock (_gate)
        {
            if (_entered)
                Write(LeaveCode);
            _entered = false;
        }
    }

    // Ctrl-Z: the shell must get its own screen back before this process stops.
    private void Suspend(PosixSignalContext context)
    {
        context.Cancel = true;
        Leave();
        NativeSignals.Send(Environment.ProcessId, NativeSignals.Stop);
    }

    private void Write(string text)
    {
        try
        {
            _terminal.Write(text);
            _terminal.Flush();
        }
        catch (IOException)
        {
            // The terminal is gone. SIGHUP, which says so, ends the program.
        }
    }
}
