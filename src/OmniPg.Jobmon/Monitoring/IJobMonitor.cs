namespace OmniPg.Jobmon;

/// <summary>Watches the log: checks, change feed, and a look at the configuration. Thread-safe; checks work on a standby.</summary>
public interface IJobMonitor
{
    /// <summary>Applies all rules (<c>check_job_status</c>) in one read-only statement, then closes runs whose process died.</summary>
    /// <param name="history">How far back to look; at least the longest threshold of the active rules. Default: that threshold, or a week.</param>
    /// <param name="cancellationToken">Cancels the check.</param>
    /// <exception cref="ArgumentException"><paramref name="history"/> is shorter than the longest threshold.</exception>
    Task<JobCheckReport> CheckAsync(TimeSpan? history = null, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="CheckAsync(TimeSpan?, CancellationToken)"/>
    /// <param name="history">How far back to look, as PostgreSQL interval text.</param>
    /// <param name="cancellationToken">Cancels the check.</param>
    /// <exception cref="ArgumentException">The text is no interval, or shorter than the longest threshold.</exception>
    Task<JobCheckReport> CheckIntervalAsync(string history, CancellationToken cancellationToken = default);

    /// <summary>Reports starts and ends of runs as they happen, from now on and in order; goes on after a lost connection.</summary>
    IAsyncEnumerable<JobEvent> WatchAsync(CancellationToken cancellationToken = default);

    /// <summary>Lists rules that can never match or contradict themselves.</summary>
    Task<IReadOnlyList<ConfigFinding>> LintAsync(CancellationToken cancellationToken = default);
}
