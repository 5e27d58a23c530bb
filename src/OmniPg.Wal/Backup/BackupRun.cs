using System.Runtime.ExceptionServices;

namespace OmniPg.Wal;

/// <summary>One base backup: start, tablespaces, data directory, control file, stop, label, WAL, catalogue; in this order, each durable before the next.</summary>
internal sealed class BackupRun(
    BackupSession session, IObjectStore store, IObjectStore? archive, BaseBackupOptions options, WalCopier copier, TimeProvider time, IProgress<BackupProgress>? progress)
{
    private readonly List<BackupPart> _stored = [];
    private readonly BackupSource _source = new(session, time, options.Exclude);
    private readonly RateLimit? _limit = RateLimit.Of(options.MaxRate, time);
    private readonly Codec _codec = Codec.Parse(options.Codec);
    private string _id = "";
    private bool _isPublishing;
    private long _vanished;
    private long _shortened;

    private ServerFacts Facts => _source.Facts;

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
            if (WalFileName.TryParse(Facts.LastArchived, out var last))
                await EncryptedNames.RequireNoneAsync(archive, last, cancellationToken).ConfigureAwait(false);
        }

        await new BackupSweep(store, time).RunAsync(cancellationToken).ConfigureAwait(false);

        await _source.StartAsync(options.Label, options.FastCheckpoint, cancellationToken).ConfigureAwait(false);
        var tablespaces = _source.Tablespaces();
        foreach (var tablespace in tablespaces)
            await StoreAsync($"{tablespace.Oid}.tar", tablespace.Oid, _source.Tablespace(tablespace), cancellationToken).ConfigureAwait(false);
        await StoreAsync("base.tar", 0, _source.Base(new BaseShape(IncludesWal: archive is null), cancellationToken), cancellationToken).ConfigureAwait(false);

        if (archive is not null)
            await _source.Wal().ArriveAsync(archive, options.WalTimeout, time, cancellationToken).ConfigureAwait(false);
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

        return new BaseBackupResult(info, _source.Manifest.Files, _vanished, _shortened);
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        await _source.LookAsync(options.DataDirectory, cancellationToken).ConfigureAwait(false);
        if (Facts.IsStandby && archive is null)
            throw new WalBackupException("wal.backup.server", "A backup from a standby needs the WAL archive of its cluster: the last segment is still being received.", "Name the archive.");
        _id = BackupInfo.IdAt(Facts.Now);
    }

    private async Task RequireOwnAsync(IObjectStore place, CancellationToken cancellationToken)
    {
        var presence = await ArchivePresence.BeginAsync(place, cancellationToken).ConfigureAwait(false);
        await presence.RequireAsync(Facts.SystemIdentifier, cancellationToken).ConfigureAwait(false);
    }

    private async Task StoreAsync(string name, uint tablespace, TarSource source, CancellationToken cancellationToken)
    {
        await using var closing = source.ConfigureAwait(false);
        var key = $"{_id}/{name}{_codec.Extension}";
        var request = new CopyRequest
        {
            Source = RateLimit.Over(source, _limit),
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

    private BackupInfo Describe(IReadOnlyList<BackupTablespace> tablespaces)
    {
        var wal = _source.Wal();
        return new BackupInfo
        {
            Id = _id, Label = options.Label, Started = Facts.Now, Stopped = _source.End!.Now, StartLsn = _source.Start, StopLsn = _source.End.StopLsn, Timeline = wal.From.Timeline,
            WalFrom = wal.From, WalTo = wal.To, IncludesWal = archive is null, SystemIdentifier = Facts.SystemIdentifier, PgVersion = session.PgVersion,
            WalSegmentSize = _source.Control.SegmentSize, FromStandby = Facts.IsStandby, Tablespaces = tablespaces, Parts = [.. _stored],
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
}
