namespace OmniPg.Jobmon.Testing;

/// <summary>The history of a log in memory.</summary>
internal sealed class RecordingHistory(RecordingLog log) : IJobHistory
{
    /// <summary>Role that every recorded run belongs to.</summary>
    public const string Owner = "recording";

    private const string OnServer = "read the history of a JobmonClient on a server";

    public IAsyncEnumerable<JobRecord> ListAsync(JobQuery query, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        return query.NameMatches is not null
            ? throw Unsupported.For("JobQuery.NameMatches", "the server has its own regular expressions; ask by JobQuery.Name")
            : Rows(query.Limit, run => IsWanted(run, query), cancellationToken);
    }

    public IAsyncEnumerable<JobRecord> RunningAsync(int? limit = 10, CancellationToken cancellationToken = default)
    {
        JobHistory.CheckLimit(limit);
        return Rows(limit, run => run.EndTime is null, cancellationToken);
    }

    public IAsyncEnumerable<JobStepRecord> StepsAsync(long jobId, CancellationToken cancellationToken = default) =>
        Steps(run => run.Id == jobId, null, cancellationToken);

    public IAsyncEnumerable<JobStepRecord> StepsAsync(IReadOnlyCollection<long> jobIds, bool openOnly = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(jobIds);
        var wanted = jobIds.ToHashSet();
        return Steps(run => run.Id is { } id && wanted.Contains(id), null, cancellationToken, step => !openOnly || step.IsOpen);
    }

    public IAsyncEnumerable<JobStepRecord> StepsAsync(string jobName, int? jobs = 1, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        JobHistory.CheckLimit(jobs);
        return Steps(run => IsNamed(run, jobName), jobs, cancellationToken);
    }

    public Task<JobStatistics> StatisticsAsync(string jobName, TimeSpan window, CancellationToken cancellationToken = default) =>
        throw Unsupported.For("History.StatisticsAsync", OnServer);

    private static bool IsWanted(JobEntry run, JobQuery query) =>
        (query.Name is not { } name || IsNamed(run, name))
        && (query.Status is not { } status || run.Status == status)
        && (query.Tag is not { } tag || run.Options.Tags.Contains(tag))
        && (query.Since is not { } since || run.StartTime >= since)
        && (query.Before is not { } before || run.StartTime < before)
        && (query.Unfinished is not { } unfinished || (run.EndTime is null) == unfinished);

    private static bool IsNamed(JobEntry run, string name) => string.Equals(run.Name, name, StringComparison.OrdinalIgnoreCase);

    private IAsyncEnumerable<JobRecord> Rows(int? limit, Func<JobEntry, bool> isWanted, CancellationToken cancellationToken) =>
        Stream(() => Newest(limit, isWanted).Select(run => RecordingRows.Job(run, log.Context)), cancellationToken);

    private IAsyncEnumerable<JobStepRecord> Steps(
        Func<JobEntry, bool> isWanted, int? jobs, CancellationToken cancellationToken, Func<StepEntry, bool>? isWantedStep = null) =>
        Stream(() => Newest(jobs, isWanted).SelectMany(run => run.Steps.Where(isWantedStep ?? (_ => true)).Select(step => RecordingRows.Step(run, step, log.Context))),
            cancellationToken);

    private IEnumerable<JobEntry> Newest(int? limit, Func<JobEntry, bool> isWanted) =>
        log.Runs().AsEnumerable().Reverse().Where(isWanted).Take(limit ?? int.MaxValue);

    private async IAsyncEnumerable<T> Stream<T>(
        Func<IEnumerable<T>> read, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<T> rows;
        lock (log.Gate)
            rows = [.. read()];
        await Task.CompletedTask.ConfigureAwait(false);
        foreach (var row in rows)
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return row;
        }
    }
}
