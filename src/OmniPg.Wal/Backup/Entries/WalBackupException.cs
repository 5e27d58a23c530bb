namespace OmniPg.Wal;

/// <summary>A base backup could not be made, found, restored or removed. What is not finished is never listed as a backup.</summary>
/// <remarks>Codes <c>wal.backup.…</c>; docs/backup.md tells each.</remarks>
public sealed class WalBackupException : WalException
{
    internal const string IncrementCode = "wal.backup.increment";
    internal const string UnreadCode = "wal.backup.unread";

    internal WalBackupException(string code, string message, string? hint = null, Exception? inner = null)
        : base(code, message, hint, inner)
    {
    }

    /// <summary>Id of the backup concerned; null while it has none.</summary>
    public string? BackupId { get; init; }

    /// <summary>Whether the storage was only away: code <c>wal.backup.unread</c>.</summary>
    public override bool IsTransient => Code == UnreadCode;

    internal static WalBackupException Unknown(string store, string id) => new(
        "wal.backup.unknown", $"There is no backup '{id}' in '{store}'.", "List what is there with 'omnipg-wal backups'.")
    { BackupId = id, Destination = store };

    internal static WalBackupException Foreign(string store, ForeignBackup backup) => new(
        "wal.backup.foreign", $"The backup '{backup.Id}' in '{store}' is one of {backup.Tool}, whose files this package does not read.",
        $"Restore it with {backup.Tool}, and let the restored server fetch its WAL with 'omnipg-wal restore --source'; or make a base backup with 'omnipg-wal backup'.")
    { BackupId = backup.Id, Destination = store };

    internal static WalBackupException Damaged(string store, string id, string what, Exception? inner = null) => new(
        "wal.backup.damaged", $"The backup '{id}' in '{store}' is damaged: {what}.", "Restore another backup, and find out what the storage did.", inner)
    { BackupId = id, Destination = store };

    internal static WalBackupException Unread(string store, string id, string key, Exception inner) => new(
        UnreadCode, $"The backup '{id}' in '{store}' could not be read: '{key}': {inner.Message}", "Bring the storage back and begin again; the backup may well be whole.", inner)
    { BackupId = id, Destination = store };

    internal static WalBackupException Kept(string store, string id, string why, string hint) =>
        new("wal.backup.kept", $"The backup '{id}' in '{store}' {why}; nothing was removed.", hint) { BackupId = id, Destination = store };

    internal static WalBackupException Underway(string store, string id, string what) => new(
        "wal.backup.underway", $"The backup '{id}' in '{store}' {what}: a removal is at work there, or was killed less than a quarter of an hour ago.",
        "Try again later; after a quarter of an hour what a killed removal has left is ended or taken back by the next 'backup-cleanup', 'backups delete' or 'backup'.")
    { BackupId = id, Destination = store };

    internal static WalBackupException Increment(string prior, string why, string hint) =>
        new(IncrementCode, $"An incremental backup on '{prior}' cannot be made: {why}.", hint) { BackupId = prior };

    internal static WalBackupException Target(string path, string what, string hint, Exception? inner = null) =>
        new("wal.backup.target", $"'{path}' cannot take a restored cluster: {what}.", hint, inner);

    internal static WalBackupException Unreachable(string target, string reason, string hint) =>
        new("wal.backup.unreachable", $"The recovery target '{target}' cannot be reached: {reason}.", hint);
}
