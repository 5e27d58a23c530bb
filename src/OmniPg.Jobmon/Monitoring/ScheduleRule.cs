using System.Globalization;

namespace OmniPg.Jobmon;

/// <summary>An expected schedule of one job and its newest start.</summary>
internal sealed record ScheduleRule(
    string JobName, string Cron, string TimeZone, TimeSpan Grace, DateTimeOffset CreatedAt, DateTimeOffset? MutedUntil, DateTimeOffset? LastStart)
{
    private const string Schedules =
        """
        SELECT u.job_name, u.cron, coalesce(u.time_zone, 'UTC'), make_interval(secs => extract(epoch FROM coalesce(u.start_grace, '0'))::double precision), u.created_at,
            CASE WHEN u.muted_until > now() THEN u.muted_until END,
            (SELECT max(j.start_time) FROM jobmon.job_log j WHERE j.job_name = u.job_name)
        FROM omnipg_jobmon.check_rule u WHERE u.active AND u.cron IS NOT NULL ORDER BY u.job_name
        """;

    public static Task<IReadOnlyList<ScheduleRule>> ReadAsync(PgSession session, JobmonServer server) => session.RowsAsync(
        server.Render(Schedules),
        row => new ScheduleRule(
            row.GetString(0), row.GetString(1), row.GetString(2), row.GetFieldValue<TimeSpan>(3), row.GetFieldValue<DateTimeOffset>(4), row.Instant(5), row.Instant(6)));

    /// <summary>The alert, when the last due start is past its grace and no run started since; <see langword="null"/> when all is well.</summary>
    public JobAlert? Check(DateTimeOffset now)
    {
        if (WhyInvalid() is { } reason)
            return Alert(AlertLevel.Warning, reason);
        var due = CronSchedule.Parse(Cron).Previous(now - Grace, TimeZoneInfo.FindSystemTimeZoneById(TimeZone));
        if (due is null || due < CreatedAt || LastStart >= due)
            return null;
        return Alert(AlertLevel.Critical, string.Create(CultureInfo.InvariantCulture,
            $"Expected start at {due.Value.UtcDateTime:yyyy-MM-dd HH:mm}Z ({Cron} {TimeZone}) did not happen. Last start: {JobAlert.Instant(LastStart)}")) with
        {
            LastStart = LastStart,
            Late = now - due,
        };
    }

    /// <summary>What is wrong with a rule that was written past the builder.</summary>
    public string? WhyInvalid()
    {
        try
        {
            CronSchedule.Parse(Cron);
            return TimeZoneInfo.TryFindSystemTimeZoneById(TimeZone, out _) ? null : $"Time zone '{TimeZone}' is unknown on this machine.";
        }
        catch (FormatException error)
        {
            return error.Message;
        }
    }

    private JobAlert Alert(AlertLevel level, string text) => JobAlert.Of(JobName, level, JobAlertStatus.Missing, text, MutedUntil);
}
