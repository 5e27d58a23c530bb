namespace OmniPg.Jobmon;

/// <summary>The history of a log in memory.</summary>
internal sealed class RecordingHistory(RecordingJobmon jobmon) : IJobHistory
{
    /// <summary>Role that every recorded run belongs to.</summary>
    public const string Owner = "recording";

    private const string OnServer = "read the history of a JobmonClient on a server";

    public IAsyncEnumerable<JobRecord> ListAsync(JobQuery query, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        return query.NameMatches is not null
            ? throw RecordingJobmon.Unsupported("JobQuery.NameMatches", "the server has its own regular expressions; ask by JobQuery.Name")
            : Rows(query.Limit, run => IsWanted(run, query), cancellationToken);
    }

    public IAsyncEnumerable<JobRecord> RunningAsync(int? limit = 10, CancellationToken cancellationToken = default)
    {
        JobHistory.CheckLimit(limit);
        return Rows(limit, run => run.Seen.EndTime is null, cancellationToken);
    }

    public IAsyncEnumerable<JobStepRecord> StepsAsync(IReadOnlyCollection<long> jobIds, bool openOnly = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(jobIds);
        var wanted = jobIds.ToHashSet();
        return Steps(run => wanted.Contains(run.Seen.JobId), null, cancellationToken, step => !openOnly || step.Seen.EndTime is null);
    }

    public IAsyncEnumerable<JobStepRecord> StepsAsync(string jobName, int? jobs = 1, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        JobHistory.CheckLimit(jobs);
        return Steps(run => IsNamed(run, jobName), jobs, cancellationToken);
    }

    public Task<JobStatistics> StatisticsAsync(string jobName, PgInterval window, CancellationToken cancellationToken = default) =>
        throw RecordingJobmon.Unsupported("History.StatisticsAsync", OnServer);

    private static bool IsWanted(MemorySink.Run run, JobQuery query) =>
        (query.Name is not { } name || IsNamed(run, name))
        && (query.Status is not { } status || run.Seen.Status == status)
        && (query.Tag is not { } tag || run.Seen.Options.Tags.Contains(tag))
        && (query.Since is not { } since || run.Seen.StartTime >= since)
        && (query.Before is not { } before || run.Seen.StartTime < before)
        && (query.Unfinished is not { } unfinished || (run.Seen.EndTime is null) == unfinished);

    private static bool IsNamed(MemorySink.Run run, string name) => string.Equals(run.Seen.Name, name, StringComparison.OrdinalIgnoreCase);

    private IAsyncEnumerable<JobRecord> Rows(int? limit, Func<MemorySink.Run, bool> isWanted, CancellationToken cancellationToken) =>
        Stream(() => Newest(limit, isWanted).Select(Record), cancellationToken);

    private IAsyncEnumerable<JobStepRecord> Steps(
        Func<MemorySink.Run, bool> isWanted, int? jobs, CancellationToken cancellationToken, Func<MemorySink.Step, bool>? isWantedStep = null) =>
        Stream(() => Newest(jobs, isWanted).SelectMany(run => run.Steps.Where(isWantedStep ?? (_ => true)).Select(step => Record(run, step))), cancellationToken);

    private IEnumerable<MemorySink.Run> Newest(int? limit, Func<MemorySink.Run, bool> isWanted) =>
        jobmon.Sink.Runs.AsEnumerable().Reverse().Where(isWanted).Take(limit ?? int.MaxValue);

    private async IAsyncEnumerable<T> Stream<T>(
        Func<IEnumerable<T>> read, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<T> rows;
        jobmon.Flush();
        lock (jobmon.Sink.Gate)
            rows = [.. read()];
        await Task.CompletedTask.ConfigureAwait(false);
        foreach (var row in rows)
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return row;
        }
    }

    private static JobRecord Record(MemorySink.Run run) => new()
    {
        JobId = run.Seen.JobId,
        Owner = Owner,
        JobName = run.Seen.Name.ToUpperInvariant(),
        StartTime = run.Seen.StartTime,
        EndTime = run.Seen.EndTime,
        Status = run.Seen.Status,
        Pid = run.Seen.WorkPid ?? 0,
        DisplayName = run.Seen.Name,
        ParentJobId = run.Seen.ParentJobId,
        WorkPid = run.Seen.WorkPid,
        Tags = run.Seen.Tags,
        Arguments = run.ArgumentsJson,
        Result = run.ResultJson,
        Error = run.ErrorJson,
        CancelRequestedAt = run.Seen.CancelRequestedAt,
        CancelRequestedBy = run.CancelRequestedBy,
    };

    private static JobStepRecord Record(MemorySink.Run run, MemorySink.Step step)
    {
        var record = new JobStepRecord
        {
            JobId = run.Seen.JobId,
            StepId = step.Seen.StepId,
            Action = step.Seen.Action,
            StartTime = step.Seen.StartTime,
            EndTime = step.Seen.EndTime,
            ElapsedSeconds = (float?)(step.Seen.EndTime - step.Seen.StartTime)?.TotalSeconds,
            Status = step.Seen.Status,
            Message = step.Seen.Message,
        };
        // The step that the end of a run adds stands in the log only.
        return step.Ordinal is null ? record : record with
        {
            ParentStepId = step.Seen.ParentStepId,
            Ordinal = step.Ordinal,
            Current = step.Seen.Progress?.Current,
            Total = step.Seen.Progress?.Total,
            Unit = step.Seen.Progress?.Unit,
            ProgressAt = step.ProgressAt,
            RowsAffected = step.Seen.RowsAffected,
            Error = step.ErrorJson,
        };
    }
}
