using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Jobmon;

/// <summary>What the rules of the job log say of one job of pg_cron.</summary>
internal sealed record PgCronRule
{
    /// <summary>Name in upper case, as the log's server has it.</summary>
    public required string JobName { get; init; }

    public required bool HasThresholds { get; init; }

    public required int Sensitivity { get; init; }

    public required bool IsLate { get; init; }

    public required bool IsVeryLate { get; init; }

    /// <summary>Whether the rule is off, and with it all that is said of the job.</summary>
    public required bool IsOff { get; init; }

    /// <summary>An expected schedule of the rule's own; it stands for that of pg_cron.</summary>
    public ScheduleRule? Schedule { get; init; }

    public DateTimeOffset? MutedUntil { get; init; }

    /// <summary>Text of the alert OVERDUE.</summary>
    public string? Overdue { get; init; }

    /// <summary>Text of the alert TOO_FAST.</summary>
    public string? TooFast { get; init; }

    /// <summary>The rules for <paramref name="scheduler"/>, a name for what concerns no single job, and then those of the jobs, in their order.</summary>
    public static Task<IReadOnlyList<PgCronRule>> ReadAsync(PgSession session, JobmonServer server, string scheduler, PgCronLook look)
    {
        var jobs = look.Jobs;
        var place = 0;
        return session.RowsAsync(
            server.Render(PgCronSql.Rules), row => Read(row, place++ == 0 ? null : jobs[place - 2].LastStart),
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
        return new PgCronRule
        {
            JobName = name,
            HasThresholds = row.GetBoolean(1),
            Sensitivity = row.Integer(2) ?? 0,
            IsLate = row.IsTrue(3),
            IsVeryLate = row.IsTrue(4),
            IsOff = row.GetBoolean(5),
            Schedule = cron is null ? null : new ScheduleRule(name, cron, row.Text(7) ?? "UTC",
                row.IsDBNull(8) ? TimeSpan.Zero : row.GetFieldValue<TimeSpan>(8), row.GetFieldValue<DateTimeOffset>(9), muted, lastStart),
            MutedUntil = muted,
            Overdue = row.Text(11),
            TooFast = row.Text(12),
        };
    }

    private static DateTime?[] Instants(IEnumerable<DateTimeOffset?> values) => [null, .. values.Select(v => v?.UtcDateTime)];

    private static NpgsqlParameter Column<T>(NpgsqlDbType type, T[] values) => PgParameter.Of(values, NpgsqlDbType.Array | type);
}
