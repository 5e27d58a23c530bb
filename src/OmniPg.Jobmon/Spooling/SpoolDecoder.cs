namespace OmniPg.Jobmon;

/// <summary>Turns lines of a spool file back into events. Rows that several lines name are the same object, as they were in the process that died.</summary>
internal sealed class SpoolDecoder(WriteContext origin, ServerClock clock)
{
    private readonly Dictionary<Guid, JobRow> _jobs = [];
    private readonly Dictionary<Guid, StepRow> _steps = [];

    /// <summary>The event, marked as late.</summary>
    /// <exception cref="FormatException">The line lacks something that its kind of event needs.</exception>
    public LogEvent Decode(SpoolRecord record)
    {
        var job = Job(record.Job, record.JobId, record.Name);
        var mark = Mark(record.At, record.ServerTime);
        LogEvent e = record.Event switch
        {
            "job start" => new JobStartedEvent(job, mark)
            {
                Parent = Above(record),
                TraceId = record.TraceId,
                SpanId = record.SpanId,
                ArgumentsJson = record.Arguments,
                Tags = record.Tags ?? [],
                MaxRuntime = record.MaxRuntime,
            },
            "step start" => new StepStartedEvent(Step(job, record), mark),
            "step end" => new StepEndedEvent(Step(job, record), mark, Level(record))
            {
                Status = record.Status,
                Message = record.Message,
                Progress = record.Current is { } current ? new StepProgress(current, record.Total, record.Unit) : null,
                RowsAffected = record.Rows,
                ErrorJson = record.Error,
            },
            "job end" => new JobEndedEvent(job, mark, JobOutcome.Of(Level(record)))
            {
                FinalAction = record.Action,
                FinalMessage = record.Message,
                ErrorJson = record.Error,
                ResultJson = record.Result,
            },
            WorkerAttachedEvent.Detach => new WorkerAttachedEvent(job, mark, null, null),
            WorkerAttachedEvent.Attach => new WorkerAttachedEvent(job, mark, record.Pid ?? throw Missing(record, "pid"), record.BackendStart),
            "log lines" => new LogLinesEvent(job, mark, record.First ?? throw Missing(record, "first"), Array.ConvertAll(record.Lines ?? [], l => Line(job, l))),
            _ => throw new FormatException($"'{record.Event}' is no event."),
        };
        e.Late = true;
        // The process may have died between the commit of the server and its own knowing.
        e.Repeated = true;
        return e;
    }

    private JobRow Job(Guid token, long? id, string? name)
    {
        if (!_jobs.TryGetValue(token, out var job))
            _jobs[token] = job = new JobRow(name ?? "") { Token = token, Origin = origin };
        job.JobId ??= id;
        return job;
    }

    // A parent that stands in no line before was written long ago: its id is all there is to know.
    private JobRow? Above(SpoolRecord record) =>
        record.Parent is not { } token ? null
        : _jobs.TryGetValue(token, out var parent) ? parent
        : record.ParentId is { } id ? new JobRow("") { JobId = id } : null;

    private StepRow Step(JobRow job, SpoolRecord record)
    {
        var token = record.Step ?? throw Missing(record, "step");
        if (!_steps.TryGetValue(token, out var step))
            _steps[token] = step = new StepRow(job, Above(job, record), record.Ordinal ?? 0, record.Action ?? "") { Token = token };
        step.StepId ??= record.StepId;
        return step;
    }

    private StepRow? Above(JobRow job, SpoolRecord record) =>
        record.ParentStep is not { } token ? null
        : _steps.TryGetValue(token, out var parent) ? parent
        : record.ParentStepId is { } id ? new StepRow(job, null, 0, "") { StepId = id } : null;

    private LogLine Line(JobRow job, SpoolLine line)
    {
        var step = line.Step is not { } token ? null
            : _steps.TryGetValue(token, out var known) ? known
            : line.StepId is { } id ? new StepRow(job, null, 0, "") { StepId = id } : null;
        return new LogLine(step, Mark(line.At, line.ServerTime), line.Level, line.Category, line.Message);
    }

    private long Mark(DateTime at, bool serverTime) => serverTime && clock.MarkOf(at) is { } mark ? mark : clock.MarkOfWall(at);

    private static AlertLevel Level(SpoolRecord record) => new(record.Level ?? throw Missing(record, "level"));

    private static FormatException Missing(SpoolRecord record, string what) => new($"Event '{record.Event}' has no '{what}'.");
}
