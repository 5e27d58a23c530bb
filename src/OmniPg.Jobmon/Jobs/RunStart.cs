using System.Diagnostics;

namespace OmniPg.Jobmon;

/// <summary>How a run begins: with its lock, if it wants one, and its row; or as a record of having found another one at work.</summary>
internal static class RunStart
{
    public const string FoundConcurrent = "Found concurrent job. Exiting gracefully";

    public static string ObtainingLock(string jobName) => $"Obtaining advisory lock for job: {jobName}";

    /// <summary>The run that a new one belongs to: the one that is named, else the open one of the same client in this flow; null for none.</summary>
    /// <exception cref="ArgumentException">The named one is recorded elsewhere: its id would mean another run here.</exception>
    public static JobRow? Parent(JobOptions options, JobmonRuntime runtime) => options.Parent switch
    {
        null => Ambient.CurrentOf(runtime)?.Job.Row,
        NullJob => null,
        ILoggedRun run when run.Runtime.IsSameLog(runtime) => run.Row,
        var other => throw ForeignParent(other),
    };

    public static ArgumentException ForeignParent(IJob parent) =>
        new($"Job '{parent.Name}' cannot be the parent: it is recorded in another log.", nameof(parent));

    /// <summary>Takes the single-instance lock; false when the run is to be skipped.</summary>
    /// <exception cref="JobAlreadyRunningException">Another run has the lock, and the options ask for an exception.</exception>
    public static async ValueTask<bool> TakeLockAsync(
        bool async, InstanceLock wanted, JobOptions options, ControlSession control, CancellationToken cancellationToken)
    {
        var wait = options.OnConflict == OnConflict.Wait ? options.WaitTimeout : TimeSpan.Zero;
        if (await control.LockAsync(async, wanted, wait, cancellationToken).ConfigureAwait(false))
            return true;
        return options.OnConflict == OnConflict.Skip
            ? false
            : throw await control.ExplainConflictAsync(async, wanted).ConfigureAwait(false);
    }

    public static JobStartedEvent Event(JobRow job, JobRow? parent, JobOptions options, Activity? activity, JobmonRuntime runtime)
    {
        // Without a listener for our own spans the run belongs to the caller's.
        var span = activity ?? Activity.Current;
        // Marked where it happens, not where it is sent: an event that has to wait keeps its time.
        return new JobStartedEvent(job, runtime.Writer.Mark())
        {
            Parent = parent,
            TraceId = span?.TraceId.ToHexString(),
            SpanId = span?.SpanId.ToHexString(),
            ArgumentsJson = options.Arguments.Count == 0 ? null : RunValues.Json(options.Arguments, [], runtime.Texts),
            Tags = options.Tags,
            MaxRuntime = options.MaxRuntime,
        };
    }

    /// <summary>The record of the original for a run that found another one at work.</summary>
    public static List<LogEvent> Skipped(JobStartedEvent start)
    {
        var step = new StepRow(start.Job, null, 1, ObtainingLock(start.Job.Name));
        return
        [
            start,
            new StepStartedEvent(step, start.Mark),
            new StepEndedEvent(step, start.Mark, AlertLevel.Warning) { Message = FoundConcurrent },
            new JobEndedEvent(start.Job, start.Mark, AlertLevel.Warning),
        ];
    }
}
