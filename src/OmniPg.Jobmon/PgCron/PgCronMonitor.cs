namespace OmniPg.Jobmon;

/// <summary>The monitor of a job log that judges the jobs of pg_cron as well.</summary>
internal sealed class PgCronMonitor(IJobMonitor log, JobmonDatabase database, PgCronSource cron) : IJobMonitor
{
    public async Task<JobCheckResult> CheckAsync(PgInterval? history = null, CancellationToken cancellationToken = default) =>
        await JoinAsync(await log.CheckAsync(history, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);

    public IAsyncEnumerable<JobEvent> WatchAsync(CancellationToken cancellationToken = default) => log.WatchAsync(cancellationToken);

    public async Task<IReadOnlyList<ConfigFinding>> LintAsync(CancellationToken cancellationToken = default)
    {
        var findings = await log.LintAsync(cancellationToken).ConfigureAwait(false);
        var check = await JudgeAsync(cancellationToken).ConfigureAwait(false);
        return [.. findings.Where(f => f.Code != "never-ran" || !check.HasRun(f.JobName))];
    }

    private async Task<JobCheckResult> JoinAsync(JobCheckResult check, CancellationToken cancellationToken) =>
        (await JudgeAsync(cancellationToken).ConfigureAwait(false)).Join(check);

    private async Task<PgCronCheck> JudgeAsync(CancellationToken cancellationToken)
    {
        var look = await cron.LookAsync(cancellationToken).ConfigureAwait(false);
        return await database.RunAsync(
            "check", (session, server) => PgCronCheck.CreateAsync(session, server, look, cron.StartGrace), cancellationToken).ConfigureAwait(false);
    }
}
