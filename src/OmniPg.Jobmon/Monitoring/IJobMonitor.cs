namespace OmniPg.Jobmon;

/// <summary>Watches the log: checks, change feed, and a look at the configuration. Thread-safe; checks work on a standby.</summary>
/// <exception cref="JobmonNotInstalledException">The database has no job log, or <see cref="JobmonOptions.PgCron"/> is set and its database has no pg_cron.</exception>
/// <exception cref="JobmonPermissionException">The role may not read it.</exception>
/// <exception cref="JobmonUnavailableException">The server cannot be reached, does not let the user in, or has no resources.</exception>
public interface IJobMonitor
{
    /// <summary>
    /// Applies all rules (<c>check_job_status</c>) reading only, then closes runs whose process died, if there are any and the role may.
    /// </summary>
    /// <param name="history">How far back to look; at least the longest threshold of the active rules. Default: that threshold, or a week.</param>
    /// <param name="cancellationToken">Cancels the check.</param>
    /// <returns>What was found, the worst first.</returns>
    /// <exception cref="ArgumentException"><paramref name="history"/> is shorter than the longest threshold.</exception>
    /// <inheritdoc cref="IJobMonitor" path="/exception"/>
    Task<JobCheckResult> CheckAsync(PgInterval? history = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Reports starts and ends of runs as they happen, from now on, for ever, and ordered by their times among what is read at once; goes
    /// on after a lost connection without losing any.
    /// </summary>
    /// <param name="cancellationToken">Ends the stream with <see cref="OperationCanceledException"/>.</param>
    /// <remarks>
    /// Holds one connection of the log's reading pool. Runs of SQL callers, which send no notification, arrive within 2 s. What is
    /// missing when the stream begins (log, right, server) is thrown; later trouble of the connection is waited out.
    /// </remarks>
    /// <inheritdoc cref="IJobMonitor" path="/exception"/>
    /// <exception cref="OperationCanceledException">The token ended the stream.</exception>
    IAsyncEnumerable<JobEvent> WatchAsync(CancellationToken cancellationToken = default);

    /// <summary>Lists rules that can never match, contradict themselves or are off, and status texts that mean nothing or two things.</summary>
    /// <param name="cancellationToken">Cancels the question.</param>
    /// <returns>The findings; empty when all is well.</returns>
    /// <inheritdoc cref="IJobMonitor" path="/exception"/>
    Task<IReadOnlyList<ConfigFinding>> LintAsync(CancellationToken cancellationToken = default);
}

/// <summary>A rule that does not do what its author meant.</summary>
/// <param name="JobName">Name in the rule; <see langword="null"/> for a finding about the status texts.</param>
/// <param name="Code">
/// Stable name of the finding: <c>name-not-upper-case</c>, <c>warning-after-error</c>, <c>threshold-not-positive</c>, <c>never-ran</c>,
/// <c>inactive</c>, <c>schedule-invalid</c>, <c>success-text-missing</c> or <c>status-text-twice</c>.
/// </param>
/// <param name="Message">What is wrong and what follows from it.</param>
public sealed record ConfigFinding(string? JobName, string Code, string Message);

/// <summary>A start or an end of a run.</summary>
/// <param name="State">
/// Running for a start; Completed for an end with the text of code 1, Failed for one with another text.
/// </param>
/// <param name="Job">The run as it was read after the event: a start may show its end already, when both came between two looks.</param>
public sealed record JobEvent(JobState State, JobRecord Job);
