using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>What a restore drill found out: whether the backup can be restored, to which moment, how long it takes and how much would be lost.</summary>
public sealed record RestoreDrillResult
{
    /// <summary>The verdict.</summary>
    public required RestoreDrillVerdict Verdict { get; init; }

    /// <summary>Why the target was not reached; null when it was.</summary>
    public string? Reason { get; init; }

    /// <summary>The backup that was restored; null when none could be chosen.</summary>
    public BackupInfo? Backup { get; init; }

    /// <summary>The target.</summary>
    public required RecoveryTarget Target { get; init; }

    /// <summary>When the drill began.</summary>
    public required DateTimeOffset Began { get; init; }

    /// <summary>End of the last transaction that was replayed, or the end of the backup when none was; null when the server never let anybody in.</summary>
    public DateTimeOffset? ReachedTime { get; init; }

    /// <summary>End of the last WAL record that was replayed; null when the server never let anybody in.</summary>
    public NpgsqlLogSequenceNumber? ReachedLsn { get; init; }

    /// <summary>Timeline that was followed; null when the server never let anybody in.</summary>
    public uint? Timeline { get; init; }

    /// <summary>Time to choose, copy, unpack, compare and flush the backup.</summary>
    public TimeSpan Restore { get; init; }

    /// <summary>Time from the start of the server until it let somebody in: with <see cref="Restore"/> the measured recovery time (RTO).</summary>
    public TimeSpan Replay { get; init; }

    /// <summary>Time of the checks.</summary>
    public TimeSpan Checks { get; init; }

    /// <summary>From <see cref="ReachedTime"/> to <see cref="Began"/>, never negative: what losing the server and its unarchived WAL at that moment could cost (RPO). Null when nothing was reached. An idle cluster ages too.</summary>
    public TimeSpan? Age => ReachedTime is { } reached ? (Began > reached ? Began - reached : TimeSpan.Zero) : null;

    /// <summary>From <see cref="ReachedTime"/> to the last commit that the archive holds behind a gap, zero without one; null when nothing was reached.</summary>
    public TimeSpan? Lost { get; init; }

    /// <summary>Transactions committed behind the gap.</summary>
    public long LostTransactions { get; init; }

    /// <summary>Rows inserted, updated and deleted behind the gap, those of aborted transactions and of TOAST tables included, those of the system catalogues left out.</summary>
    public long LostRows { get; init; }

    /// <summary>Tables and materialized views that were read.</summary>
    public long Tables { get; init; }

    /// <summary>Their rows.</summary>
    public long Rows { get; init; }

    /// <summary>Relations that <c>amcheck</c> has looked at; 0 where the server does not have it.</summary>
    public long Amchecked { get; init; }

    /// <summary>What the checks found; empty when the copy is clean.</summary>
    public IReadOnlyList<RestoreDrillFinding> Findings { get; init; } = [];

    /// <summary>Where the copy was left; null when it was removed.</summary>
    public string? KeptIn { get; init; }
}

/// <summary>The three ways in which a drill ends.</summary>
public enum RestoreDrillVerdict
{
    /// <summary>The target was reached and the checks found nothing.</summary>
    Clean,

    /// <summary>The target was reached, and a check found something.</summary>
    Findings,

    /// <summary>The target was not reached.</summary>
    NotReached,
}

/// <summary>Something that a check of a restore drill found.</summary>
/// <param name="Check">Which: <c>rows</c>, <c>amcheck</c>, <c>sql</c>, <c>connect</c>, or <c>backup</c> for a damaged one that was passed over.</param>
/// <param name="Database">The database; empty for a backup.</param>
/// <param name="Subject">The relation, the file of SQL, or the backup; empty for the database itself.</param>
/// <param name="Text">What is wrong.</param>
public sealed record RestoreDrillFinding(string Check, string Database, string Subject, string Text);
