using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>One job of pg_cron and what its runs say.</summary>
internal sealed record PgCronJob
{
    public required long Id { get; init; }

    /// <summary>Name for rules and alerts, not yet in upper case: <c>PG_CRON: name</c>, or <c>PG_CRON: #7</c> for a job without one.</summary>
    public required string Name { get; init; }

    public required string Owner { get; init; }

    public required string Schedule { get; init; }

    public required bool Active { get; init; }

    /// <summary>Whether its backends are those of this server; pg_cron can start jobs elsewhere.</summary>
    public required bool IsLocal { get; init; }

    /// <summary>An instant at which the job is known to have been as it is now; <see langword="null"/> where nothing proves one.</summary>
    public DateTimeOffset? KnownSince { get; init; }

    /// <summary>The newest run; <see langword="null"/> for none.</summary>
    public long? LastRun { get; init; }

    public string? LastStatus { get; init; }

    public int? Pid { get; init; }

    /// <summary>When the newest run began, or an instant that is not before it where that is not recorded.</summary>
    public DateTimeOffset? LastStart { get; init; }

    public DateTimeOffset? LastEnd { get; init; }

    /// <summary>Whether others have ended since more than a minute after what is recorded last of the newest run.</summary>
    public required bool IsOld { get; init; }

    /// <summary>Whether the backend of the newest run is there.</summary>
    public required bool IsSeen { get; init; }

    /// <summary>Backends that it waits for.</summary>
    public string? Blockers { get; init; }

    public required int Failures { get; init; }

    /// <summary>First line of the message of the newest failure.</summary>
    public string? LastError { get; init; }

    public DateTimeOffset? LastSuccess { get; init; }

    /// <summary>The 95th percentile of the last 20 successes in seconds, for a job at work with three of them.</summary>
    public double? Usual { get; init; }

    public bool IsOpen => LastStatus is not (null or "succeeded" or "failed");

    public static PgCronJob Read(NpgsqlDataReader row) => new()
    {
        Id = row.GetInt64(0),
        Name = row.GetString(1),
        Owner = row.GetString(2),
        Schedule = row.GetString(3),
        Active = row.GetBoolean(4),
        IsLocal = row.GetBoolean(5),
        KnownSince = row.Instant(6),
        LastRun = row.BigInt(7),
        LastStatus = row.Text(8),
        Pid = row.Integer(9),
        LastStart = row.Instant(10),
        LastEnd = row.Instant(11),
        IsOld = row.GetBoolean(12),
        IsSeen = row.GetBoolean(13),
        Blockers = row.Text(14),
        Failures = row.GetInt32(15),
        LastError = row.Text(16),
        LastSuccess = row.Instant(17),
        Usual = row.Double(18),
    };

    /// <summary>
    /// Whether the newest run never ended and its process is gone. pg_cron closes the runs of a crash when it starts, but only those that it
    /// had sent, so with its scheduler at work only one that never got a connection can be left over.
    /// </summary>
    public bool IsDead(PgCronServer server) =>
        IsOpen && IsLocal && !IsSeen && !server.IsStandby && (!server.SchedulerRuns || (LastStatus != "running" && IsOld));

    public bool IsAtWork(PgCronServer server) => IsOpen && !IsDead(server);
}
