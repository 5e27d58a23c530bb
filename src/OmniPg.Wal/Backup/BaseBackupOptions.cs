using System.Security.Cryptography;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>How a base backup is made.</summary>
public sealed class BaseBackupOptions : ICheckedOptions
{
    /// <summary>Names the newest valid backup as <see cref="IncrementOf"/>.</summary>
    public const string Latest = "latest";

    private const int LongestLabel = 1024;

    /// <summary>Who reads the server's data. <see cref="BackupMethod.PgBaseBackup"/> needs neither the server's machine nor rights on its files; it takes no <see cref="DataDirectory"/>, <see cref="Exclude"/> or <see cref="IncrementOf"/>.</summary>
    /// <value>Default <see cref="BackupMethod.Files"/>.</value>
    public BackupMethod Method { get; set; }

    /// <summary>Whether the server has to be a standby, so that no backup burdens a primary after a switchover; otherwise either will do. What OmniPITR had <c>omnipitr-backup-slave</c> for.</summary>
    /// <value>Default false.</value>
    public bool RequireStandby { get; set; }

    /// <summary>The folder with <c>pg_basebackup</c> of the server's major version or a later one; null looks in the usual places and in <c>PATH</c>. For <see cref="BackupMethod.PgBaseBackup"/> alone.</summary>
    /// <value>Default null.</value>
    public string? BinDirectory { get; set; }

    /// <summary>
    /// A folder with room for the whole cluster, uncompressed, where the tar files lie until they are stored; one backup at a time uses it. For <see cref="BackupMethod.PgBaseBackup"/> of a cluster with tablespaces,
    /// of which it writes no tar files into a pipe; one without passes through a pipe and needs no room.
    /// </summary>
    /// <value>Default null: a cluster with tablespaces is refused.</value>
    public string? StagingDirectory { get; set; }

    /// <summary>The role's password for <c>pg_basebackup</c>, handed over in its environment; null leaves it to <c>PGPASSWORD</c> and the password file, because a data source does not tell the one it has.</summary>
    /// <value>Default null.</value>
    public string? Password { get; set; }

    /// <summary>The server's data directory on this machine; null asks the server, which needs <c>pg_read_all_settings</c>.</summary>
    /// <value>Default null.</value>
    public string? DataDirectory { get; set; }

    /// <summary>Label of the backup in <c>backup_label</c> and in the list of backups.</summary>
    /// <value>Default <c>omnipg</c>; at most 1024 bytes, as the server allows.</value>
    public string Label { get; set; } = "omnipg";

    /// <summary>Whether the checkpoint at the start is made at once; otherwise it is spread as <c>checkpoint_completion_target</c> says, for minutes.</summary>
    /// <value>Default true.</value>
    public bool FastCheckpoint { get; set; } = true;

    /// <summary>Name of the codec of the tar files.</summary>
    /// <value>Default <c>zstd</c>.</value>
    public string Codec { get; set; } = "zstd";

    /// <summary>Level of the codec; null takes its default.</summary>
    /// <value>Default null.</value>
    public int? Level { get; set; }

    /// <summary>How long the WAL of the backup may take to arrive in the archive, once the data is read. On an idle standby it waits for the next segment of the primary.</summary>
    /// <value>Default one hour, as in OmniPITR.</value>
    public TimeSpan WalTimeout { get; set; } = TimeSpan.FromHours(1);

    /// <summary>
    /// Files and folders that are left out, by their paths in the data directory, <c>*</c> and <c>?</c> standing for anything: <c>core.*</c>, <c>old/*</c>. What the server has made, and what it cannot start without, stays
    /// whatever a pattern says.
    /// </summary>
    /// <value>Default none.</value>
    public IReadOnlyList<string> Exclude { get; set; } = [];

    /// <summary>
    /// Whether the pages of a cluster with data checksums are compared with them while they are read. One that is wrong goes into the backup as it is, because nothing better is to be had, and is told
    /// (<see cref="BaseBackupResult.DamagedPages"/>). What <c>pg_basebackup</c> does without <c>--no-verify-checksums</c>.
    /// </summary>
    /// <value>Default true.</value>
    public bool VerifyPages { get; set; } = true;

