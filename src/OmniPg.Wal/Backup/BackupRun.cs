using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Text;
using NpgsqlTypes;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>One base backup: start, tablespaces, data directory, control file, stop, label, WAL, catalogue; in this order, each durable before the next.</summary>
internal sealed class BackupRun(
    BackupSession session, IObjectStore store, IObjectStore? archive, BaseBackupOptions options, WalCopier copier, TimeProvider time, IProgress<BackupProgress>? progress)
{
    private readonly List<BackupPart> _stored = [];
    private readonly BackupManifest _manifest = new();
    private readonly Codec _codec = Codec.Parse(options.Codec);
    private string _id = "";
    private string _data = "";
    private ServerFacts _facts = null!;
    private PgControlFile _control = null!;
    private NpgsqlLogSequenceNumber _start;
    private BackupEnd? _end;
    private bool _isPublishing;
    private long _vanished;
    private long _shortened;

    /// <summary>The objects written so far. What makes them a backup comes first: a disk that fails behind its publication leaves it visible.</summary>
    public IEnumerable<string> Keys => (_isPublishing ? [$"{_id}/{BackupInfo.FileName}"] : Array.Empty<string>()).Concat(_stored.Select(p => p.Key));

    public async Task<BaseBackupResult> RunAsync(CancellationToken cancellationToken)
    {
        var presence = await ArchivePresence.BeginAsync(store, cancellationToken).ConfigureAwait(false);
        await LookAsync(cancellationToken).ConfigureAwait(false);
        await RequireOwnAsync(store, cancellationToken).ConfigureAwait(false);
        if (archive is not null)
        {
            await RequireOwnAsync(archive, cancellationToken).ConfigureAwait(false);
            // What follows will be encrypted too; better said now than behind the data.
            if (WalFileName.TryParse(_facts.LastArchived, out var last))
                await EncryptedNames.RequireNoneAsync(archive, last, cancellationToken).ConfigureAwait(false);
        }

        await new BackupSweep(store, time).RunAsync(cancellationToken).ConfigureAwait(false);

        _start = await session.StartAsync(options.Label, options.FastCheckpoint, cancellationToken).ConfigureAwait(false);
        var files = new DataFiles(_data, _facts.StatisticsFolder);
        var tablespaces = files.Tablespaces();
        foreach (var tablespace in tablespaces)
            await StoreAsync($"{tablespace.Oid}.tar", tablespace.Oid, Listed(files.OfTablespace(tablespace, session.PgVersion)), cancellationToken).ConfigureAwait(false);
        await StoreAsync("base.tar", 0, BaseAsync(files, cancellationToken), cancellationToken).ConfigureAwait(false);

        if (archive is not null)
            await Wal().ArriveAsync(archive, options.WalTimeout, time, cancellationToken).ConfigureAwait(false);
        var info = Describe(tablespaces);
        await RequireStoredAsync(cancellationToken).ConfigureAwait(false);
        await presence.RequireSamePlaceAsync(cancellationToken).ConfigureAwait(false);
        _isPublishing = true;
        if (await BackupCatalog.WriteAsync(store, $"{_id}/{BackupInfo.FileName}", info.ToJson(), cancellationToken).ConfigureAwait(false) == ObjectCommitResult.AlreadyExists)
        {
            // It is somebody else's, and stays.
            _isPublishing = false;
            throw Taken($"{_id}/{BackupInfo.FileName}");
        }

        return new BaseBackupResult(info, _manifest.Files, _vanished, _shortened);
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        _facts = await session.AskAsync(cancellationToken).ConfigureAwait(false);
        if (_facts.IsStandby && archive is null)
            throw new WalBackupException("wal.backup.server", "A backup from a standby needs the WAL archive of its cluster: the last segment is still being received.", "Name the archive.");
        _data = options.DataDirectory ?? _facts.DataDirectory
            ?? throw new WalBackupException("wal.backup.privilege", "The server does not tell this role its data directory.", "Name the directory, or GRANT pg_read_all_settings TO the role.");
        _control = await PgControlFile.ReadAsync(_data, time, cancellationToken).ConfigureAwait(false);
        _id = BackupInfo.IdAt(_facts.Now);
        RequireSameServer();
    }

    // A standby on the same machine has the same identifier; the port tells them apart, and so does the state.
    private void RequireSameServer()
    {
        var pid = Path.Combine(_data, "postmaster.pid");
        var port = File.Exists(pid) ? File.ReadLines(pid).ElementAtOrDefault(3) : null;
        var isStandby = _control.State == PgClusterState.InArchiveRecovery;
        if (_control.SystemIdentifier != _facts.SystemIdentifier || port != $"{_facts.Port}" || isStandby != _facts.IsStandby)
        {
            throw new WalBackupException(
                "wal.backup.other-server",
                $"'{_data}' is not the data directory of the server connected to: there system '{_control.SystemIdentifier}', port '{port ?? "none"}', {(isStandby ? "standby" : "primary")}; "
                + $"the server has system '{_facts.SystemIdentifier}', port '{_facts.Port}', {(_facts.IsStandby ? "standby" : "primary")}.",
                "Name the data directory of this server; the backup runs on its machine.");
        }
    }

    private async Task RequireOwnAsync(IObjectStore place, CancellationToken cancellationToken)
    {
        var presence = await ArchivePresence.BeginAsync(place, cancellationToken).ConfigureAwait(false);
        await presence.RequireAsync(_facts.SystemIdentifier, cancellationToken).ConfigureAwait(false);
    }

    private async Task StoreAsync(string name, uint tablespace, IAsyncEnumerable<TarMember> members, CancellationToken cancellationToken)
    {
        var source = new TarSource(members, _manifest, FileStat.OwnerOf(_data), time);
        await using var closing = source.ConfigureAwait(false);
        var key = $"{_id}/{name}{_codec.Extension}";
        var request = new CopyRequest
        {
            Source = source,
            Targets = [new CopyTarget { Sink = store, Key = key, Codec = _codec, Level = options.Level, Id = store.Id }],
            NeedsSha256 = true,
            OnRead = bytes => progress?.Report(new BackupProgress(name, bytes)),
        };
        var outcome = await copier.CopyAsync(request, cancellationToken).ConfigureAwait(false);
        var target = outcome.Targets[0];
        if (target.Error is WalException or OperationCanceledException)
            ExceptionDispatchInfo.Throw(target.Error);
        if (target.Error is { } error)
            throw WalDestinationException.Failed(store.Id, key, error);
        if (target.Commit == ObjectCommitResult.AlreadyExists)
            throw Taken(key);
        // What encryption adds, only the store knows.
        var bytes = store is EncryptedObjectStore
            ? (await store.StatAsync(key, cancellationToken).ConfigureAwait(false))?.Bytes ?? throw WalBackupException.Damaged(store.Id, _id, $"'{key}' is not there any more as it was written")
            : target.StoredBytes;
        _stored.Add(new BackupPart(key, tablespace, outcome.Content.RawBytes, bytes, outcome.Sha256));
        (_vanished, _shortened) = (_vanished + source.Vanished, _shortened + source.Shortened);
    }

    /// <summary>The data directory with the control file behind all data, then what is known only when the backup has stopped.</summary>
    private async IAsyncEnumerable<TarMember> BaseAsync(DataFiles files, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var member in files.OfDataDirectory())
            yield return member;
        // Behind all pages: on a standby its minimum recovery point must lie behind every page that was read.
        var (control, bytes) = await PgControlFile.ReadImageAsync(_data, time, cancellationToken).ConfigureAwait(false);
        _control = control;
        var controlPath = PgControlFile.RelativePath.Replace('\\', '/');
        yield return Content(controlPath, bytes);

        _end = await session.StopAsync(cancellationToken).ConfigureAwait(false);
        yield return Content(DataFiles.LabelFile, Encoding.UTF8.GetBytes(_end.Label));
        if (_end.TablespaceMap.Length > 0)
            yield return Content(DataFiles.MapFile, Encoding.UTF8.GetBytes(_end.TablespaceMap));
        foreach (var name in archive is null ? Wal().Segments : [])
        {
            var folder = Path.Combine(_data, "pg_wal");
            await Wal().RequireInAsync(folder, name, cancellationToken).ConfigureAwait(false);
            var path = Path.Combine(folder, name.ToString());
            yield return new TarMember($"pg_wal/{name}", TarKind.File) { FullPath = path };
            // Read by now, unless the server removed it or made a later segment of it meanwhile; it never gets the name back.
            if (!File.Exists(path))
                throw BackupWal.Missing(name, $"was removed from '{folder}' while it was read");
            // Or the restored server would archive it once more.
            yield return new TarMember($"pg_wal/archive_status/{name}.done", TarKind.File);
        }

        var label = BackupLabel.Parse(_end.Label);
        yield return new TarMember(BackupManifest.FileName, TarKind.File)
        {
            Content = _manifest.Write(session.PgVersion, _facts.SystemIdentifier, label.StartTimeline ?? _control.Timeline, _start, _end.StopLsn),
        };
    }

    private BackupWal Wal()
    {
        var label = BackupLabel.Parse(_end!.Label);
        return new BackupWal(_facts.SystemIdentifier, session.PgVersion, WalSegmentSize.FromBytes(_control.SegmentSize), label.StartTimeline ?? _control.Timeline, _start, _end.StopLsn);
    }

    private BackupInfo Describe(IReadOnlyList<BackupTablespace> tablespaces)
    {
        var wal = Wal();
        return new BackupInfo
        {
            Id = _id, Label = options.Label, Started = _facts.Now, Stopped = _end!.Now, StartLsn = _start, StopLsn = _end.StopLsn, Timeline = wal.From.Timeline,
            WalFrom = wal.From, WalTo = wal.To, IncludesWal = archive is null, SystemIdentifier = _facts.SystemIdentifier, PgVersion = session.PgVersion,
            WalSegmentSize = _control.SegmentSize, FromStandby = _facts.IsStandby, Tablespaces = tablespaces, Parts = [.. _stored],
        };
    }

    // A sweep on another machine, or a person, may have taken a part away meanwhile.
    private async Task RequireStoredAsync(CancellationToken cancellationToken)
    {
        foreach (var part in _stored)
        {
            if ((await store.StatAsync(part.Key, cancellationToken).ConfigureAwait(false))?.Bytes != part.StoredBytes)
                throw WalBackupException.Damaged(store.Id, _id, $"'{part.Key}' is not there any more as it was written");
        }
    }

    private WalBackupException Taken(string key) =>
        new("wal.backup.server", $"'{store.Id}' has an object '{key}' already: another backup began within the same second.", "Begin again.") { BackupId = _id };

    private static TarMember Content(string path, byte[] bytes) => new(path, TarKind.File) { Content = bytes, ManifestPath = path };

    private static async IAsyncEnumerable<TarMember> Listed(IEnumerable<TarMember> members)
    {
        await Task.CompletedTask.ConfigureAwait(false);
        foreach (var member in members)
            yield return member;
    }
}
