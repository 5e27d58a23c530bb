namespace OmniPg.Jobmon;

/// <summary>What one run produces between its events: progress of its steps, and captured log lines. Written in the background, never kept.</summary>
internal sealed class RunFlusher(JobRow job, OpenSteps steps, JobmonRuntime runtime)
{
    private LogLineBuffer? _lines;

    /// <summary>Keeps a line for the next flush; no I/O.</summary>
    public void Capture(StepRow? step, LogLevel level, string? category, string message)
    {
        var lines = Volatile.Read(ref _lines)
            ?? Interlocked.CompareExchange(ref _lines, new LogLineBuffer(runtime.Options.MaxLogLines), null) ?? _lines!;
        lines.Add(new LogLine(step, runtime.Writer.Mark(), (short)level, category, message));
    }

    /// <summary>Writes what changed since the last call; false when the server did not take it.</summary>
    public async ValueTask<bool> FlushAsync(bool async) =>
        await FlushProgressAsync(async).ConfigureAwait(false) && await FlushLinesAsync(async).ConfigureAwait(false);

    /// <summary>The lines not yet written, as events that are kept like the end of the run itself.</summary>
    public IEnumerable<LogEvent> LastLines()
    {
        if (_lines is not { } lines || runtime.Sink.TakesLines == false)
            yield break;
        JobmonTelemetry.Dropped(lines.Seal(runtime.Writer.Mark()), "log lines");
        while (lines.Next() is { Lines.Length: > 0 } batch)
        {
            yield return new LogLinesEvent(job, runtime.Writer.Mark(), batch.First, batch.Lines);
            lines.Written(batch.First, batch.Lines.Length);
        }
    }

    private async ValueTask<bool> FlushProgressAsync(bool async)
    {
        if (job.JobId is null)
            return true;
        List<StepRun> moved = [];
        // A step leaves the list before its end is written: what is found there under the gate has not ended for the server, either.
        if (await runtime.Writer.TrySendAsync(async, job, Moved).ConfigureAwait(false))
            return true;
        moved.ForEach(step => step.Cell.PutBack());
        return false;

        ProgressEvent? Moved()
        {
            moved = steps.TakeMoved();
            return moved.Count == 0 ? null : new ProgressEvent(job, runtime.Writer.Mark(), moved.ConvertAll(step => (step.Row, step.Cell.Read())));
        }
    }

    private async ValueTask<bool> FlushLinesAsync(bool async)
    {
        if (_lines is not { } lines || job.JobId is null || runtime.Sink.TakesLines != true)
            return true;
        while (lines.Next() is { Lines.Length: > 0 } batch)
        {
            var written = new LogLinesEvent(job, runtime.Writer.Mark(), batch.First, batch.Lines);
            if (!await runtime.Writer.TrySendAsync(async, job, () => written).ConfigureAwait(false))
                return false;
            // By number: the end of the run may have written some of them meanwhile.
            lines.Written(batch.First, batch.Lines.Length);
        }

        return true;
    }
}

/// <summary>Captured lines of one run, bounded: the lines beyond the limit are counted, and the count is the last line.</summary>
internal sealed class LogLineBuffer(int limit)
{
    /// <summary>Category of the line that counts the dropped ones.</summary>
    public const string OwnCategory = "OmniPg.Jobmon";

    private const int MaxBatch = 1_000;
    private readonly Lock _lock = new();
    private readonly Queue<LogLine> _lines = new();
    private int _accepted;
    private int _dropped;
    private long _written;

    /// <summary>Text of that line.</summary>
    public static string Dropped(int count) => string.Create(null, $"{count} lines dropped");

    public void Add(LogLine line)
    {
        lock (_lock)
        {
            if (_accepted >= limit)
            {
                _dropped++;
                return;
            }

            _accepted++;
            _lines.Enqueue(line);
        }
    }

    /// <summary>The next lines with the number of the first one; they stay until they are <see cref="Written"/>.</summary>
    public (long First, LogLine[] Lines) Next()
    {
        lock (_lock)
            return (_written + 1, [.. _lines.Take(MaxBatch)]);
    }

    /// <summary>Forgets lines that the server has, by number: a flush and the end of the run may both have written them.</summary>
    public void Written(long first, int count)
    {
        lock (_lock)
        {
            for (; _written < first - 1 + count; _written++)
                _lines.Dequeue();
        }
    }

    /// <summary>Adds the count of dropped lines, at the end of the run; returns it.</summary>
    public int Seal(long mark)
    {
        lock (_lock)
        {
            if (_dropped > 0)
                _lines.Enqueue(new LogLine(null, mark, 3, OwnCategory, Dropped(_dropped)));
            return _dropped;
        }
    }
}
