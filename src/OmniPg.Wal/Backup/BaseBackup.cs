using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Makes base backups: a copy of the files of a running server from which, with its WAL, every later moment can be restored. The original's <c>omnipitr-backup-master</c>.</summary>
/// <remarks>
/// Runs on the server's machine as an account that may read its files, beside a session with EXECUTE on <c>pg_backup_start</c> and <c>pg_backup_stop</c>. Reads
/// each file once: manifest, SHA-256, codec and store work side by side. A backup counts when its last object, <c>ID/backup.json</c>, is written: before that, all
/// parts are durable and the WAL without which it is worth nothing is proven to be there. Thread-safe; each call is a backup.
/// </remarks>
public sealed class BaseBackup
{
    private readonly NpgsqlDataSource _server;
    private readonly IObjectStore _store;
    private readonly IObjectStore? _archive;
    private readonly BaseBackupOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly WalCopier _copier;

    /// <summary>Makes backups of one server; nothing is touched yet.</summary>
    /// <param name="server">The server, directly and not through a transaction pooler: one session lasts as long as the backup. Not disposed.</param>
    /// <param name="store">Where backups go; begun with <c>omnipg-wal init</c>, or the WAL archive of the cluster itself. Not disposed.</param>
    /// <param name="archive">The WAL archive of the cluster; null puts the WAL that the backup needs into the backup. Not disposed.</param>
    /// <param name="options">How; null takes the defaults.</param>
    /// <param name="loggerFactory">Where to log; nowhere when null.</param>
    /// <param name="timeProvider">Clock of waits and pauses; that of the system when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options cannot work: all failures at once.</exception>
    public BaseBackup(
        NpgsqlDataSource server, IObjectStore store, IObjectStore? archive = null, BaseBackupOptions? options = null, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(server);
        ArgumentNullException.ThrowIfNull(store);
        (_server, _store, _archive) = (server, store, archive);
        _options = OptionsCheck.Require(options ?? new BaseBackupOptions());
        _time = timeProvider ?? TimeProvider.System;
        _log = loggerFactory?.CreateLogger<BaseBackup>() ?? NullLogger<BaseBackup>.Instance;
        _copier = new WalCopier(_time);
    }

    /// <summary>Makes one backup and returns when it is durable and complete.</summary>
    /// <param name="progress">Told after every buffer read; null tells nobody.</param>
    /// <param name="cancellationToken">Cancels; the server gives the backup up and nothing of it is left.</param>
    /// <returns>The backup, and what happened to files that changed while they were read.</returns>
    /// <exception cref="WalBackupException">The server refused, its session ended, or the WAL of the backup did not arrive: nothing counts as a backup then. Or what it needs was removed at the moment of its publication: then it is removed, too.</exception>
    /// <exception cref="WalArchiveAbsentException">The store, or the archive, is not begun or not mounted.</exception>
    /// <exception cref="WalArchiveMismatchException">The store, or the archive, is another cluster's.</exception>
    /// <exception cref="WalInputException">A file of the data directory cannot be read.</exception>
    /// <exception cref="WalDestinationException">The store did not take an object. When that was the entry and the store cannot be asked whether it has it, the parts stay.</exception>
    /// <exception cref="WalEncryptionException">The archive is encrypted, and its key was not given.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task<BaseBackupResult> RunAsync(IProgress<BackupProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        var session = await BackupSession.OpenAsync(_server, _time, cancellationToken).ConfigureAwait(false);
        await using var closing = session.ConfigureAwait(false);
        using var work = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, session.Lost);
        var run = new BackupRun(session, _store, _archive, _options, _copier, _time, _log, progress);
        try
        {
            var result = await run.RunAsync(work.Token).ConfigureAwait(false);
            BackupLog.Made(_log, result.Backup.Id, result.Backup.RawBytes, result.Backup.StoredBytes, result.Files);
            return result;
        }
        catch (Exception failure)
        {
            await RemoveAsync(run.Keys).ConfigureAwait(false);
            if (failure is OperationCanceledException && session.Lost.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
                throw BackupSession.LostDuring(failure);
            throw;
        }
        finally
        {
            run.TellPages();
        }
    }

    // Invisible without its last object; what cannot be removed now is swept when it is old.
    private async Task RemoveAsync(IEnumerable<string> keys)
    {
        foreach (var key in keys)
        {
            try
            {
                await _store.DeleteAsync(key, CancellationToken.None).ConfigureAwait(false);
            }
            catch (Exception refused)
            {
                BackupLog.LeftBehind(_log, key, refused.Message);
            }
        }
    }
}

/// <summary>How far a backup or a restore has come.</summary>
/// <param name="Part">The tar file under way, such as <c>base.tar</c>.</param>
/// <param name="RawBytes">Uncompressed bytes of it so far.</param>
public readonly record struct BackupProgress(string Part, long RawBytes);

/// <summary>What a backup brought.</summary>
/// <param name="Backup">The backup, as <see cref="BackupCatalog"/> lists it.</param>
/// <param name="Files">Files in it.</param>
/// <param name="Vanished">Files that the server removed before their turn came.</param>
/// <param name="Shortened">Files that the server shortened while they were read; zeros stand for what was gone. The WAL brings both right.</param>
public sealed record BaseBackupResult(BackupInfo Backup, long Files, long Vanished, long Shortened)
{
    /// <summary>
    /// The first 1000 pages of the server that do not have the checksum that they should, in the order in which they were read; they are in the backup as they are on the server's disk, and older backups may have them
    /// whole. Of an incremental backup only the blocks that it holds are looked at. Null when none were: the cluster has no data checksums or no blocks of 8 KiB, or <see cref="BaseBackupOptions.VerifyPages"/> is off.
    /// </summary>
    public IReadOnlyList<DamagedPage>? DamagedPages { get; init; }

    /// <summary>How many such pages there are.</summary>
    public long DamagedPageCount { get; init; }

    /// <summary>The first 1000 files that hold such pages; null where none were looked at.</summary>
    public IReadOnlyList<DamagedFile>? DamagedFiles { get; init; }

    /// <summary>How many such files there are.</summary>
    public long DamagedFileCount { get; init; }
}
