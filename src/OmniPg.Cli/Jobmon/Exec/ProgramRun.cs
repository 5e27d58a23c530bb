using System.Diagnostics;
using System.Runtime.InteropServices;
using OmniPg.Jobmon;

namespace OmniPg.Cli;

/// <summary>One run of a program: passes its output on byte for byte, reports its last line as progress, hands signals to it.</summary>
internal sealed class ProgramRun : IDisposable
{
    private const int BufferSize = 64 * 1024;

    private readonly Process _process = new();
    private readonly CliHost _host;
    private readonly IStep _step;
    private readonly Lock _gate = new();
    private readonly LastLine _output = new();
    private readonly LastLine _error = new();
    private readonly List<PosixSignal> _early = [];
    private bool _started;

    /// <param name="file">Path of the program.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="host">Where its output goes.</param>
    /// <param name="step">Where its progress goes.</param>
    public ProgramRun(string file, IEnumerable<string> arguments, CliHost host, IStep step)
    {
        (_host, _step) = (host, step);
        // Standard input is not redirected: the program reads what this one was given.
        _process.StartInfo = new ProcessStartInfo(file, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
    }

    /// <summary>Where the program's standard output goes; null means where that of this program goes.</summary>
    public Stream? Output { get; init; }

    public long Lines => _output.Count + _error.Count;

    /// <summary>The last line on standard error: usually the reason of a failure.</summary>
    public string? LastError => _error.Text;

    /// <summary>Runs the program to its end and returns its exit code; 128 + n when signal n ended it.</summary>
    /// <param name="cancelled">Fires when the job is cancelled from elsewhere: the program is asked to terminate.</param>
    public async Task<int> RunAsync(CancellationToken cancelled)
    {
        using var signals = _host.Signals.TakeOver(HandOn);
        NativeSignals.KeepPipeSignalFromChildren();
        _process.Start();
        lock (_gate)
        {
            _started = true;
            foreach (var signal in _early)
                Send(NativeSignals.NumberOf(signal));
        }
        await using var cancellation = cancelled.Register(() => Send(NativeSignals.Terminate));
        await Task.WhenAll(
            PumpAsync(_process.StandardOutput.BaseStream, Output ?? _host.OutStream, _output),
            PumpAsync(_process.StandardError.BaseStream, _host.ErrorStream, _error),
            _process.WaitForExitAsync(CancellationToken.None));
        return _process.ExitCode;
    }

    public void Dispose() => _process.Dispose();

    private void HandOn(PosixSignal signal)
    {
        // The terminal has sent these to the whole foreground group already; twice would mean "at once" to many programs.
        if (signal is PosixSignal.SIGINT or PosixSignal.SIGQUIT && NativeSignals.IsForeground())
            return;
        lock (_gate)
        {
            // Between taking over and the start there is nobody to hand it to yet.
            if (_started)
                Send(NativeSignals.NumberOf(signal));
            else
                _early.Add(signal);
        }
    }

    private void Send(int signal)
    {
        // The number of a process that has ended may belong to another one by now.
        if (!_process.HasExited)
            NativeSignals.Send(_process.Id, signal);
    }

    private async Task PumpAsync(Stream source, Stream target, LastLine lines)
    {
        var buffer = new byte[BufferSize];
        while (await source.ReadAsync(buffer) is > 0 and var read)
        {
            lock (_gate)
            {
                if (!TryWrite(target, buffer.AsSpan(0, read)))
                    break;
                lines.Add(buffer.AsSpan(0, read));
                _step.Report(Lines, null, lines.Text);
            }
        }
        lock (_gate)
            lines.End();
        // When nobody reads the output any more, the program learns it at its next write, as it would without this one in between.
        await source.DisposeAsync();
    }

    private bool TryWrite(Stream target, ReadOnlySpan<byte> bytes)
    {
        try
        {
            target.Write(bytes);
            return true;
        }
        catch (IOException error)
        {
            // A closed pipe is how "| head" ends; everything else, such as a full disk, must be said.
            if (target != _host.ErrorStream && !error.Message.Contains("pipe", StringComparison.OrdinalIgnoreCase))
                _host.Error.WriteLine($"omnipg: the program's output could not be written: {error.Message}");
            return false;
        }
    }
}
