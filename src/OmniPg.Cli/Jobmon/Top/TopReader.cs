using OmniPg.Jobmon;

namespace OmniPg.Cli;

/// <summary>Reads what <c>jobmon top</c> shows.</summary>
/// <param name="jobmon">The job log.</param>
/// <param name="checkEvery">The check is made at most this often; in between its last report counts.</param>
internal sealed class TopReader(IJobmon jobmon, TimeSpan checkEvery)
{
    private JobCheckResult? _report;
    private long _checkedAt;

    /// <param name="runs">How many runs at work are wanted.</param>
    /// <param name="recent">How many runs that have ended are wanted.</param>
    /// <param name="cancellationToken">Cancels the reading.</param>
    public async Task<TopSnapshot> ReadAsync(int runs, int recent, CancellationToken cancellationToken)
    {
        if (_report is null || TimeProvider.System.GetElapsedTime(_checkedAt) >= checkEvery)
        {
            _report = await jobmon.Monitor.CheckAsync(cancellationToken: cancellationToken);
            _checkedAt = TimeProvider.System.GetTimestamp();
        }
        var jobs = await jobmon.History.RunningAsync(runs, cancellationToken).ToListAsync(cancellationToken);
        var steps = await jobmon.History.StepsAsync([.. jobs.Select(job => job.JobId)], openOnly: true, cancellationToken).ToListAsync(cancellationToken);
        var stepsOf = steps.ToLookup(step => step.JobId);
        var running = jobs.ConvertAll(job => TopRun.Of(job, [.. stepsOf[job.JobId]]));
        var ended = await jobmon.History.ListAsync(new JobQuery { Unfinished = false, Limit = recent }, cancellationToken).ToListAsync(cancellationToken);

        // Ages are differences to the server's clock; this machine's may be wrong.
        return new TopSnapshot(running, ended, _report, _report.CheckedAt + TimeProvider.System.GetElapsedTime(_checkedAt));
    }
}
