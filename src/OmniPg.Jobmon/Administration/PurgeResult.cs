namespace OmniPg.Jobmon;

/// <summary>What a purge deleted.</summary>
/// <param name="DeletedJobs">Runs deleted, with their steps and side rows.</param>
/// <param name="Batches">Transactions used.</param>
/// <param name="JobId">The purge's own run in the log; <see langword="null"/> when it was not logged.</param>
public sealed record PurgeResult(long DeletedJobs, int Batches, long? JobId)
{
    /// <summary>Whether this purge stopped, or did not begin, because another one of the same log was deleting.</summary>
    public bool AnotherAtWork { get; init; }
}
