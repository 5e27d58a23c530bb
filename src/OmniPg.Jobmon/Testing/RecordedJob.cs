using System.Text;

namespace OmniPg.Jobmon;

/// <summary>One recorded run, as it stood when it was asked for.</summary>
public sealed record RecordedJob
{
    /// <summary>Id of the run, from 1 in the order in which runs were recorded.</summary>
    public required long JobId { get; init; }

    /// <summary>Name as given by the caller.</summary>
    public required string Name { get; init; }

    /// <summary>Where the run stands.</summary>
    public required JobState State { get; init; }

    /// <summary>Level the run ended with; null while it is open.</summary>
    public AlertLevel? Level { get; init; }

    /// <summary>Text of that level, for example <c>OK</c>, as <c>job_log.status</c> holds it; null while the run is open.</summary>
    public string? Status { get; init; }

    /// <summary>Reason of a failure, or the message of <see cref="IJob.Complete"/>; null for none.</summary>
    public string? Message { get; init; }

    /// <summary>Exception recorded with the end; null on success, for a reason in words and for a cancellation.</summary>
    public Exception? Error { get; init; }

    /// <summary>Start of the run, by the clock of the <see cref="RecordingJobmon"/>.</summary>
    public required DateTimeOffset StartTime { get; init; }

    /// <summary>End of the run; null while it is open.</summary>
    public DateTimeOffset? EndTime { get; init; }

    /// <summary>Time from start to end; null while the run is open.</summary>
    public TimeSpan? Duration => EndTime - StartTime;

    /// <summary>Run that this one belongs to; null for a run of its own.</summary>
    public long? ParentJobId { get; init; }

    /// <summary>
    /// All steps in the order in which they began, nested ones among them (<see cref="RecordedStep.Depth"/>), and last the one that the
    /// end of the run adds for a message that no step carries.
    /// </summary>
    public required IReadOnlyList<RecordedStep> Steps { get; init; }

    /// <summary>Lines of log in their order.</summary>
    public required IReadOnlyList<RecordedLine> Lines { get; init; }

    /// <summary>Tags of the run.</summary>
    public required IReadOnlyList<string> Tags { get; init; }

    /// <summary>Parameters of the run.</summary>
    public required IReadOnlyDictionary<string, string> Arguments { get; init; }

    /// <summary>Values of <see cref="IJob.SetResult"/> so far.</summary>
    public required IReadOnlyDictionary<string, string> Results { get; init; }

    /// <summary>Counters of <see cref="IJob.Count"/> so far.</summary>
    public required IReadOnlyDictionary<string, long> Counters { get; init; }

    /// <summary>When cancellation was asked for; null when it was not.</summary>
    public DateTimeOffset? CancelRequestedAt { get; init; }

    /// <summary>Backend of the work connection that was attached last; null for none, and when that was closed before the run ended.</summary>
    public int? WorkPid { get; init; }

    /// <summary>The settings that the run was started with.</summary>
    public required JobOptions Options { get; init; }

    /// <summary>The step of one action.</summary>
    /// <param name="action">What the step does, exactly.</param>
    /// <exception cref="InvalidOperationException">No step or several steps do that; the message shows the run.</exception>
    public RecordedStep Step(string action)
    {
        ArgumentNullException.ThrowIfNull(action);
        var found = Steps.Where(s => s.Action == action).ToList();
        return found.Count == 1 ? found[0] : throw new InvalidOperationException($"'{found.Count}' steps are called '{action}', not one, in {this}");
    }

    /// <summary>The run and its steps as lines of text, for messages of tests.</summary>
    public override string ToString()
    {
        var text = new StringBuilder($"{Name}: {Status ?? State.ToString()}");
        foreach (var step in Steps)
            text.Append('\n').Append(' ', 2 * (step.Depth + 1)).Append(step);
        return text.ToString();
    }
}

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

/// <summary>A line that a run logged by <see cref="IJob.Log"/>, or that was captured from a logger.</summary>
public sealed record RecordedLine
{
    /// <summary>Level of the line.</summary>
    public required LogLevel Level { get; init; }

    /// <summary>Category of the logger; null for a line of <see cref="IJob.Log"/>.</summary>
    public string? Category { get; init; }

    /// <summary>Text of the line, for a captured one with its exception.</summary>
    public required string Message { get; init; }

    /// <summary>When it was logged, by the clock of the <see cref="RecordingJobmon"/>.</summary>
    public required DateTimeOffset Time { get; init; }

    /// <summary>Step that was the current one of its run; null outside a step.</summary>
    public long? StepId { get; init; }
}
