using System.Globalization;

namespace OmniPg.Jobmon;

/// <summary>The monitor of a job log that judges the jobs of pg_cron as well.</summary>
internal sealed class PgCronMonitor(IJobMonitor log, JobmonDatabase database, PgCronSource cron) : IJobMonitor
{
    public async Task<JobCheckResult> CheckAsync(PgInterval? history = null, CancellationToken cancellationToken = default)
    {
        var check = await log.CheckAsync(history, cancellationToken).ConfigureAwait(false);
        return (await JudgeAsync(cancellationToken).ConfigureAwait(false)).Join(check);
    }

    public IAsyncEnumerable<JobEvent> WatchAsync(CancellationToken cancellationToken = default) => log.WatchAsync(cancellationToken);

    public async Task<IReadOnlyList<ConfigFinding>> LintAsync(CancellationToken cancellationToken = default)
    {
        var findings = await log.LintAsync(cancellationToken).ConfigureAwait(false);
        var check = await JudgeAsync(cancellationToken).ConfigureAwait(false);
        return [.. findings.Where(f => f.Code != "never-ran" || !check.HasRun(f.JobName))];
    }

    private async Task<PgCronCheck> JudgeAsync(CancellationToken cancellationToken)
    {
        var look = await cron.LookAsync(cancellationToken).ConfigureAwait(false);
        return await database.RunAsync(
            "check", (session, server) => PgCronCheck.CreateAsync(session, server, look, cron.StartGrace), cancellationToken).ConfigureAwait(false);
    }
}

/// <summary>Judges jobs of pg_cron by the rules of the job log.</summary>
internal sealed class PgCronCheck(PgCronLook look, IReadOnlyList<PgCronRule> rules, TimeSpan startGrace)
{
    /// <summary>Name of the alerts that concern no single job.</summary>
    private const string Scheduler = "PG_CRON";

    // As in the log: without a rule the third failure in a row is the first that counts.
    private const int DefaultSensitivity = 2;

    private readonly PgCronServer _server = look.Server;

    public static async Task<PgCronCheck> CreateAsync(PgSession session, JobmonServer server, PgCronLook look, TimeSpan startGrace) =>
        new(look, await PgCronRule.ReadAsync(session, server, Scheduler, look).ConfigureAwait(false), startGrace);

    public bool HasRun(string? jobName) => look.Jobs.Where((job, i) => job.LastRun is not null && rules[i + 1].JobName == jobName).Any();

    /// <summary>The check with these alerts and the jobs at work, and without what the log misses only because it has no runs of pg_cron.</summary>
    public JobCheckResult Join(JobCheckResult check)
    {
        var names = rules.Skip(1).Select(r => r.JobName).ToHashSet();
        var alerts = check.Alerts.Where(a => a.Status switch
        {
            JobAlertStatus.Missing => !names.Contains(a.JobName!),
            // Whether all is clear shows only with both together.
            JobAlertStatus.Ok => false,
            _ => true,
        });
        return (check with { Alerts = [.. alerts], RunningJobs = check.RunningJobs + look.AtWork }).With(Alerts());
    }

    public IEnumerable<JobAlert> Alerts() => SchedulerAlerts().Concat(look.Jobs.SelectMany((job, i) => Alerts(job, rules[i + 1])));

    private IEnumerable<JobAlert> SchedulerAlerts()
    {
        var active = look.Jobs.Count(j => j.Active);
        if (active == 0 || rules[0].IsOff)
            yield break;
        if (!_server.SchedulerRuns && !_server.IsStandby)
        {
            yield return Alert(rules[0], AlertLevel.Critical, JobAlertStatus.Died, string.Create(CultureInfo.InvariantCulture,
                $"The scheduler does not run in database '{_server.Database}', so none of {active} active jobs starts. See shared_preload_libraries and cron.database_name"));
        }
        if (!_server.StartsJobs)
            yield return Alert(rules[0], AlertLevel.Warning, JobAlertStatus.Missing, Inv($"cron.launch_active_jobs is off, so none of {active} active jobs starts"));
        if (!_server.RecordsRuns)
            yield return Alert(rules[0], AlertLevel.Warning, JobAlertStatus.Missing, Inv($"cron.log_run is off, so nothing is known of the runs of {active} active jobs"));
    }

