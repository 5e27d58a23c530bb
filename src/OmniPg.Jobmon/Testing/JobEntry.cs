using Microsoft.Extensions.Logging;

namespace OmniPg.Jobmon.Testing;

/// <summary>What is recorded of one run; changed and read under the lock of the <see cref="RecordingContext"/>.</summary>
internal sealed partial class JobEntry(RecordingContext context, string name, JobOptions options, JobEntry? parent)
{
    // With the step itself: it has no id yet while the run is kept back.
    private readonly List<(StepEntry? Step, RecordedLine Line)> _lines = [];
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly long _begun = context.Time.GetTimestamp();
    private long _id;
    private int _steps;
    private int _droppedLines;

    /// <summary>Null while the run is kept back.</summary>
    public long? Id => Interlocked.Read(ref _id) is > 0 and var id ? id : null;

    public string Name { get; } = name;

    public JobOptions Options { get; } = options;

    public JobEntry? Parent { get; } = parent;

    public JobState State { get; private set; } = JobState.Running;

    public DateTimeOffset StartTime { get; } = context.Time.GetUtcNow();

    public DateTimeOffset? EndTime { get; private set; }

    public string? Status { get; private set; }

    public JobOutcome? Outcome { get; private set; }

    /// <summary>Where the run stands in the flow of its caller.</summary>
    public FlowScope? Scope { get; set; }

    /// <summary>Fires when somebody asks the run to stop.</summary>
    public CancellationTokenSource Cancellation { get; } = new();

    /// <summary>Completes when the next run of the name may begin.</summary>
    public Task Released => _released.Task;

    public RunValues Values { get; } = new();

    public List<StepEntry> Steps { get; } = [];

    public int? WorkPid { get; set; }

    public DateTimeOffset? CancelRequestedAt { get; private set; }

    public string? CancelRequestedBy { get; private set; }

    /// <summary>Exception that was recorded last with a step: it need not be recorded again when it ends the run, too.</summary>
    public Exception? LastStepError { get; set; }

    /// <summary>A run kept back is recorded once it lasts so long.</summary>
    public bool IsLong => Options.RecordWhenLongerThan is { } limit && context.Time.GetElapsedTime(_begun) > limit;

    /// <summary>The run gets its id, and its steps theirs.</summary>
    public void Number(long id)
    {
        Interlocked.Exchange(ref _id, id);
        Steps.ForEach(step => step.Id = context.NextStepId());
    }

    public void LetNextBegin() => _released.TrySetResult();

    public StepEntry Begin(StepEntry? parent, string action) => Add(new StepEntry(context, parent, ++_steps, action));

    public void Write(StepEntry? step, LogLevel level, string? category, string message)
    {
        // What comes after the end is nobody's any more: the lines of the run are complete.
        if (State != JobState.Running)
            return;
        if (_lines.Count >= context.MaxLogLines)
            _droppedLines++;
        else
            _lines.Add((step, Line(level, category, message)));
    }

    /// <summary>Asks the run to stop: its token has fired on return, and the callbacks have run.</summary>
    public CancelResult Cancel(string by)
    {
        lock (context.Gate)
        {
            if (State != JobState.Running)
                return CancelResult.AlreadyFinished;
            CancelRequestedAt ??= context.Time.GetUtcNow();
            CancelRequestedBy ??= by;
        }

        Cancellation.Cancel();
        return CancelResult.Requested;
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
            Message = context.Texts.Clean(Outcome?.Message),
            Error = Outcome?.Error,
            StartTime = StartTime,
            EndTime = EndTime,
            ParentJobId = Parent?.Id,
            Steps = [.. Steps.Select(step => step.Snapshot())],
            Lines = [.. _lines.Select(line => line.Line with { StepId = line.Step?.Id })],
            Tags = [.. Options.Tags.Select(tag => context.Texts.Clean(tag)!)],
            Arguments = Clean(Options.Arguments),
            Results = Clean(results),
            Counters = counters,
            CancelRequestedAt = CancelRequestedAt,
            WorkPid = WorkPid,
            Options = Options,
        };
    }

    private RecordedLine Line(LogLevel level, string? category, string message) => new()
    {
        Level = level,
        Category = context.Texts.Clean(category),
        Message = context.Texts.Clean(message)!,
        Time = context.Time.GetUtcNow(),
    };

    private StepEntry Add(StepEntry step)
    {
        Steps.Add(step);
        if (Id is not null)
            step.Id = context.NextStepId();
        return step;
    }

    private Dictionary<string, string> Clean(IReadOnlyDictionary<string, string> values) =>
        values.ToDictionary(pair => context.Texts.Clean(pair.Key)!, pair => context.Texts.Clean(pair.Value)!);
}
