using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>How a restore drill works.</summary>
public sealed class RestoreDrillOptions : ICheckedOptions
{
    /// <summary>Id of the backup; null takes the newest valid one from which <see cref="Target"/> is reached.</summary>
    /// <value>Default null.</value>
    public string? BackupId { get; set; }

    /// <summary>Where recovery is to end.</summary>
    /// <value>Default <see cref="RecoveryTarget.Latest"/>: the end of the archived WAL.</value>
    public RecoveryTarget Target { get; set; } = RecoveryTarget.Latest;

    /// <summary>The <c>restore_command</c> of the copy, <c>%f</c> and <c>%p</c> in it. Runs under the account of the copy's server, with this process's environment.</summary>
    /// <value>Default null, which only a backup with its WAL survives.</value>
    public string? RestoreCommand { get; set; }

    /// <summary>Folder with the server's programs, of the backup's major version.</summary>
    /// <value>Default null: looked for in the usual places of the system and in <c>PATH</c>.</value>
    public string? BinDirectory { get; set; }

    /// <summary>
    /// Folder below which each drill makes its own, removes it at its end, and removes those that killed drills have left. It must exist, have room for the
    /// cluster, and have a path short enough for a socket (about 70 bytes).
    /// </summary>
    /// <value>Default: the system's folder for temporary files.</value>
    public string ScratchDirectory { get; set; } = Path.GetTempPath();

    /// <summary>Whether the copy is left in its folder, its server stopped; nobody removes it then.</summary>
    /// <value>Default false.</value>
    public bool Keep { get; set; }

    /// <summary>What is done to the copy. A check that the server lacks the extension for is left out, unless <see cref="RequireAmcheck"/> is set.</summary>
    /// <value>Default: everything.</value>
    public RestoreDrillChecks Checks { get; set; } = RestoreDrillChecks.Rows | RestoreDrillChecks.Amcheck;

    /// <summary>Whether a server without the extension <c>amcheck</c> (package <c>postgresql-contrib</c> of some systems) is a finding.</summary>
    /// <value>Default false.</value>
    public bool RequireAmcheck { get; set; }

    /// <summary>Files of SQL that must return no row; each runs in a read-only transaction in <see cref="Database"/>.</summary>
    /// <value>Default empty.</value>
    public IReadOnlyList<string> SqlFiles { get; set; } = [];

    /// <summary>Database of <see cref="SqlFiles"/>.</summary>
    /// <value>Default <c>postgres</c>.</value>
    public string Database { get; set; } = "postgres";

    /// <summary>A superuser of the cluster.</summary>
    /// <value>Default <c>postgres</c>.</value>
    public string User { get; set; } = "postgres";

    /// <summary>Settings of the copy's server on top of the defaults, such as <c>shared_buffers</c>. The copy does not read the cluster's <c>postgresql.conf</c>.</summary>
    /// <value>Default empty. What the drill sets itself to keep the copy harmless cannot be set, but for <c>shared_preload_libraries</c>: a library whose WAL records the server cannot replay without it.</value>
    public IReadOnlyDictionary<string, string> Settings { get; set; } = new Dictionary<string, string>();

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.That(Target is not null, "Target must not be null.");
        check.Path(BinDirectory);
        check.NotEmpty(ScratchDirectory);
        check.NotEmpty(Database);
        check.NotEmpty(User);
        check.That((Checks & ~(RestoreDrillChecks.Rows | RestoreDrillChecks.Amcheck)) == 0, $"Checks '{Checks}' must be made of 'Rows' and 'Amcheck'.");
        check.That(SqlFiles is not null && SqlFiles.All(f => !string.IsNullOrWhiteSpace(f)), "SqlFiles must hold paths.");
        foreach (var name in (Settings ?? new Dictionary<string, string>()).Keys)
            check.That(!DrillServer.IsFixed(name), $"Settings '{name}' is the drill's own: it keeps the copy harmless, and cannot be set.");
    }
}

/// <summary>What a restore drill does to the copy besides replaying its WAL.</summary>
[Flags]
public enum RestoreDrillChecks
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Reads and counts the rows of every table and materialized view.</summary>
    Rows = 1,

    /// <summary><c>bt_index_check</c> on every B-tree, and since PostgreSQL 14 <c>verify_heapam</c> on every table.</summary>
    Amcheck = 2,
}
