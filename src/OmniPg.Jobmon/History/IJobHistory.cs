namespace OmniPg.Jobmon;

/// <summary>Reads the log (<c>show_job</c>, <c>show_detail</c>, <c>show_running</c> and relatives). Thread-safe; works on a standby.</summary>
/// <remarks>
/// Every method throws <see cref="JobmonNotInstalledException"/>, <see cref="JobmonPermissionException"/> or
/// <see cref="JobmonUnavailableException"/> when the log cannot be read. Rows are streamed.
/// </remarks>
public interface IJobHistory
{
    /// <summary>Lists runs, newest first.</summary>
    /// <exception cref="ArgumentException"><see cref="JobQuery.NameMatches"/> is not a regular expression of the server.</exception>
    IAsyncEnumerable<JobRecord> ListAsync(JobQuery query, CancellationToken cancellationToken = default);

    /// <summary>Lists the runs that are at work now, newest first: their process is alive, or their backend is not idle.</summary>
    /// <param name="limit">How many at most; <see langword="null"/> means all.</param>
    /// <param name="cancellationToken">Ends the listing.</param>
    IAsyncEnumerable<JobRecord> RunningAsync(int? limit = 10, CancellationToken cancellationToken = default);

    /// <summary>The steps of one run in their order.</summary>
    IAsyncEnumerable<JobStepRecord> StepsAsync(long jobId, CancellationToken cancellationToken = default);

    /// <summary>The steps of the latest runs of one job, the newest run first.</summary>
    /// <param name="jobName">Exact name in any case.</param>
    /// <param name="jobs">How many runs; <see langword="null"/> means all.</param>
    /// <param name="cancellationToken">Ends the listing.</param>
    IAsyncEnumerable<JobStepRecord> StepsAsync(string jobName, int? jobs = 1, CancellationToken cancellationToken = default);

    /// <summary>Counts and durations of one job over the runs that started within <paramref name="window"/> before now.</summary>
    Task<JobStatistics> StatisticsAsync(string jobName, TimeSpan window, CancellationToken cancellationToken = default);
}
