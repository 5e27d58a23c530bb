namespace OmniPg.Jobmon;

/// <summary>How a run, or a step of it, ended.</summary>
/// <param name="Level">Alert level.</param>
/// <param name="State">State of the handle of a run from now on.</param>
/// <param name="Message">Reason of a failure, or what the caller said on success; null for none.</param>
/// <param name="Error">Exception to record; null where a text is all there is.</param>
internal sealed record JobOutcome(AlertLevel Level, JobState State, string? Message, Exception? Error)
{
    /// <summary>Exception behind the outcome, recorded or not.</summary>
    public Exception? Cause { get; init; }

    public bool IsFailure => State is JobState.Failed or JobState.Cancelled;

    /// <summary>For metrics and the log.</summary>
    public string StatusName => State == JobState.Cancelled ? "CANCELLED" : Level.ToString();

    /// <summary>What a level alone tells.</summary>
    public static JobOutcome Of(AlertLevel level) => new(level, level == AlertLevel.Ok ? JobState.Completed : JobState.Failed, null, null);

    public static JobOutcome Success(string? message = null) => new(AlertLevel.Ok, JobState.Completed, message, null);

    public static JobOutcome Warning(string message)
    {
        ArgumentNullException.ThrowIfNull(message);
        return new JobOutcome(AlertLevel.Warning, JobState.Failed, message, null);
    }

    public static JobOutcome Failure(Exception error, AlertLevel? level = null)
    {
        ArgumentNullException.ThrowIfNull(error);
        return new JobOutcome(level ?? AlertLevel.Critical, JobState.Failed, ErrorDocument.Message(error), error) { Cause = error };
    }

    public static JobOutcome Failure(string reason, AlertLevel? level = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(reason);
        return new JobOutcome(level ?? AlertLevel.Critical, JobState.Failed, reason, null);
    }

    /// <summary>Cancelled by whoever asked for it through the log, else by the program itself.</summary>
    public static JobOutcome Cancelled(AlertLevel level, Exception? error, string? by) =>
        new(level, JobState.Cancelled, by is null ? "Cancelled" : $"Cancelled by {by}", null) { Cause = error };

    /// <summary>The handle was disposed open: what was thrown meanwhile is the likely reason.</summary>
    public static JobOutcome Disposed(DisposeBehavior behavior, Exception? thrown) =>
        behavior == DisposeBehavior.CompleteUnlessFailed ? Success() : thrown is null ? Failure("Disposed without Complete()") : Failure(thrown);
}
