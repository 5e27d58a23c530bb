using System.Diagnostics;
using System.Text;
using OmniPg.Jobmon;

namespace OmniPg.Cli;

/// <summary>One run of a program: passes its output on line by line, counts the lines as progress, hands signals to it.</summary>
internal sealed class ProgramRun : IDisposable
{
    private readonly Process _process = new();
    private readonly CliSession _session;
    private readonly IStep _step;
    private readonly Lock _gate = new();
    private long _lines;

    public ProgramRun(string[] program, CliSession session, IStep step)
    {
        (_session, _step) = (session, step);
        var start = new ProcessStartInfo(program[0]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in program.Skip(1))
            start.ArgumentList.Add(argument);
        _process.StartInfo = start;
    }

    public long Lines => Interlocked.Read(ref _lines);

    /// <summary>The last line on standard error: usually the reason of a failure.</summary>
    public string? LastError { get; private set; }

    /// <summary>Runs the program to its end and returns its exit code; 128 + n when signal n ended it.</summary>
    /// <param name="cancelled">Fires when the job is cancelled from elsewhere: the program is asked to terminate.</param>
    public async Task<int> RunAsync(CancellationToken cancelled)
    {
        _process.Start();
        using var signals = _session.Host.Signals.TakeOver(signal => NativeSignals.Send(_process.Id, NativeSignals.NumberOf(signal)));
        await using var cancellation = cancelled.Register(() => NativeSignals.Send(_process.Id, NativeSignals.Terminate));
        await Task.WhenAll(
            PumpAsync(Utf8(_process.StandardOutput), _session.Out, isError: false),
            PumpAsync(Utf8(_process.StandardError), _session.Error, isError: true),
            _process.WaitForExitAsync(CancellationToken.None));
        return _process.ExitCode;
    }

    public void Dispose() => _process.Dispose();

    // The readers of the process take FF FE at the beginning for a byte order mark and read everything after it as UTF-16.
    private static StreamReader Utf8(StreamReader given) => new(given.BaseStream, new UTF8Encoding(false), detectEncodingFromByteOrderMarks: false);

    private async Task PumpAsync(StreamReader source, TextWriter target, bool isError)
    {
        while (await source.ReadLineAsync() is { } line)
        {
            lock (_gate)
            {
                target.WriteLine(line);
                target.Flush();
                _step.Report(++_lines, null, line);
                if (isError && line.Length > 0)
                    LastError = line;
            }
        }
    }
}
