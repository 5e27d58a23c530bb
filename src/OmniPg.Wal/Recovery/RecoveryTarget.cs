using System.Globalization;
using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>Where a recovery ends: one of PostgreSQL's recovery targets. Immutable.</summary>
public sealed record RecoveryTarget
{
    private RecoveryTarget(string setting, string value, bool inclusive) => (Setting, Value, IsInclusive) = (setting, value, inclusive);

    /// <summary>The end of the WAL.</summary>
    public static RecoveryTarget Latest { get; } = new("", "", true);

    /// <summary>The end of the backup: as soon as the cluster is consistent.</summary>
    public static RecoveryTarget Immediate { get; } = new("recovery_target", "immediate", true);

    /// <summary>Name of the server's setting, such as <c>recovery_target_time</c>; empty for <see cref="Latest"/>.</summary>
    public string Setting { get; }

    /// <summary>Value of the setting.</summary>
    public string Value { get; }

    /// <summary>Whether the target itself is replayed.</summary>
    public bool IsInclusive { get; }

    /// <summary>The timeline to follow; null takes the newest one in the archive (<c>latest</c>).</summary>
    public uint? Timeline { get; init; }

    internal DateTimeOffset? Moment { get; private init; }

    internal NpgsqlLogSequenceNumber? Position { get; private init; }

    internal uint? TransactionId { get; private init; }

    internal string? PointName { get; private init; }

    /// <summary>A moment: recovery stops before the first commit behind it.</summary>
    /// <param name="time">The moment; microseconds count.</param>
    /// <param name="inclusive">Whether a commit at exactly that moment is replayed.</param>
    /// <returns>The target.</returns>
    public static RecoveryTarget Time(DateTimeOffset time, bool inclusive = true) =>
        new("recovery_target_time", time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.ffffff'+00'", CultureInfo.InvariantCulture), inclusive) { Moment = time };

    /// <summary>A transaction: recovery stops at its end.</summary>
    /// <param name="xid">Its id, as <c>pg_current_xact_id()</c> returns it without its epoch.</param>
    /// <param name="inclusive">Whether the transaction is replayed.</param>
    /// <returns>The target.</returns>
    public static RecoveryTarget Xid(uint xid, bool inclusive = true) =>
        new("recovery_target_xid", xid.ToString(CultureInfo.InvariantCulture), inclusive) { TransactionId = xid };

    /// <summary>A WAL position.</summary>
    /// <param name="lsn">The position.</param>
    /// <param name="inclusive">Whether the record at it is replayed.</param>
    /// <returns>The target.</returns>
    public static RecoveryTarget Lsn(NpgsqlLogSequenceNumber lsn, bool inclusive = true) => new("recovery_target_lsn", lsn.ToString(), inclusive) { Position = lsn };

    /// <summary>A restore point (<c>pg_create_restore_point</c>).</summary>
    /// <param name="name">Its name, up to 63 bytes.</param>
    /// <returns>The target.</returns>
    public static RecoveryTarget Name(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return new RecoveryTarget("recovery_target_name", name, true) { PointName = name };
    }

    /// <summary>The target as it stands in messages.</summary>
    /// <returns>The text.</returns>
    public override string ToString() => Setting.Length == 0 ? "latest" : $"{Setting} = {Value}";

    /// <summary>Whether a backup lies before the target, so that recovery from it can reach it: what can be told without reading WAL.</summary>
    /// <returns>Why not; null when it does, or when only the WAL can tell.</returns>
    internal string? RefusalFor(BackupInfo backup)
    {
        // A timeline branches off from older ones only, which have smaller ids.
        if (Timeline is { } timeline && timeline < backup.Timeline)
            return $"the backup '{backup.Id}' is of timeline '{backup.Timeline}', which does not lead to timeline '{timeline}'";
        if (Moment is { } time && time < backup.Stopped)
            return $"the backup '{backup.Id}' is consistent from '{backup.Stopped.UtcDateTime:yyyy-MM-dd HH:mm:ss.ffffff}+00' on";
        return Position is { } lsn && lsn < backup.StopLsn ? $"the backup '{backup.Id}' is consistent from '{backup.StopLsn}' on" : null;
    }
}
