namespace OmniPg.Wal;

/// <summary>What a <see cref="WalMonitor"/> can look at. The names in kebab case are those of <c>omnipg-wal monitor --check</c>.</summary>
public enum WalCheck
{
    /// <summary><c>server</c>: whether it answers.</summary>
    Server,

    /// <summary><c>repository</c>: whether the archive is there, is this cluster's, and can be listed. Value: complete segments.</summary>
    Repository,

    /// <summary><c>archiver</c>: whether the server's last try to archive succeeded. Value: <c>failed_count</c> of <c>pg_stat_archiver</c>.</summary>
    Archiver,

    /// <summary><c>backlog</c>: files that wait to be archived (<c>*.ready</c>), or where the server does not archive itself, segments that have not been received.</summary>
    Backlog,

    /// <summary><c>backlog-age</c>: seconds that the oldest of them has waited; zero when none waits, so an idle cluster is never stale.</summary>
    BacklogAge,

    /// <summary><c>gaps</c>: segments that the archive should hold and that nobody will bring any more.</summary>
    Gaps,

    /// <summary>
    /// <c>rpo</c>: seconds of work that would be lost with the server now, from the last commit that the archive holds; zero when no transaction has ended since.
    /// </summary>
    Rpo,

    /// <summary><c>rpo-bytes</c>: bytes of WAL that would be lost with the server now.</summary>
    RpoBytes,

    /// <summary><c>slot-lag</c>: bytes of WAL that the receiver behind the slot has not confirmed.</summary>
    SlotLag,

    /// <summary><c>last-full-backup-age</c>: seconds since the end of the newest full base backup that has all its parts.</summary>
    LastFullBackupAge,
}

/// <summary>How a check ended; the numbers are the exit codes of monitoring plugins.</summary>
public enum WalCheckLevel
{
    /// <summary>All is well.</summary>
    Ok = 0,

    /// <summary>Somebody should have a look.</summary>
    Warning = 1,

    /// <summary>WAL is not safe, or soon will not be.</summary>
    Critical = 2,

    /// <summary>Nothing is known: never taken for well.</summary>
    Unknown = 3,
}

/// <summary>From where on a value is bad. A value above the limit is; one that equals it is not.</summary>
/// <param name="Warning">Limit of the level warning, in the unit of the check; null for none, in <see cref="WalMonitorOptions.Thresholds"/> for the usual one.</param>
/// <param name="Critical">Limit of the level critical; null likewise.</param>
public sealed record WalThreshold(double? Warning, double? Critical);

/// <summary>What one check found.</summary>
/// <param name="Check">Which check.</param>
/// <param name="Level">How it ended.</param>
/// <param name="Value">What was measured, in <see cref="Unit"/>; null when nothing could be.</param>
/// <param name="Text">One sentence about it.</param>
/// <param name="Hint">The next step; null when all is well.</param>
public sealed record WalCheckResult(WalCheck Check, WalCheckLevel Level, double? Value, string Text, string? Hint)
{
    /// <summary>Name of the check in kebab case, such as <c>rpo-bytes</c>.</summary>
    public string Name => NameOf(Check);

    /// <summary>Unit of the value: <c>s</c>, <c>B</c>, or empty for a number of things.</summary>
    public string Unit => Check switch
    {
        WalCheck.BacklogAge or WalCheck.Rpo or WalCheck.LastFullBackupAge => "s",
        WalCheck.RpoBytes or WalCheck.SlotLag => "B",
        _ => "",
    };

    /// <summary>The limits that the value was compared with; null where there are none.</summary>
    public WalThreshold? Threshold { get; init; }

    internal static string NameOf(WalCheck check) =>
        string.Concat(check.ToString().Select((c, i) => char.IsAsciiLetterUpper(c) ? (i > 0 ? "-" : "") + char.ToLowerInvariant(c) : c.ToString()));
}
