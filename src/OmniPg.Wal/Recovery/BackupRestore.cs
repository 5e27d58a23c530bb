using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Makes a data directory out of a base backup, set up to recover to a target when a server starts on it.</summary>
/// <remarks>
/// Every byte is compared by SHA-256 with what was read at the backup, and flushed, before <c>global/pg_control</c> gets its name: what a failed or killed
/// restore leaves is no cluster that a server would start. Run as the server's account, or as root: files get the owner that they had. Thread-safe.
/// </remarks>
public sealed class BackupRestore
{
    private const string VersionFile = "PG_VERSION";

    // A recovery to a target needs a command (validateRecoveryParameters of xlogrecovery.c). This one has no file, and then the server takes what lies in pg_wal.
    private const string NoArchive = "false";

    // What a restored cluster gets anew, or must not have: the server's own backup of a standby holds the file that makes it one.
    private static readonly string[] NotRestored = [ClusterFiles.MapFile, ClusterFiles.RecoverySignal, ClusterFiles.StandbySignal];

    private readonly IObjectStore _store;
    private readonly IObjectStore? _archive;
    private readonly BackupRestoreOptions _options;
    private readonly ILogger _log;
    private readonly ILoggerFactory? _loggers;
    private readonly WalCopier _copier;

    /// <summary>Makes restores out of a store; nothing is touched yet.</summary>
    /// <param name="store">The store with the backups. Not disposed.</param>
    /// <param name="options">What and how; null takes the defaults.</param>
    /// <param name="archive">The WAL archive that recovery is to read, so that a target to which no backup leads in it is refused before anything is written; null leaves that to the server. Not disposed.</param>
    /// <param name="loggerFactory">Where to log; nowhere when null.</param>
    /// <param name="timeProvider">Clock of the copy; that of the system when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options cannot work: all failures at once.</exception>
    public BackupRestore(IObjectStore store, BackupRestoreOptions? options = null, IObjectStore? archive = null, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        (_store, _archive) = (store, archive);
        _options = OptionsCheck.Require(options ?? new BackupRestoreOptions());
        _loggers = loggerFactory;
        _log = loggerFactory?.CreateLogger<BackupRestore>() ?? NullLogger<BackupRestore>.Instance;
        _copier = new WalCopier(timeProvider ?? TimeProvider.System);
    }

    /// <summary>Restores into a folder.</summary>
    /// <param name="directory">The folder: empty, or not there yet below one that is.</param>
    /// <param name="progress">Told after every buffer; null tells nobody.</param>
    /// <param name="cancellationToken">Cancels; what is there then is no cluster that a server would start.</param>
    /// <returns>The backup that was restored.</returns>
    /// <exception cref="WalBackupException">There is no such backup, it is damaged, the target cannot be reached, or the folder cannot take it.</exception>
    /// <exception cref="WalArchiveAbsentException">The store is not begun, or not mounted.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task<BackupInfo> RunAsync(string directory, IProgress<BackupProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        directory = Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory));
        var (backup, _) = await new BackupChoice(_store, _archive, _loggers).RunAsync(_options.BackupId, _options.Target, cancellationToken).ConfigureAwait(false);
        RequireWal(backup);
        var places = PlacesOf(backup, directory);
        var chain = await new BackupCatalog(_store, _loggers).ChainAsync(backup, cancellationToken).ConfigureAwait(false);
        try
        {
            foreach (var place in places)
                PrepareEmpty(place.Folder);
            // Before the first file: some of them hold secrets, and get their own mode when they are written.
            foreach (var place in places)
                Close(place.Folder);
            var manifest = Array.Empty<byte>();
            foreach (var member in chain)
                manifest = await ExtractAsync(member, places, progress, cancellationToken).ConfigureAwait(false);
            Finish(chain, directory, places, manifest);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw WalBackupException.Target(directory, refused.Message, "Make room, or run as an account that may write there; then restore into an empty folder.", refused);
        }

