using System.Text.Json.Serialization;

namespace OmniPg.Jobmon;

/// <summary>One event as one line of a spool file. Texts have been filtered and cut already; ids are there if the server had given them.</summary>
/// <remarks>
/// The event is the <see cref="LogEvent.Operation"/>; run and step are named by their tokens. The time is the server's, or the wall clock of the machine where
/// that was not known. What follows behind the id of the run stands where the kind of event has it.
/// </remarks>
internal sealed record SpoolRecord(
    string Event, DateTime At, Guid Job, bool ServerTime = false, long? JobId = null, string? Name = null, Guid? Parent = null, long? ParentId = null,
    string? TraceId = null, string? SpanId = null, string? Arguments = null, string[]? Tags = null, TimeSpan? MaxRuntime = null,
    Guid? Step = null, long? StepId = null, Guid? ParentStep = null, long? ParentStepId = null, int? Ordinal = null, string? Action = null,
    int? Level = null, string? Status = null, string? Message = null, long? Current = null, long? Total = null, string? Unit = null, long? Rows = null,
    string? Error = null, string? Result = null, int? Pid = null, DateTime? BackendStart = null, long? First = null, SpoolRecord.Line[]? Lines = null)
{
    /// <summary>One captured log line.</summary>
    internal sealed record Line(DateTime At, bool ServerTime, short Level, string Message, Guid? Step = null, long? StepId = null, string? Category = null);
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(SpoolHeader))]
[JsonSerializable(typeof(SpoolRecord))]
internal sealed partial class SpoolJson : JsonSerializerContext;

/// <summary>Turns events into lines of a spool file. This is where their texts leave the process, so the message filter is applied here.</summary>
internal sealed class SpoolEncoder(ServerClock clock, TextGuard texts)
{
    public SpoolRecord Encode(LogEvent e)
    {
        var (at, serverTime) = TimeOf(e.Mark);
        var record = new SpoolRecord(e.Operation, at, e.Job.Token, serverTime, e.Job.JobId);
        return e switch
        {
            JobStartedEvent start => record with
            {
                Name = start.Job.Name,
                Parent = start.Parent?.Token,
                ParentId = start.Parent?.JobId,
                TraceId = start.TraceId,
                SpanId = start.SpanId,
                Arguments = start.ArgumentsJson,
                Tags = start.Options.Tags.Count == 0 ? null : [.. start.Options.Tags.Select(t => texts.Clean(t)!)],
                MaxRuntime = start.Options.MaxRuntime,
            },
            StepStartedEvent start => record with
            {
                Step = start.Step.Token,
                StepId = start.Step.StepId,
                ParentStep = start.Step.Parent?.Token,
                ParentStepId = start.Step.Parent?.StepId,
                Ordinal = start.Step.Ordinal,
                Action = texts.Clean(start.Step.Action),
            },
            StepEndedEvent end => record with
            {
                Step = end.Step.Token,
                StepId = end.Step.StepId,
                Level = end.Level.Code,
                Status = texts.Clean(end.Status),
                Message = texts.Clean(end.Message),
                Current = end.Progress?.Current,
                Total = end.Progress?.Total,
                Unit = texts.Clean(end.Progress?.Unit),
                Rows = end.RowsAffected,
                Error = end.ErrorJson,
            },
            JobEndedEvent end => record with
            {
                Level = end.Outcome.Level.Code,
                Action = end.FinalAction,
                Message = texts.Clean(end.FinalMessage),
                Error = end.ErrorJson,
                Result = end.ResultJson,
            },
            WorkerAttachedEvent attached => record with { Pid = attached.Pid, BackendStart = attached.BackendStart },
            LogLinesEvent lines => record with { First = lines.First, Lines = Array.ConvertAll(lines.Lines, Line) },
            _ => throw new ArgumentException($"Event '{e.Operation}' is never kept.", nameof(e)),
        };
    }

    private SpoolRecord.Line Line(LogLine line)
    {
        var (at, serverTime) = TimeOf(line.Mark);
        return new SpoolRecord.Line(at, serverTime, line.Level, texts.Clean(line.Message)!, line.Step?.Token, line.Step?.StepId, texts.Clean(line.Category));
    }

    // Without a first contact there is only the clock of this machine; the reader takes the difference of both into account.
    private (DateTime At, bool ServerTime) TimeOf(long mark) => clock.At(mark) is { } known ? (known, true) : (clock.WallAt(mark), false);
}

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
                Options = new JobOptions { Tags = record.Tags ?? [], MaxRuntime = record.MaxRuntime },
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
            _steps[token] = step = new StepRow(job, Named(job, record.ParentStep, record.ParentStepId), record.Ordinal ?? 0, record.Action ?? "") { Token = token };
        step.StepId ??= record.StepId;
        return step;
    }

    private StepRow? Named(JobRow job, Guid? step, long? stepId) =>
        step is not { } token ? null
        : _steps.TryGetValue(token, out var known) ? known
        : stepId is { } id ? new StepRow(job, null, 0, "") { StepId = id } : null;

    private LogLine Line(JobRow job, SpoolRecord.Line line) =>
        new(Named(job, line.Step, line.StepId), Mark(line.At, line.ServerTime), line.Level, line.Category, line.Message);

    private long Mark(DateTime at, bool serverTime) => serverTime && clock.MarkOf(at) is { } mark ? mark : clock.MarkOfWall(at);

    private static AlertLevel Level(SpoolRecord record) => new(record.Level ?? throw Missing(record, "level"));

    private static FormatException Missing(SpoolRecord record, string what) => new($"Event '{record.Event}' has no '{what}'.");
}

/// <summary>First line of a spool file: which process wrote it, and for which job log.</summary>
/// <param name="Version">Version of the file's format.</param>
/// <param name="Server">Host, port and database as the connection string names them. Events are never written to another one.</param>
/// <param name="SideSchema">Schema of the side tables.</param>
/// <param name="Session">Identity of the process in table <c>session</c>.</param>
/// <param name="Client">Its name there.</param>
/// <param name="Host">Its machine.</param>
/// <param name="Process">Its id there.</param>
/// <param name="ProcessStart">When it began.</param>
/// <param name="Schema">Schema option; null where it was left to detection.</param>
internal sealed record SpoolHeader(
    int Version, string Server, string SideSchema, Guid Session, string Client, string Host, int Process, DateTime ProcessStart, string? Schema = null)
{
    public const int CurrentVersion = 1;

    /// <summary>The header of this process's own file.</summary>
    public static SpoolHeader Of(SessionRegistration session, string server, JobmonOptions options) => new(
        CurrentVersion, server, options.SideSchema, session.SessionId, session.ClientName, Environment.MachineName, Environment.ProcessId, session.ProcessStart,
        options.Schema);

    public bool IsSameLog(SpoolHeader other) =>
        Version == CurrentVersion && Server == other.Server && Schema == other.Schema && SideSchema == other.SideSchema;
}
