using System.Runtime.CompilerServices;

namespace OmniPg.Jobmon;

/// <summary>The history of a job log with the runs of pg_cron among its own.</summary>
internal sealed class PgCronHistory(IJobHistory log, PgCronRunReader cron) : IJobHistory
{
    public IAsyncEnumerable<JobRecord> ListAsync(JobQuery query, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        return MergeAsync(log.ListAsync(query, cancellationToken), cron.ListAsync(query, cancellationToken), query.Limit, cancellationToken);
    }

    public IAsyncEnumerable<JobRecord> RunningAsync(int? limit = 10, CancellationToken cancellationToken = default) =>
        MergeAsync(log.RunningAsync(limit, cancellationToken), cron.RunningAsync(limit, cancellationToken), limit, cancellationToken);

    public IAsyncEnumerable<JobStepRecord> StepsAsync(long jobId, CancellationToken cancellationToken = default) => log.StepsAsync(jobId, cancellationToken);

    public IAsyncEnumerable<JobStepRecord> StepsAsync(IReadOnlyCollection<long> jobIds, bool openOnly = false, CancellationToken cancellationToken = default) =>
        log.StepsAsync(jobIds, openOnly, cancellationToken);

    public IAsyncEnumerable<JobStepRecord> StepsAsync(string jobName, int? jobs = 1, CancellationToken cancellationToken = default) =>
        log.StepsAsync(jobName, jobs, cancellationToken);

    public Task<JobStatistics> StatisticsAsync(string jobName, PgInterval window, CancellationToken cancellationToken = default) =>
        log.StatisticsAsync(jobName, window, cancellationToken);

    /// <summary>Both lists as one, the newest start first; each keeps its own order.</summary>
    private static async IAsyncEnumerable<JobRecord> MergeAsync(
        IAsyncEnumerable<JobRecord> first, IAsyncEnumerable<JobRecord> second, int? limit, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var a = first.GetAsyncEnumerator(cancellationToken);
        await using var closingA = a.ConfigureAwait(false);
        var b = second.GetAsyncEnumerator(cancellationToken);
        await using var closingB = b.ConfigureAwait(false);
        var (hasA, hasB) = (await a.MoveNextAsync().ConfigureAwait(false), await b.MoveNextAsync().ConfigureAwait(false));
        for (var left = limit ?? int.MaxValue; left > 0 && (hasA || hasB); left -= limit is null ? 0 : 1)
        {
            if (hasA && (!hasB || a.Current.StartTime >= b.Current.StartTime))
            {
                yield return a.Current;
                hasA = await a.MoveNextAsync().ConfigureAwait(false);
            }
            else
            {
                yield return b.Current;
                hasB = await b.MoveNextAsync().ConfigureAwait(false);
            }
        }
    }
}
