using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>How a base backup becomes a data directory.</summary>
public sealed class BackupRestoreOptions : ICheckedOptions
{
    /// <summary>Id of the backup; null takes the newest complete one that lies before <see cref="Target"/>.</summary>
    /// <value>Default null.</value>
    public string? BackupId { get; set; }

    /// <summary>Where recovery is to end.</summary>
    /// <value>Default <see cref="RecoveryTarget.Latest"/>.</value>
    public RecoveryTarget Target { get; set; } = RecoveryTarget.Latest;

    /// <summary>What the server does at the target: <c>pause</c>, <c>promote</c> or <c>shutdown</c>.</summary>
    /// <value>Default <c>pause</c>, as the server's own. A copy that is <see cref="Harmless"/> is promoted instead: it lets nobody in before.</value>
    public string TargetAction { get; set; } = "pause";

    /// <summary>The <c>restore_command</c> of the restored server, <c>%f</c> and <c>%p</c> in it; null leaves the setting alone, which only a backup with its WAL survives.</summary>
    /// <value>Default null.</value>
    public string? RestoreCommand { get; set; }

    /// <summary>Whether the server becomes a standby (<c>standby.signal</c>) instead of ending its recovery.</summary>
    /// <value>Default false.</value>
    public bool Standby { get; set; }

    /// <summary><c>primary_conninfo</c> of a standby; null leaves it without a primary to stream from.</summary>
    /// <value>Default null.</value>
    public string? PrimaryConnectionInfo { get; set; }

    /// <summary>Folders for tablespaces, from the one that they had to the one that they get; tablespaces without an entry keep theirs.</summary>
    /// <value>Default empty.</value>
    public IReadOnlyDictionary<string, string> TablespaceMap { get; set; } = new Dictionary<string, string>();

    /// <summary>
    /// Whether the server is kept from reaching out: no archiving, no <c>primary_conninfo</c>, no subscriptions, no preloaded libraries, no listening on
    /// the network, no walsenders. For copies that are looked at and thrown away.
    /// </summary>
    /// <value>Default false.</value>
    public bool Harmless { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.That(Target is not null, "Target must not be null.");
        check.That(TargetAction is "pause" or "promote" or "shutdown", $"TargetAction '{TargetAction}' must be one of 'pause', 'promote', 'shutdown'.");
        check.That(PrimaryConnectionInfo is null || (Standby && !Harmless), "PrimaryConnectionInfo is for a standby, and not for a harmless copy.");
        check.That(!Standby || Target is null || Target.Setting.Length == 0, "A standby has no recovery target.");
        foreach (var (from, to) in TablespaceMap ?? new Dictionary<string, string>())
            check.That(Path.IsPathFullyQualified(from) && Path.IsPathFullyQualified(to), $"TablespaceMap '{from}' to '{to}' must be two absolute paths.");
    }
}