    /// <summary>The most bytes per second that are read of the server's files, before compression; null reads as fast as it goes.</summary>
    /// <value>Default null; at least 32768.</value>
    public long? MaxRate { get; set; }

    /// <summary>Digests of the objects of the backup as they are stored, written beside them as <c>MD5SUMS</c>, <c>SHA256SUMS</c> and so on, which <c>sha256sum -c</c> reads in the backup's folder. OmniPITR's <c>--digest</c>.</summary>
    /// <value>Default none; MD5, SHA-1, SHA-256, SHA-384, SHA-512.</value>
    public IReadOnlyList<HashAlgorithmName> Digests { get; set; } = [];

    /// <summary>
    /// Whether an object <c>meta</c> lies beside the parts with the lines of OmniPITR's meta file (<c>Min-Xlog</c>, <c>Started-epoch</c>, <c>Timezone</c>, <c>Hostname</c>), for programs that read those, and
    /// <c>Stop-Xlog</c>, <c>System-Identifier</c>, <c>Pg-Version</c> and <c>Format: omnipg-1</c> behind them. In plain, also of an encrypted backup.
    /// </summary>
    /// <value>Default false.</value>
    public bool MetaFile { get; set; }

    /// <summary>
    /// Id of the backup in the store, or <see cref="Latest"/>, of which only the changes are backed up; null makes a full backup. Needs PostgreSQL 17 or later with <c>summarize_wal</c>
    /// on since that backup, and the same timeline. The manual's section "Incremental Backup" (<c>pg_basebackup --incremental</c>).
    /// </summary>
    /// <value>Default null.</value>
    public string? IncrementOf { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.Path(DataDirectory);
        check.That(System.Text.Encoding.UTF8.GetByteCount(Label ?? "") is > 0 and <= LongestLabel && !Label!.AsSpan().ContainsAny('\n', '\r', '\0'), $"Label '{Label}' must be one line of 1 to {LongestLabel} bytes.");
        try
        {
            OmniPg.Codec.Parse(Codec).CheckLevel(Level);
        }
        catch (ArgumentException unusable)
        {
            check.Fail($"Codec '{Codec}' with level '{Level}': {ArgumentText.Of(unusable)}");
        }

        check.Positive(WalTimeout);
        foreach (var pattern in Exclude)
            check.That(pattern is { Length: > 0 } && pattern[0] != '/' && !ClusterFiles.IsServers(pattern), $"Exclude '{pattern}' must be a path below the data directory, and none of the server's own files.");
        foreach (var digest in Digests)
            check.That(BackupDigests.Known.Contains(digest), $"Digest '{digest.Name}' must be one of {string.Join(", ", BackupDigests.Known)}.");
        check.That(Digests.Distinct().Count() == Digests.Count, "No digest can be asked for twice.");
        check.That(IncrementOf is null or Latest || BackupInfo.IsId(IncrementOf), $"IncrementOf '{IncrementOf}' must be the id of a backup, or '{Latest}'.");
        check.AtLeast(MaxRate, RateLimit.Least);
        CheckMethod(check);
    }

    private void CheckMethod(OptionsCheck check)
    {
        check.Path(BinDirectory);
        check.Path(StagingDirectory);
        check.Defined<BackupMethod>(Method);
        var isProgram = Method == BackupMethod.PgBaseBackup;
        check.That(isProgram || (BinDirectory, StagingDirectory, Password) is (null, null, null), "BinDirectory, StagingDirectory and Password are for the method PgBaseBackup.");
        check.That(!isProgram || DataDirectory is null, "DataDirectory is for the method Files: the server itself reads its files.");
        check.That(!isProgram || Exclude.Count == 0, "Exclude is for the method Files: the server itself says what belongs into a backup.");
        check.That(!isProgram || IncrementOf is null, "IncrementOf is for the method Files.");
    }
}

/// <summary>Who reads the data of a base backup.</summary>
public enum BackupMethod
{
    /// <summary>This process, on the server's machine, between <c>pg_backup_start</c> and <c>pg_backup_stop</c>.</summary>
    Files = 0,

    /// <summary>The server, for <c>pg_basebackup</c> on this machine, over a replication connection: the role needs the attribute REPLICATION.</summary>
    PgBaseBackup = 1,
}
