namespace OmniPg.Jobmon;

/// <summary>Reads the log (<c>show_job</c>, <c>show_detail</c>, <c>show_running</c> and relatives). Thread-safe; works on a standby.</summary>
/// <remarks>
/// Rows are streamed. With <see cref="JobmonOptions.PgCron"/>, <see cref="ListAsync"/> and <see cref="RunningAsync"/> have the runs of pg_cron among those of
/// the log, by their starts; the other methods know the log alone.
/// </remarks>
/// <exception cref="JobmonNotInstalledException">The database has no job log, or <see cref="JobmonOptions.PgCron"/> is set and its database has no pg_cron.</exception>
/// <exception cref="JobmonPermissionException">The role may not read it.</exception>
/// <exception cref="JobmonUnavailableException">The server cannot be reached, does not let the user in, or has no resources.</exception>
public interface IJobHistory
{
    /// <summary>Lists runs, newest first (highest id). Stands for <c>show_job</c>, <c>show_job_like</c> and <c>show_job_status</c>.</summary>
    /// <param name="query">Conditions that must all hold, and how many runs at most; by default the latest 10.</param>
    /// <param name="cancellationToken">Ends the listing.</param>
    /// <exception cref="ArgumentException"><see cref="JobQuery.NameMatches"/> is not a regular expression of the server.</exception>
    /// <inheritdoc cref="IJobHistory" path="/exception"/>
    IAsyncEnumerable<JobRecord> ListAsync(JobQuery query, CancellationToken cancellationToken = default);

    /// <summary>
    /// Lists the runs that are at work now, newest first: their process is alive, or their backend is not idle. Stands for
    /// <c>show_running</c>.
    /// </summary>
    /// <param name="limit">How many at most; <see langword="null"/> means all.</param>
    /// <param name="cancellationToken">Ends the listing.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="limit"/> is negative.</exception>
    /// <inheritdoc cref="IJobHistory" path="/exception"/>
    IAsyncEnumerable<JobRecord> RunningAsync(int? limit = 10, CancellationToken cancellationToken = default);

    /// <summary>The steps of one run in the order in which they began. Stands for <c>show_detail(id)</c>.</summary>
    /// <param name="jobId">Id of the run; an unknown one has no steps.</param>
    /// <param name="cancellationToken">Ends the listing.</param>
    /// <inheritdoc cref="IJobHistory" path="/exception"/>
    IAsyncEnumerable<JobStepRecord> StepsAsync(long jobId, CancellationToken cancellationToken = default) => StepsAsync([jobId], openOnly: false, cancellationToken);

    /// <summary>
    /// The steps of several runs by one statement: the newest run first, the steps of a run in the order in which they began.
    /// </summary>
    /// <param name="jobIds">Ids of the runs; unknown ones have no steps.</param>
    /// <param name="openOnly">
    /// Only steps that have not ended: without a status, or <c>PENDING</c>. A step of a SQL caller that reports progress has an end time all
    /// the same.
    /// </param>
    /// <param name="cancellationToken">Ends the listing.</param>
    /// <inheritdoc cref="IJobHistory" path="/exception"/>
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
    /// <inheritdoc cref="IJobHistory" path="/exception"/>
    IAsyncEnumerable<JobStepRecord> StepsAsync(string jobName, int? jobs = 1, CancellationToken cancellationToken = default);

    /// <summary>Counts and durations of one job over the runs that started within <paramref name="window"/> before now.</summary>
    /// <param name="jobName">Exact name in any case; an unknown job has counts of zero.</param>
    /// <param name="window">How far back to look; positive.</param>
    /// <param name="cancellationToken">Cancels the question.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="window"/> is not positive.</exception>
    /// <exception cref="ArgumentException">The name is empty or blank.</exception>
    /// <inheritdoc cref="IJobHistory" path="/exception"/>
    Task<JobStatistics> StatisticsAsync(string jobName, PgInterval window, CancellationToken cancellationToken = default);
}

/// <summary>Which runs to list. All conditions that are set must hold; the newest run (highest id) comes first.</summary>
public sealed record JobQuery
{
    private readonly int? _limit = 10;

    /// <summary>Exact name of the job in any case (<c>show_job</c>).</summary>
    public string? Name { get; init; }

    /// <summary>
    /// POSIX regular expression that the name must match somewhere, in any case (<c>show_job_like</c>; the original matched the
    /// upper-cased pattern with case). A pattern that the server refuses gives <see cref="ArgumentException"/>.
    /// </summary>
    public string? NameMatches { get; init; }

    /// <summary>Exact text of the outcome, with case (<c>show_job_status</c>).</summary>
    public string? Status { get; init; }

    /// <summary>A tag that the run carries. Without the side schema nothing carries one.</summary>
    public string? Tag { get; init; }

    /// <summary>Runs that started at this instant or later.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Runs that started before this instant.</summary>
    public DateTimeOffset? Before { get; init; }

    /// <summary><see langword="true"/>: only runs without an end; <see langword="false"/>: only ended ones.</summary>
    public bool? Unfinished { get; init; }

    /// <summary>How many runs at most. Default 10; <see langword="null"/> means all.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative.</exception>
    public int? Limit
    {
        get => _limit;
        init => _limit = JobHistory.CheckLimit(value);
    }
}

/// <summary>How one job did inside a window of time.</summary>
public sealed record JobStatistics
{
    /// <summary>Name of the job, upper-cased by the server.</summary>
    public required string JobName { get; init; }

    /// <summary>Runs that started inside the window.</summary>
    public required long Runs { get; init; }

    /// <summary>Runs whose outcome is the text of code 1.</summary>
    public required long Succeeded { get; init; }

    /// <summary>Ended runs with another outcome.</summary>
    public required long Failed { get; init; }

    /// <summary>Runs without an end: at work, or dead and not yet closed.</summary>
    public required long Unfinished { get; init; }

    /// <summary>Mean duration of the successful runs; <see langword="null"/> without one.</summary>
    public TimeSpan? Mean { get; init; }

    /// <summary>Median duration of the successful runs; <see langword="null"/> without one.</summary>
    public TimeSpan? Median { get; init; }

    /// <summary>95th percentile of the durations of the successful runs, interpolated; <see langword="null"/> without one.</summary>
    public TimeSpan? Percentile95 { get; init; }

    /// <summary>Longest duration of the successful runs; <see langword="null"/> without one.</summary>
    public TimeSpan? Longest { get; init; }

    /// <summary>Latest start of a run in the window, in UTC; <see langword="null"/> without one.</summary>
    public DateTimeOffset? LastStart { get; init; }

    /// <summary>Latest end of a successful run of the window, in UTC; <see langword="null"/> without one.</summary>
    public DateTimeOffset? LastSuccess { get; init; }
}