        BackupLog.Restored(_log, backup.Id, directory);
        return backup;
    }

    private bool IsImmediate => _options.Target.Setting == RecoveryTarget.Immediate.Setting;

    /// <summary>The <c>restore_command</c>; null where the server is to do without.</summary>
    private string? Command => _options.RestoreCommand ?? (IsImmediate ? NoArchive : null);

    private void RequireWal(BackupInfo backup)
    {
        if (_options.RestoreCommand is not null || _options.PrimaryConnectionInfo is not null)
            return;
        if (!backup.IncludesWal)
            throw BackupWal.Missing(backup.WalFrom, "is not part of it, and nothing says where to get it");
        // The end of the backup lies in the WAL that it brings along.
        if (_options.Target.Setting.Length > 0 && !IsImmediate)
            throw WalBackupException.Unreachable(_options.Target.ToString(), "without an archive a recovery ends where the WAL of the backup ends", "Name the archive.");
    }

    private List<(BackupPart Part, string Folder)> PlacesOf(BackupInfo backup, string directory)
    {
        var unknown = _options.TablespaceMap.Keys.FirstOrDefault(from => backup.Tablespaces.All(t => t.Location != from));
        if (unknown is not null)
            throw WalBackupException.Target(directory, $"the backup has no tablespace in '{unknown}'", $"It has: {string.Join(", ", backup.Tablespaces.Select(t => $"'{t.Location}'"))}.");
        List<(BackupPart Part, string Folder)> places = [.. backup.Parts.Select(part => (part, part.Tablespace == 0 ? directory : FolderOf(backup, part.Tablespace, directory)))];
        return places.CountBy(p => p.Folder).FirstOrDefault(f => f.Value > 1).Key is { } shared
            ? throw WalBackupException.Target(shared, "two tablespaces would share it", "Map each to a folder of its own.")
            : places;
    }

    private string FolderOf(BackupInfo backup, uint oid, string directory)
    {
        var location = backup.Tablespaces.First(t => t.Oid == oid).Location;
        var given = _options.TablespaceMap.GetValueOrDefault(location, location);
        if (!Path.IsPathFullyQualified(given))
            throw WalBackupException.Damaged(_store.Id, backup.Id, $"the folder '{given}' of its tablespace '{oid}' is no absolute path");
        var folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(given));
        // CREATE TABLESPACE warns of it, and a restored one would be backed up twice.
        return folder == directory || folder.StartsWith(directory + Path.DirectorySeparatorChar, StringComparison.Ordinal)
            ? throw WalBackupException.Target(folder, "a tablespace must not lie inside of the data directory", "Map it to a folder outside.")
            : folder;
    }

    private static void PrepareEmpty(string folder)
    {
        if (!Directory.Exists(folder))
        {
            // Its parents must be there: they may be a mount point whose storage is missing.
            var parent = Path.GetDirectoryName(folder);
            if (parent is null || !Directory.Exists(parent))
                throw WalBackupException.Target(folder, $"its folder '{parent}' does not exist", "Make the folder, or mount its storage.");
            if (OperatingSystem.IsWindows())
                Directory.CreateDirectory(folder);
            else
                Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        else if (Directory.EnumerateFileSystemEntries(folder).Any(e => Path.GetFileName(e) != TarExtractor.LostAndFound))
        {
            throw WalBackupException.Target(folder, "it is not empty", "Name an empty folder; map tablespaces whose folders are in use with '--map OLD:NEW'.");
        }
    }

    private static void Close(string folder)
    {
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <summary>Writes a backup into the folders; an incremental one over what it stands on.</summary>
    /// <returns>Its manifest.</returns>
    private async Task<byte[]> ExtractAsync(BackupInfo backup, List<(BackupPart Part, string Folder)> places, IProgress<BackupProgress>? progress, CancellationToken cancellationToken)
    {
        var manifest = Array.Empty<byte>();
        // A tablespace that was dropped since has no place.
        foreach (var part in backup.Parts.Where(p => places.Any(place => place.Part.Tablespace == p.Tablespace)))
        {
            var folder = places.First(place => place.Part.Tablespace == part.Tablespace).Folder;
            manifest = await ExtractAsync(backup, part, folder, progress, cancellationToken).ConfigureAwait(false) ?? manifest;
        }

        return manifest;
    }

    /// <returns>The manifest, when the part holds it.</returns>
    private async Task<byte[]?> ExtractAsync(BackupInfo backup, BackupPart part, string folder, IProgress<BackupProgress>? progress, CancellationToken cancellationToken)
    {
        var extractor = new TarExtractor(folder, backup.IncrementOf is not null, [BackupManifest.FileName, .. NotRestored]);
        try
        {
            var outcome = await ReadAsync(backup, part, extractor, folder, progress, cancellationToken).ConfigureAwait(false);
            if (outcome.Targets[0].Error is { } error)
                ExceptionDispatchInfo.Throw(error);
            if (backup.IncrementOf is not null)
                extractor.RemoveOthers();
        }
        catch (Exception damage) when (damage is CorruptCompressedDataException or InvalidDataException)
        {
            throw WalBackupException.Damaged(_store.Id, backup.Id, $"'{part.Key}': {damage.Message}", damage);
        }

        return extractor.Kept(BackupManifest.FileName);
    }

    /// <summary>Reads a part through the extractor, whose own failures stand in the outcome.</summary>
    private async Task<CopyOutcome> ReadAsync(
        BackupInfo backup, BackupPart part, TarExtractor extractor, string folder, IProgress<BackupProgress>? progress, CancellationToken cancellationToken)
    {
        var name = part.Tablespace == 0 ? "base.tar" : $"{part.Tablespace}.tar";
        try
        {
            var content = await WalContent.OpenReadAsync(_store, part.Key, cancellationToken).ConfigureAwait(false)
                ?? throw WalBackupException.Damaged(_store.Id, backup.Id, $"'{part.Key}' is missing");
            await using var closing = content.ConfigureAwait(false);
            var request = new CopyRequest
            {
                Source = new StreamCopySource(content),
                Targets = [new CopyTarget { Sink = extractor, Key = part.Key, Codec = Codec.None, Id = folder }],
                NeedsHashes = false,
                NeedsSha256 = true,
                BeforePublish = (found, _) => found.StoredSha256 == part.Sha256 && found.RawBytes == part.RawBytes
                    ? Task.CompletedTask
                    : throw WalBackupException.Damaged(_store.Id, backup.Id, $"'{part.Key}' has the SHA-256 '{found.StoredSha256}' instead of '{part.Sha256}'"),
                OnRead = bytes => progress?.Report(new BackupProgress(name, bytes)),
            };
            return await _copier.CopyAsync(request, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception broken) when (broken is IOException or UnauthorizedAccessException)
        {
            // Of the store, not of the folder.
            throw WalBackupException.Unread(_store.Id, backup.Id, part.Key, broken);
        }
    }

    private void Finish(IReadOnlyList<BackupInfo> chain, string directory, List<(BackupPart Part, string Folder)> places, byte[] manifest)
    {
        var backup = chain[^1];
        foreach (var (part, folder) in places.Where(p => p.Part.Tablespace != 0))
        {
            // The links are made here, and so the server must not make them anew from the map, which tells the old folders.
            var link = Path.Combine(directory, ClusterFiles.TablespaceFolder, part.Tablespace.ToString(CultureInfo.InvariantCulture));
            Directory.CreateSymbolicLink(link, folder);
            Own(link, directory);
        }

        if (chain.Count > 1)
            manifest = Combine(chain, directory, manifest);
        var auto = Path.Combine(directory, RecoverySettings.File);
        Write(auto, directory, Encoding.UTF8.GetBytes(RecoverySettings.Rewrite(File.Exists(auto) ? File.ReadAllText(auto) : "", backup, _options, Command)));
        Write(Path.Combine(directory, BackupManifest.FileName), directory, BackupManifest.Without(manifest, NotRestored));
        // Without a command the server ends its recovery where the WAL of the backup ends, and refuses a signal file.
        if (_options.Standby || Command is not null)
            Write(Path.Combine(directory, _options.Standby ? ClusterFiles.StandbySignal : ClusterFiles.RecoverySignal), directory, []);
        foreach (var folder in places.Select(p => p.Folder))
        {
            Admit(folder, directory);
            Flush(folder);
        }

        var control = Path.Combine(directory, PgControlFile.RelativePath);
        if (!File.Exists(control + TarExtractor.HeldBack))
            throw WalBackupException.Damaged(_store.Id, backup.Id, $"it holds no '{PgControlFile.RelativePath}'");
        DurableFile.Replace(control + TarExtractor.HeldBack, control);
    }

    /// <summary>Makes the label that of a whole backup, and the manifest that of the files as they were put together.</summary>
    private byte[] Combine(IReadOnlyList<BackupInfo> chain, string directory, byte[] manifest)
    {
        var backup = chain[^1];
        var path = Path.Combine(directory, ClusterFiles.LabelFile);
        var text = File.Exists(path) ? File.ReadAllText(path) : throw WalBackupException.Damaged(_store.Id, backup.Id, $"it holds no '{ClusterFiles.LabelFile}'");
        if (BackupLabel.Parse(text).IncrementalFromLsn is var from && from != chain[^2].StartLsn)
            throw WalBackupException.Damaged(_store.Id, backup.Id, $"its '{ClusterFiles.LabelFile}' says that it goes on from '{from}', and backup '{chain[^2].Id}' starts at '{chain[^2].StartLsn}'");
        // With them no server starts on it (read_backup_label of xlogrecovery.c).
        string[] marks = [BackupLabel.IncrementalLsn, BackupLabel.IncrementalTimeline];
        Write(path, directory, Encoding.UTF8.GetBytes(string.Join('\n', text.Split('\n').Where(line => !marks.Any(m => line.StartsWith(m, StringComparison.Ordinal))))));
        return BackupManifest.Restored(manifest, entry =>
            FileIncrement.FileOf(entry) is { } whole ? (whole, Path.Combine(directory, whole)) : entry == ClusterFiles.LabelFile ? (entry, path) : null);
    }

    private static void Write(string path, string directory, byte[] content)
    {
        File.WriteAllBytes(path, content);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Own(path, directory);
    }

    // To whom the cluster's version file belongs.
    private static void Own(string path, string directory)
    {
        if (OperatingSystem.IsWindows() || Posix.EffectiveUser() != 0)
            return;
        var (user, group) = FileStat.OwnerOf(Path.Combine(directory, VersionFile));
        Posix.ChangeOwner(path, user, group);
    }

    // The server refuses a data directory that others may look into (checkDataDir, miscinit.c).
    private static void Admit(string folder, string directory)
    {
        if (OperatingSystem.IsWindows())
            return;
        const UnixFileMode own = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        var isForGroup = File.GetUnixFileMode(Path.Combine(directory, VersionFile)).HasFlag(UnixFileMode.GroupRead);
        File.SetUnixFileMode(folder, isForGroup ? own | UnixFileMode.GroupRead | UnixFileMode.GroupExecute : own);
        Own(folder, directory);
    }

    private static void Flush(string folder)
    {
        if (OperatingSystem.IsLinux())
        {
            Posix.FlushFileSystem(folder);
            return;
        }

        foreach (var path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
            DurableFile.FlushToDisk(file);
        }

        foreach (var path in Directory.EnumerateDirectories(folder, "*", SearchOption.AllDirectories).Append(folder))
            DurableFile.FlushDirectory(path);
    }
}
