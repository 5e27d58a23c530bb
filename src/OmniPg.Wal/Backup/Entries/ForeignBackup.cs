using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>A base backup of another tool, as that tool's own list tells it. It is named and counted, and restored by that tool.</summary>
public sealed record ForeignBackup
{
    /// <summary>The tool: <c>pgBackRest</c> or <c>Barman</c>.</summary>
    public required string Tool { get; init; }

    /// <summary>Its name there, such as <c>20260501-120000F</c>.</summary>
    public required string Id { get; init; }

    /// <summary>Its kind in the tool's words: <c>full</c>, <c>diff</c>, <c>incr</c> of pgBackRest; the mode of Barman, such as <c>postgres</c>.</summary>
    public required string Type { get; init; }

    /// <summary>When it began (UTC).</summary>
    public required DateTimeOffset Started { get; init; }

    /// <summary>When it ended (UTC): the earliest moment that it can be restored to.</summary>
    public required DateTimeOffset Stopped { get; init; }

    /// <summary>Where its replay starts; null for one of a stopped server, and where <see cref="Problem"/> says that it is none.</summary>
    public NpgsqlLogSequenceNumber? StartLsn { get; init; }

    /// <summary>Where it becomes consistent; null as <see cref="StartLsn"/>.</summary>
    public NpgsqlLogSequenceNumber? StopLsn { get; init; }

    /// <summary>First WAL segment that it needs; null as <see cref="StartLsn"/>.</summary>
    public WalFileName? WalFrom { get; init; }

    /// <summary>Last WAL segment that it needs to become consistent; null as <see cref="StartLsn"/>.</summary>
    public WalFileName? WalTo { get; init; }

    /// <summary>System identifier of the cluster.</summary>
    public required ulong SystemIdentifier { get; init; }

    /// <summary>Major version of the server.</summary>
    public required int PgVersion { get; init; }

    /// <summary>Why the tool does not count it as a good one; null when it does.</summary>
    public string? Problem { get; init; }

    /// <summary>The last moment that it can be restored to with the WAL of the archive that was named; null without one, and when that lacks WAL which the backup needs.</summary>
    public DateTimeOffset? RecoverableTo { get; init; }

    /// <summary>The backup as its WAL is looked for; null without positions.</summary>
    internal BackupInfo? AsBackup(int segmentSize) => this is not { Problem: null, StartLsn: { } start, StopLsn: { } stop, WalFrom: { } from, WalTo: { } to } ? null : new BackupInfo
    {
        Id = Id, Label = Tool, Started = Started, Stopped = Stopped, StartLsn = start, StopLsn = stop, Timeline = from.Timeline, WalFrom = from, WalTo = to,
        SystemIdentifier = SystemIdentifier, PgVersion = PgVersion, WalSegmentSize = segmentSize, Parts = [],
    };
}
