using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Jobmon;

/// <summary>What the rules of the job log say of one job of pg_cron.</summary>
/// <param name="JobName">Name in upper case, as the log's server has it.</param>
/// <param name="HasThresholds">Whether there is a rule with thresholds.</param>
/// <param name="Sensitivity">Failures that it tolerates.</param>
/// <param name="IsLate">Whether the job has not started for longer than its warning.</param>
/// <param name="IsVeryLate">Whether it has not for longer than its error.</param>
/// <param name="IsOff">Whether the rule is off, and with it all that is said of the job.</param>
/// <param name="Schedule">An expected schedule of the rule's own; it stands for that of pg_cron.</param>
/// <param name="MutedUntil">End of the muting; null when it is not muted.</param>
/// <param name="Overdue">Text of the alert OVERDUE.</param>
/// <param name="TooFast">Text of the alert TOO_FAST.</param>
internal sealed record PgCronRule(
    string JobName, bool HasThresholds, int Sensitivity, bool IsLate, bool IsVeryLate, bool IsOff, ScheduleRule? Schedule = null, DateTimeOffset? MutedUntil = null,
    string? Overdue = null, string? TooFast = null)
{
    // $1 names, $2 last starts, $3 starts of the runs at work, $4 durations of the last successes, $5 now, $6 usual seconds of the runs at work. Asked
    // in the database of the job log, where the rules are.
    private const string Rules =
        """
        SELECT upper(n.name), c.job_name IS NOT NULL, c.sensitivity::integer, $5 - n.last_start > c.warn_threshold, $5 - n.last_start > c.error_threshold,
        --side
            NOT coalesce(c.active, true) OR NOT coalesce(u.active, true), u.cron, u.time_zone, make_interval(secs => extract(epoch FROM u.start_grace)::double precision), u.created_at,
            CASE WHEN u.muted_until > now() THEN u.muted_until END,
            CASE WHEN $5 - n.open_since > u.max_runtime THEN format('Running for %s, longer than the allowed %s', date_trunc('second', $5 - n.open_since), u.max_runtime)
                WHEN extract(epoch FROM $5 - n.open_since) > n.usual * u.anomaly_factor THEN format('Running for %s, longer than %s times the usual %s',
                    date_trunc('second', $5 - n.open_since), u.anomaly_factor, make_interval(secs => n.usual)) END,
            CASE WHEN n.took < u.min_runtime THEN format('The last run took %s, less than the expected %s', n.took, u.min_runtime) END
        --noside
            NOT coalesce(c.active, true), NULL::text, NULL::text, NULL::interval, NULL::timestamptz, NULL::timestamptz, NULL::text, NULL::text
        --end
        FROM unnest($1, $2, $3, $4, $6) WITH ORDINALITY n (name, last_start, open_since, took, usual, place)
        --side
        LEFT JOIN omnipg_jobmon.check_rule u ON u.job_name = upper(n.name)
        --end
        LEFT JOIN jobmon.job_check_config c ON c.job_name = upper(n.name)
        ORDER BY n.place
        """;

    /// <summary>The rules for <paramref name="scheduler"/>, a name for what concerns no single job, and then those of the jobs, in their order.</summary>
    public static Task<IReadOnlyList<PgCronRule>> ReadAsync(PgSession session, JobmonServer server, string scheduler, PgCronLook look)
    {
        var jobs = look.Jobs;
        var place = 0;
        return session.RowsAsync(
            server.Render(Rules), row => Read(row, place++ == 0 ? null : jobs[place - 2].LastStart),
            PgParameter.Texts([scheduler, .. jobs.Select(j => j.Name)]),
            Column(NpgsqlDbType.TimestampTz, Instants(jobs.Select(j => j.LastStart ?? j.KnownSince))),
            Column(NpgsqlDbType.TimestampTz, Instants(jobs.Select(j => j.IsAtWork(look.Server) ? j.LastStart : null))),
            Column(NpgsqlDbType.Interval, [null, .. jobs.Select(j => j.LastStatus == "succeeded" ? j.LastEnd - j.LastStart : null)]),
            PgParameter.Instant(look.Server.Now),
            Column(NpgsqlDbType.Double, [null, .. jobs.Select(j => j.Usual)]));
    }

    private static PgCronRule Read(NpgsqlDataReader row, DateTimeOffset? lastStart)
    {
        var (name, cron, muted) = (row.GetString(0), row.Text(6), row.Instant(10));
        var schedule = cron is null ? null : new ScheduleRule(name, cron, row.Text(7) ?? "UTC",
            row.IsDBNull(8) ? TimeSpan.Zero : row.GetFieldValue<TimeSpan>(8), row.GetFieldValue<DateTimeOffset>(9), muted, lastStart);
        return new PgCronRule(
            name, row.GetBoolean(1), row.Integer(2) ?? 0, row.IsTrue(3), row.IsTrue(4), row.GetBoolean(5), schedule, muted, row.Text(11), row.Text(12));
    }

    private static DateTime?[] Instants(IEnumerable<DateTimeOffset?> values) => [null, .. values.Select(v => v?.UtcDateTime)];

    private static NpgsqlParameter Column<T>(NpgsqlDbType type, T[] values) => PgParameter.Of(values, NpgsqlDbType.Array | type);
}
