namespace OmniPg.Jobmon;

/// <summary>Which runs a purge deletes.</summary>
/// <remarks>
/// At least one of <see cref="OlderThan"/> and <see cref="KeepPerJob"/> must be set. Each of them deletes by itself:
/// a run goes when it is too old <em>or</em> beyond the number. What always stays: runs at work, and for every job with an active rule the newest run
/// and the newest one that has ended, because without them the rule would call the job missing.
/// </remarks>
public sealed class PurgeOptions : ICheckedOptions
{
    /// <summary>Deletes runs that started longer ago than this. Default <see langword="null"/>: no limit of age.</summary>
    public PgInterval? OlderThan { get; set; }

    /// <summary>
    /// Deletes all runs of a job but this many newest, however young they are; at least 1. It protects nothing from the age. Default
    /// <see langword="null"/>: no limit of count.
    /// </summary>
    public int? KeepPerJob { get; set; }

    /// <summary>Keeps runs that did not succeed at least this long after their start. Default <see langword="null"/>: like all others.</summary>
    public PgInterval? KeepFailuresFor { get; set; }

    /// <summary>Runs deleted in one transaction. Default 5000, range 1 to 100 000.</summary>
    public int BatchSize { get; set; } = 5000;

    /// <summary>Whether the purge is itself logged as job <c>PURGING PG_JOBMON JOB LOGS</c>. Default <see langword="true"/>.</summary>
    public bool LogAsJob { get; set; } = true;

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.That(OlderThan is not null || KeepPerJob is not null,
            "The purge says of no run that it goes: set PurgeOptions.OlderThan or KeepPerJob.");
        check.NotNegative(OlderThan);
        check.AtLeast(KeepPerJob, 1);
        check.NotNegative(KeepFailuresFor);
        check.Range(BatchSize, 1, 100_000);
    }
}

/// <summary>What a purge deleted.</summary>
/// <param name="DeletedJobs">Runs deleted, with their steps and side rows.</param>
/// <param name="Batches">Transactions used.</param>
/// <param name="JobId">The purge's own run in the log; <see langword="null"/> when it was not logged.</param>
public sealed record PurgeResult(long DeletedJobs, int Batches, long? JobId)
{
    /// <summary>Whether this purge stopped, or did not begin, because another one of the same log was deleting.</summary>
    public bool AnotherAtWork { get; init; }
}
