namespace OmniPg.Jobmon;

/// <summary>Reads the log (<c>show_job</c>, <c>show_detail</c>, <c>show_running</c> and relatives). Thread-safe; works on a standby.</summary>
/// <remarks>
/// Every method throws <see cref="JobmonNotInstalledException"/>, <see cref="JobmonPermissionException"/> or
/// <see cref="JobmonUnavailableException"/> when the log cannot be read. Rows are streamed. With <see cref="JobmonOptions.PgCron"/>, <see cref="ListAsync"/> and
/// <see cref="RunningAsync"/> have the runs of pg_cron among those of the log, by their starts; the other methods know the log alone.
/// </remarks>
public interface IJobHistory
{
    /// <summary>Lists runs, newest first (highest id). Stands for <c>show_job</c>, <c>show_job_like</c> and <c>show_job_status</c>.</summary>
    /// <param name="query">Conditions that must all hold, and how many runs at most; by default the latest 10.</param>
    /// <param name="cancellationToken">Ends the listing.</param>
    /// <exception cref="ArgumentException"><see cref="JobQuery.NameMatches"/> is not a regular expression of the server.</exception>
    /// <exception cref="JobmonNotInstalledException">The database has no job log, or <see cref="JobmonOptions.PgCron"/> is set and its database has no pg_cron.</exception>
    /// <exception cref="JobmonPermissionException">The role may not read it.</exception>
    /// <exception cref="JobmonUnavailableException">The server cannot be reached, does not let the user in, or has no resources.</exception>
    IAsyncEnumerable<JobRecord> ListAsync(JobQuery query, CancellationToken cancellationToken = default);

    /// <summary>
    /// Lists the runs that are at work now, newest first: their process is alive, or their backend is not idle. Stands for
    /// <c>show_running</c>.
    /// </summary>
    /// <param name="limit">How many at most; <see langword="null"/> means all.</param>
    /// <param name="cancellationToken">Ends the listing.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="limit"/> is negative.</exception>
    /// <exception cref="JobmonNotInstalledException">The database has no job log, or <see cref="JobmonOptions.PgCron"/> is set and its database has no pg_cron.</exception>
    /// <exception cref="JobmonPermissionException">The role may not read it.</exception>
    /// <exception cref="JobmonUnavailableException">The server cannot be reached, does not let the user in, or has no resources.</exception>
    IAsyncEnumerable<JobRecord> RunningAsync(int? limit = 10, CancellationToken cancellationToken = default);

    /// <summary>The steps of one run in the order in which they began. Stands for <c>show_detail(id)</c>.</summary>
    /// <param name="jobId">Id of the run; an unknown one has no steps.</param>
    /// <param name="cancellationToken">Ends the listing.</param>
    /// <exception cref="JobmonNotInstalledException">The database has no job log.</exception>
    /// <exception cref="JobmonPermissionException">The role may not read it.</exception>
    /// <exception cref="JobmonUnavailableException">The server cannot be reached, does not let the user in, or has no resources.</exception>
    IAsyncEnumerable<JobStepRecord> StepsAsync(long jobId, CancellationToken cancellationToken = default);

    /// <summary>
    /// The steps of several runs by one statement: the newest run first, the steps of a run in the order in which they began.
    /// </summary>
    /// <param name="jobIds">Ids of the runs; unknown ones have no steps.</param>
    /// <param name="openOnly">
    /// Only steps that have not ended: without a status, or <c>PENDING</c>. A step of a SQL caller that reports progress has an end time all
    /// the same.
    /// </param>
    /// <param name="cancellationToken">Ends the listing.</param>
    /// <exception cref="JobmonNotInstalledException">The database has no job log.</exception>
    /// <exception cref="JobmonPermissionException">The role may not read it.</exception>
    /// <exception cref="JobmonUnavailableException">The server cannot be reached, does not let the user in, or has no resources.</exception>
    IAsyncEnumerable<JobStepRecord> StepsAsync(IReadOnlyCollection<long> jobIds, bool openOnly = false, CancellationToken cancellationToken = default);

    /// <summary>
    /// The steps of the latest runs of one job: the newest run first, the steps of a run in the order in which they began. Stands for
    /// <c>show_detail(name)</c>.
    /// </summary>
    /// <param name="jobName">Exact name in any case.</param>
    /// <param name="jobs">How many runs; <see langword="null"/> means all.</param>
    /// <param name="cancellationToken">Ends the listing.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="jobs"/> is negative.</exception>
    /// <exception cref="ArgumentException">The name is empty or blank.</exception>
    /// <exception cref="JobmonNotInstalledException">The database has no job log.</exception>
    /// <exception cref="JobmonPermissionException">The role may not read it.</exception>
    /// <exception cref="JobmonUnavailableException">The server cannot be reached, does not let the user in, or has no resources.</exception>
    IAsyncEnumerable<JobStepRecord> StepsAsync(string jobName, int? jobs = 1, CancellationToken cancellationToken = default);

    /// <summary>Counts and durations of one job over the runs that started within <paramref name="window"/> before now.</summary>
    /// <param name="jobName">Exact name in any case; an unknown job has counts of zero.</param>
    /// <param name="window">How far back to look; positive.</param>
    /// <param name="cancellationToken">Cancels the question.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="window"/> is not positive.</exception>
    /// <exception cref="ArgumentException">The name is empty or blank.</exception>
    /// <exception cref="JobmonNotInstalledException">The database has no job log.</exception>
    /// <exception cref="JobmonPermissionException">The role may not read it.</exception>
    /// <exception cref="JobmonUnavailableException">The server cannot be reached, does not let the user in, or has no resources.</exception>
    Task<JobStatistics> StatisticsAsync(string jobName, PgInterval window, CancellationToken cancellationToken = default);
}
