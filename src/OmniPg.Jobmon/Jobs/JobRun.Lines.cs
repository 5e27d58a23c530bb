using Microsoft.Extensions.Logging;

namespace OmniPg.Jobmon;

/// <content>Log lines of the run.</content>
internal sealed partial class JobRun
{
    private LogLineBuffer? _lines;

    public void Log(LogLevel level, string message)
    {
        ArgumentNullException.ThrowIfNull(message);
        ObjectDisposedException.ThrowIf(_disposed, this);
        Capture(Ambient.Current?.Step is { } step && step.Job == Row ? step : null, level, null, message);
    }

    /// <summary>Keeps a line for the next flush; no I/O.</summary>
    public void Capture(StepRow? step, LogLevel level, string? category, string message)
    {
        var lines = Volatile.Read(ref _lines) ?? Interlocked.CompareExchange(ref _lines, new LogLineBuffer(_runtime.Options.MaxLogLines), null) ?? _lines!;
        lines.Add(new LogLine(step, Writer.Mark(), (short)level, category, message));
    }

    private async ValueTask<bool> FlushLinesAsync(bool async)
    {
        if (_lines is not { } lines || JobId is null || Writer.Server is not { HasSide: true })
            return true;
        while (lines.Next() is { Lines.Length: > 0 } batch)
        {
            if (!await Writer.TrySendAsync(async, Row, new LogLinesEvent(Row, Writer.Mark(), batch.First, batch.Lines)).ConfigureAwait(false))
                return false;
            lines.Written(batch.Lines.Length);
        }

        return true;
    }

    /// <summary>The lines not yet written, as events that are kept like the end of the run itself.</summary>
    private IEnumerable<LogEvent> LastLines()
    {
        if (_lines is not { } lines || Writer.Server is { HasSide: false })
            yield break;
        JobmonTelemetry.Dropped(lines.Seal(Writer.Mark()), "log lines");
        while (lines.Next() is { Lines.Length: > 0 } batch)
        {
            yield return new LogLinesEvent(Row, Writer.Mark(), batch.First, batch.Lines);
            lines.Written(batch.Lines.Length);
        }
    }
}
