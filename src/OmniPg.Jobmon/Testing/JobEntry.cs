using Microsoft.Extensions.Logging;

namespace OmniPg.Jobmon.Testing;

/// <summary>What is recorded of one run; changed and read under the lock of the <see cref="RecordingLog"/>.</summary>
internal sealed partial class JobEntry(RecordingLog log, string name, JobOptions options, JobEntry? parent)
{
    private readonly List<RecordedLine> _lines = [];
    private readonly long _begun = log.Time.GetTimestamp();
    private int _steps;

    /// <summary>Null while the run is kept back.</summary>
    public long? Id { get; set; }

    public string Name { get; } = name;

    public JobOptions Options { get; } = options;

    public JobEntry? Parent { get; } = parent;

    public JobState State { get; private set; } = JobState.Running;

    public DateTimeOffset StartTime { get; } = log.Time.GetUtcNow();

    public DateTimeOffset? EndTime { get; private set; }

    public string? Status { get; private set; }

    public JobOutcome? Outcome { get; private set; }

    public RunValues Values { get; } = new();

    public List<StepEntry> Steps { get; } = [];

    public int? WorkPid { get; set; }

    public DateTimeOffset? CancelRequestedAt { get; private set; }

    public string? CancelRequestedBy { get; private set; }

    /// <summary>Exception that was recorded last with a step: it need not be recorded again when it ends the run, too.</summary>
    public Exception? LastStepError { get; set; }

    /// <summary>A run kept back is recorded once it lasts so long.</summary>
    public bool IsLong => Options.RecordWhenLongerThan is { } limit && log.Time.GetElapsedTime(_begun) > limit;

    public StepEntry Begin(StepEntry? parent, string action) => Add(new StepEntry(log, parent, ++_steps, action));

    public void Write(StepEntry? step, LogLevel level, string message) => _lines.Add(new RecordedLine
    {
        Level = level,
        Message = log.Texts.Clean(message)!,
        Time = log.Time.GetUtcNow(),
        StepId = step?.Id,
    });

    public void RequestCancel(string by)
    {
        CancelRequestedAt ??= log.Time.GetUtcNow();
        CancelRequestedBy ??= by;
    }

    public RecordedJob Snapshot()
    {
        var (results, counters) = Values.Copy();
        return new RecordedJob
        {
            JobId = Id!.Value,
            Name = Name,
            State = State,
            Level = Outcome?.Level,
            Status = Status,
            Message = log.Texts.Clean(Outcome?.Message),
            Error = Outcome?.Error,
            StartTime = StartTime,
            EndTime = EndTime,
            ParentJobId = Parent?.Id,
            Steps = [.. Steps.Select(step => step.Snapshot())],
            Lines = [.. _lines],
            Tags = [.. Options.Tags.Select(tag => log.Texts.Clean(tag)!)],
            Arguments = Clean(Options.Arguments),
            Results = Clean(results),
            Counters = counters,
            CancelRequestedAt = CancelRequestedAt,
            WorkPid = WorkPid,
            Options = Options,
        };
    }

    private StepEntry Add(StepEntry step)
    {
        Steps.Add(step);
        if (Id is not null)
            log.Number(step);
        return step;
    }

    private Dictionary<string, string> Clean(IReadOnlyDictionary<string, string> values) =>
        values.ToDictionary(pair => log.Texts.Clean(pair.Key)!, pair => log.Texts.Clean(pair.Value)!);
}