    private IEnumerable<JobAlert> Alerts(PgCronJob job, PgCronRule rule)
    {
        if (rule.IsOff)
            yield break;
        // A job that was switched off can neither succeed again nor be missed.
        foreach (var alert in job.Active ? FailedOrMissing(job, rule) : [])
            yield return job.IsAtWork(_server) ? AtWork(job, alert) : alert;
        if (job.IsDead(_server))
        {
            yield return Alert(rule, AlertLevel.Critical, JobAlertStatus.Died,
                Inv($"Backend '{job.Pid}' of run '{job.LastRun}' started {JobAlert.Instant(job.LastStart)} is gone"));
        }
        if (rule.Overdue is { } overdue)
            yield return Alert(rule, AlertLevel.Warning, JobAlertStatus.Overdue, overdue);
        if (rule.TooFast is { } fast)
            yield return Alert(rule, AlertLevel.Warning, JobAlertStatus.TooFast, fast);
    }

    private IEnumerable<JobAlert> FailedOrMissing(PgCronJob job, PgCronRule rule)
    {
        // Counting ends at MostFailures, which is more than any sensitivity means.
        if (job.Failures > (rule.HasThresholds ? rule.Sensitivity : DefaultSensitivity) || job.Failures >= PgCronJob.MostFailures)
        {
            var since = job.LastSuccess is { } success ? $" since the success of {JobAlert.Instant(success)}" : ", and no success";
            yield return Alert(rule, AlertLevel.Critical, JobAlertStatus.FailedRun,
                Inv($"{job.Failures} failed run(s){since}{(string.IsNullOrEmpty(job.LastError) ? "" : ": " + job.LastError)}"));
        }
        if (!_server.RecordsRuns || !_server.StartsJobs)
            yield break;
        if (rule.IsLate)
        {
            yield return Alert(rule, rule.IsVeryLate ? AlertLevel.Critical : AlertLevel.Warning, JobAlertStatus.Missing,
                job.LastStart is not null ? $"Last start: {JobAlert.Instant(job.LastStart)}" : $"No start since {JobAlert.Instant(job.KnownSince)} at least");
        }
        if ((rule.Schedule is { } expected ? expected.Check(_server.Now) : Missed(job, rule)) is { } missed)
            yield return missed;
    }

    private JobAlert? Missed(PgCronJob job, PgCronRule rule)
    {
        if (_server.Zone is not { } zone)
            return Alert(rule, AlertLevel.Warning, JobAlertStatus.Missing, $"Time zone '{_server.ZoneName}' of cron.timezone is unknown on this machine.");
        PgCronSchedule schedule;
        try
        {
            schedule = PgCronSchedule.Parse(job.Schedule, _server.BothDays);
        }
        catch (FormatException error)
        {
            return Alert(rule, AlertLevel.Warning, JobAlertStatus.Missing, $"Schedule '{job.Schedule}' cannot be checked: {error.Message}");
        }
        if (job.KnownSince is not { } known || schedule.Missed(_server.Now - startGrace, job.LastStart, known, zone) is not { } due)
            return null;
        return Alert(rule, AlertLevel.Critical, JobAlertStatus.Missing,
            $"Expected start at {JobAlert.Instant(due)} ({job.Schedule} {_server.ZoneName}) did not happen. Last start: {JobAlert.Instant(job.LastStart)}") with
        {
            LastStart = job.LastStart,
            Late = _server.Now - due,
        };
    }

    // pg_cron never runs a job twice at once: a start that is due meanwhile waits for the end of the run at work, and is not lost.
    private JobAlert AtWork(PgCronJob job, JobAlert alert)
    {
        if (_server.IsStandby)
            return alert with { Status = JobAlertStatus.Other, AlertStatusText = "UNKNOWN", AlertText = "Whether it runs cannot be seen on a standby. " + alert.AlertText };
        var (status, statusText, text) = job.Blockers is { } blockers
            ? (JobAlertStatus.Blocked, "BLOCKED", Inv($"Run '{job.LastRun}' waits for a lock of pid {blockers}. "))
            : (JobAlertStatus.Running, job.IsSeen ? "RUNNING" : "RUNNING (unverified)", $"Currently running since {JobAlert.Instant(job.LastStart)}. ");
        return alert with
        {
            Level = alert.Status == JobAlertStatus.Missing && alert.Level > AlertLevel.Warning ? AlertLevel.Warning : alert.Level,
            Status = status,
            AlertStatusText = statusText,
            AlertText = text + alert.AlertText,
        };
    }

    private static JobAlert Alert(PgCronRule rule, AlertLevel level, JobAlertStatus status, string text) =>
        JobAlert.Of(rule.JobName, level, status, text, rule.MutedUntil);

    private static string Inv(FormattableString text) => FormattableString.Invariant(text);
}
