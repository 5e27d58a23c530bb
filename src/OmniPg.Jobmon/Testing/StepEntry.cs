namespace OmniPg.Jobmon.Testing;

/// <summary>What is recorded of one step; changed and read under the lock of the <see cref="RecordingContext"/>.</summary>
internal sealed class StepEntry(RecordingContext context, StepEntry? parent, int? ordinal, string action)
{
    private StepProgress? _last;

    /// <summary>Null while its run is kept back.</summary>
    public long? Id { get; set; }

    public StepEntry? Parent { get; } = parent;

    /// <summary>Position among the steps that the program began, from 1; null for the one that the end of the run adds.</summary>
    public int? Ordinal { get; } = ordinal;

    public string Action { get; } = action;

    /// <summary>Where the step stands in the flow of its caller; null for one that the record adds itself.</summary>
    public FlowScope? Scope { get; set; }

    public ProgressCell Cell { get; } = new(context.Time);

    public DateTimeOffset StartTime { get; } = context.Time.GetUtcNow();

    public DateTimeOffset? EndTime { get; private set; }

    public AlertLevel? Level { get; private set; }

    public string? Status { get; private set; }

    public string? Message { get; private set; }

    public long? RowsAffected { get; private set; }

    public Exception? Error { get; private set; }

    public bool IsOpen => EndTime is null;

    /// <summary>What was reported so far, or until the end; null for nothing.</summary>
    public StepProgress? Progress => !IsOpen ? _last : Cell.Snapshot().Reported ? Cell.Read() : null;

    public string? ProgressMessage => Progress is { } progress ? ProgressText.Of(progress) : null;

    public void End(AlertLevel level, string? message, string? status = null, Exception? error = null, long? rows = null)
    {
        _last = Progress;
        (Level, Message, Error, RowsAffected) = (level, context.Texts.Clean(message), error, rows);
        Status = context.Texts.Clean(status) ?? context.StatusText(level);
        EndTime = context.Time.GetUtcNow();
        if (Scope is not null)
            Scope.Ended = true;
    }

    public RecordedStep Snapshot() => new()
    {
        StepId = Id!.Value,
        Action = context.Texts.Clean(Action)!,
        ParentStepId = Parent?.Id,
        Depth = Depth(),
        StartTime = StartTime,
        EndTime = EndTime,
        Level = Level,
        // What the background writer of the client would have written by now.
        Status = IsOpen && Progress is not null ? "PENDING" : Status,
        Message = IsOpen ? context.Texts.Clean(ProgressMessage) : Message,
        Progress = Progress is { } progress
            ? progress with { Unit = context.Texts.Clean(progress.Unit), Message = context.Texts.Clean(progress.Message) } : null,
        RowsAffected = RowsAffected,
        Error = Error,
    };

    private int Depth()
    {
        var depth = 0;
        for (var outer = Parent; outer is not null; outer = outer.Parent)
            depth++;
        return depth;
    }
}
