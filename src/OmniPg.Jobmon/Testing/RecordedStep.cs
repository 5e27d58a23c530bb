namespace OmniPg.Jobmon;

/// <summary>One step of a recorded run, as it stood when it was asked for.</summary>
public sealed record RecordedStep
{
    /// <summary>Id of the step, from 1 in the order in which steps began over all runs.</summary>
    public required long StepId { get; init; }

    /// <summary>What the step does.</summary>
    public required string Action { get; init; }

    /// <summary>Step that this one stands below; null for a step of the run itself.</summary>
    public long? ParentStepId { get; init; }

    /// <summary>How deep the step is nested: 0 for a step of the run itself.</summary>
    public required int Depth { get; init; }

    /// <summary>Start of the step, by the clock of the <see cref="RecordingJobmon"/>.</summary>
    public required DateTimeOffset StartTime { get; init; }

    /// <summary>End of the step; null while it is open.</summary>
    public DateTimeOffset? EndTime { get; init; }

    /// <summary>Level the step ended with; null while it is open.</summary>
    public AlertLevel? Level { get; init; }

    /// <summary>
    /// Text of the outcome, the caller's own or that of the level, for example <c>OK</c>; <c>PENDING</c> for an open step with progress,
    /// null for an open step without.
    /// </summary>
    public string? Status { get; init; }

    /// <summary>Message of the end, or the progress as text; null when there is neither.</summary>
    public string? Message { get; init; }

    /// <summary>Progress reported last before the end; null when nothing was reported.</summary>
    public StepProgress? Progress { get; init; }

    /// <summary>Rows that the SQL of the step affected; null for a step that is no SQL.</summary>
    public long? RowsAffected { get; init; }

    /// <summary>Exception that the step ended with; null for none.</summary>
    public Exception? Error { get; init; }

    /// <summary>The step on one line, for messages of tests, for example <c>extract: OK "Rows affected: 3"</c>.</summary>
    public override string ToString() => $"{Action}: {Status ?? "open"}{(Message is null ? "" : $" \"{Message}\"")}";
}
