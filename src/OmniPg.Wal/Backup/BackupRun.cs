using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>One base backup: start, tablespaces, data directory, control file, stop, label, WAL, catalogue; in this order, each durable before the next.</summary>
internal sealed class BackupRun(
    BackupSession session, IObjectStore store, IObjectStore? archive, BaseBackupOptions options, WalCopier copier, TimeProvider time, ILogger log, IProgress<BackupProgress>? progress)
{
    private const int MostToldPages = 20;
    private static readonly TimeSpan LongestRemoval = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan PauseBetweenLooks = TimeSpan.FromMilliseconds(200);
    private readonly List<BackupPart> _stored = [];
    private readonly BackupCatalog _catalog = new(store);
    private readonly IBackupSource _source = options.Method == BackupMethod.Files ? new BackupSource(session, time, options) : new PgBaseBackupSource(session, options, log);
    private readonly RateLimit? _limit = RateLimit.Of(options.MaxRate, time);
    private readonly Codec _codec = Codec.Parse(options.Codec);
    private readonly BackupDigests _digests = new(options.Digests);
    private readonly List<BackupPart> _sums = [];
    private BackupPart? _manifest;
    private BackupPart? _meta;
    private BackupInfo? _prior;
    private string _id = "";
    private bool _mayCount;
    private long _toldPages;

    private ServerFacts Facts => _source.Facts;

    /// <summary>What only who reads the files itself can tell; null where a program of the server's does.</summary>
    private BackupSource? Own => _source as BackupSource;

    private PageCheck? Pages => Own?.Pages;

    /// <summary>The objects written so far; none when they may be those of a backup by now.</summary>
    public IEnumerable<string> Keys => _mayCount ? [] : Objects.Select(static p => p.Key);

    private IEnumerable<BackupPart> Objects => _stored.Concat(_manifest is null ? [] : [_manifest]).Concat(_sums).Concat(_meta is null ? [] : [_meta]);

    public async Task<BaseBackupResult> RunAsync(CancellationToken cancellationToken)
    {
        var presence = await ArchivePresence.BeginAsync(store, cancellationToken).ConfigureAwait(false);
        await LookAsync(cancellationToken).ConfigureAwait(false);
        await RequireOwnAsync(store, cancellationToken).ConfigureAwait(false);
        // First of all: what a removal that was killed has left of a backup may be what this one is to stand on.
        await SweepAsync(cancellationToken).ConfigureAwait(false);
        var priorPaths = await LookBackAsync(cancellationToken).ConfigureAwait(false);
        if (archive is not null)
        {
            await RequireOwnAsync(archive, cancellationToken).ConfigureAwait(false);
            // What follows will be encrypted too; better said now than behind the data.
            if (WalFileName.TryParse(Facts.LastArchived, out var last))
                await EncryptedNames.RequireNoneAsync(archive, last, cancellationToken).ConfigureAwait(false);
        }

        if (options.VerifyPages && Own is not null)
            await Own.CheckPagesAsync(TellPage, cancellationToken).ConfigureAwait(false);
        await _source.StartAsync(cancellationToken).ConfigureAwait(false);
        if (_prior is not null)
            await Own!.FollowAsync(_prior, priorPaths, cancellationToken).ConfigureAwait(false);
        var tablespaces = await StoreDataAsync(cancellationToken).ConfigureAwait(false);
        if (archive is not null)
            await _source.Wal().ArriveAsync(archive, options.WalTimeout, time, cancellationToken).ConfigureAwait(false);
        var info = Describe(tablespaces);
        if (options.MetaFile)
            info = info with { Meta = _meta = await StoreMetaAsync(info, cancellationToken).ConfigureAwait(false) };
        // A sweep on another machine, or a person, may have taken a part away meanwhile; and a retention that had listed the backups before this one was among them what it stands on.
        if (_prior is not null)
            await RequireNoneDroppedAsync(_prior, cancellationToken).ConfigureAwait(false);
        if (await BackupNeeds.LossAsync(store, info, null, time, isNew: false, cancellationToken).ConfigureAwait(false) is { } loss)
            throw Of(loss);
        await presence.RequireSamePlaceAsync(cancellationToken).ConfigureAwait(false);
        await PublishAsync(info, cancellationToken).ConfigureAwait(false);
        await RequireNothingLostAsync(info, cancellationToken).ConfigureAwait(false);
        return new BaseBackupResult(info, _source.Files, _source.Vanished, _source.Shortened)
        {
            DamagedPages = Pages?.Damaged, DamagedPageCount = _source.DamagedPages, DamagedFiles = Pages?.Files, DamagedFileCount = Pages?.FileCount ?? 0,
        };
    }

    /// <summary>Tells how many damaged pages there are besides those that were told one by one.</summary>
    public void TellPages()
    {
        if (Pages is { } pages && pages.Count > _toldPages)
            BackupLog.DamagedPages(log, pages.Count, pages.FileCount, _toldPages);
    }

    private void TellPage(DamagedPage page)
    {
        if (_toldPages >= MostToldPages)
            return;
        _toldPages++;
        BackupLog.DamagedPage(log, page.Block, page.Path, page.Stored, page.Computed);
    }

    // Who makes backups may not be allowed to remove anything.
    private async Task SweepAsync(CancellationToken cancellationToken)
    {
        try
        {
            await new BackupSweep(store, time, log).RunAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception refused) when (refused is not OperationCanceledException)
        {
            BackupLog.Unfinished(log, store.Id, refused.Message);
        }
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        await _source.LookAsync(cancellationToken).ConfigureAwait(false);
        if (options.RequireStandby && !Facts.IsStandby)
            throw new WalBackupException("wal.backup.server", "The backup was to be read from a standby, and the server is a primary.", "Connect to a standby; after a switchover the roles are the other way round.");
        if (Facts.IsStandby && archive is null)
            throw new WalBackupException("wal.backup.server", "A backup from a standby needs the WAL archive of its cluster: the last segment is still being received.", "Name the archive.");
        _id = BackupInfo.IdAt(Facts.Now);
    }

    /// <summary>Chooses the backup that this one is to stand on.</summary>
    /// <returns>The files in it; none for a full backup.</returns>
    private async Task<IReadOnlySet<string>> LookBackAsync(CancellationToken cancellationToken)
    {
        if (options.IncrementOf is not { } wanted)
            return new HashSet<string>();
        _prior = await _catalog.GetAsync(wanted == BaseBackupOptions.Latest ? null : wanted, cancellationToken).ConfigureAwait(false);
        if (_prior.Problem is { } problem)
            throw WalBackupException.Damaged(store.Id, _prior.Id, problem);
        // Behind a clock that went back this one would stand on a younger one, and no entry says so.
        if (string.CompareOrdinal(_prior.Id, _id) >= 0)
            throw WalBackupException.Increment(_prior.Id, $"by the server's clock this backup would begin at '{_id}', not after it", "Set the server's clock right, or make a full backup.");
        await RequireNoneDroppedAsync(_prior, cancellationToken).ConfigureAwait(false);
        await Own!.RequireIncrementableAsync(_prior, cancellationToken).ConfigureAwait(false);
        return await BackupParts.ReadPathsAsync(store, _prior, cancellationToken).ConfigureAwait(false);
    }

    // Of WAL that was given up nobody knows what it held: behind it everything begins anew.
    private async Task RequireNoneDroppedAsync(BackupInfo prior, CancellationToken cancellationToken)
    {
        if (archive is null)
            return;
        await foreach (var dropped in DroppedWal.ListAsync(archive, cancellationToken).ConfigureAwait(false))
        {
            if (dropped.Timeline == prior.Timeline && dropped.Position >= prior.WalFrom.Position)
                throw WalBackupException.Increment(prior.Id, $"the archiver has given up WAL file '{dropped}' since it began", "Make a full backup.");
        }
    }

    // What may be visible as a backup keeps its parts: others may have come to stand on it, or have removed an older one because it is there.
    private async Task PublishAsync(BackupInfo info, CancellationToken cancellationToken)
    {
        var (key, entry) = (BackupEntry.KeyOf(_id), info.ToJson());
        ExceptionDispatchInfo? failure = null;
        _mayCount = true;
        try
        {
            if (await SmallObject.WriteAsync(store, key, entry, cancellationToken).ConfigureAwait(false) != ObjectCommitResult.AlreadyExists)
                return;
        }
        catch (Exception refused)
        {
            failure = ExceptionDispatchInfo.Capture(refused);
        }

        // A disk that fails behind the publication, or an answer that was lost: it is there all the same.
        byte[]? there;
        try
        {
            there = await BackupEntry.ReadAsync(store, _id, BackupInfo.FileName, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception unread)
        {
            BackupLog.MayCount(log, _id, unread.Message);
            failure?.Throw();
            throw;
        }

        _mayCount = there is not null && there.AsSpan().SequenceEqual(entry);
        if (!_mayCount)
        {
            failure?.Throw();
            // It is somebody else's, and stays.
            throw Taken(key);
        }

        await store.EnsureDurableAsync(key, CancellationToken.None).ConfigureAwait(false);
    }

    // The removal of what it stands on is mostly at work still when that is seen to be gone, and one removal works at a time; or it takes that back, and nothing is lost.
    private async Task RequireNothingLostAsync(BackupInfo info, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        while (await FindLossAsync(info, cancellationToken).ConfigureAwait(false) is { } lost)
        {
            var isLast = time.GetElapsedTime(began) >= LongestRemoval;
            if (await TryWithdrawAsync(info, isLast).ConfigureAwait(false))
                throw lost;
            await Task.Delay(PauseBetweenLooks, time, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async Task<WalBackupException?> FindLossAsync(BackupInfo info, CancellationToken cancellationToken)
    {
        try
        {
            if (_prior is not null)
                await RequireNoneDroppedAsync(_prior, cancellationToken).ConfigureAwait(false);
            return await BackupNeeds.LossAsync(store, info, archive, time, isNew: true, cancellationToken).ConfigureAwait(false) is { } loss ? Of(loss) : null;
        }
        catch (WalBackupException dropped) when (dropped.Code == WalBackupException.IncrementCode)
        {
            return dropped;
        }
        catch (Exception unread)
        {
            // What cannot be looked at is no proof of a loss, and by now others may count on this one.
            BackupLog.NotLookedAt(log, _id, unread.Message);
            return null;
        }
    }

    /// <summary>Removes it as any other is removed: it stays when somebody needs it by now, or it is the only valid one.</summary>
    /// <returns>False when another removal is at work, and it is worth while to wait.</returns>
    private async Task<bool> TryWithdrawAsync(BackupInfo info, bool isLast)
    {
        try
        {
            var outcome = await new BackupRemoval(store, time, log).RunAsync(info, [], CancellationToken.None).ConfigureAwait(false);
            if (outcome == RemovalOutcome.Underway && !isLast)
                return false;
            if (outcome != RemovalOutcome.Removed)
                BackupLog.LeftBehind(log, BackupEntry.KeyOf(_id), outcome.ToString());
        }
        catch (Exception refused)
        {
            BackupLog.LeftBehind(log, BackupEntry.KeyOf(_id), refused.Message);
        }

        return true;
    }

    private WalBackupException Of(BackupLoss loss) => loss switch
    {
        { IsGround: true } => WalBackupException.Increment(_prior!.Id, $"it was removed or damaged while the backup was made: {loss.What}", "Make a full backup."),
        { Wal: { } wal } => BackupWal.Missing(wal, $"is not there any more: {loss.What}"),
        _ => WalBackupException.Damaged(store.Id, _id, loss.What),
    };

    private async Task<IReadOnlyList<BackupTablespace>> StoreDataAsync(CancellationToken cancellationToken)
    {
        var tablespaces = _source.Tablespaces();
        await foreach (var (oid, tar) in _source.ReadAsync(tablespaces, includesWal: archive is null, cancellationToken).ConfigureAwait(false))
            _stored.Add(await StoreAsync(oid == 0 ? "base.tar" : $"{oid}.tar", oid, tar, cancellationToken).ConfigureAwait(false));
        if (session.PgVersion >= BackupSource.FirstWithSummaries)
        {
            using var content = new MemoryStream(_source.ManifestContent, writable: false);
            _manifest = await StoreAsync(BackupManifest.FileName, 0, new StreamCopySource(content), cancellationToken).ConfigureAwait(false);
        }

        await foreach (var sums in _digests.WriteAsync(store, _id, cancellationToken).ConfigureAwait(false))
            _sums.Add(sums);

        return tablespaces;
    }

    private async Task RequireOwnAsync(IObjectStore place, CancellationToken cancellationToken)
    {
        var presence = await ArchivePresence.BeginAsync(place, cancellationToken).ConfigureAwait(false);
        await presence.RequireAsync(Facts.SystemIdentifier, cancellationToken).ConfigureAwait(false);
    }

    private async Task<BackupPart> StoreAsync(string name, uint tablespace, ICopySource source, CancellationToken cancellationToken)
    {
        var key = $"{_id}/{name}{_codec.Extension}";
        var request = new CopyRequest
        {
            Source = RateLimit.Over(source, _limit),
            Targets = [new CopyTarget { Sink = _digests.Over(store), Key = key, Codec = _codec, Level = options.Level, Id = store.Id }],
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
        return new BackupPart(key, tablespace, outcome.Content.RawBytes, bytes, outcome.Sha256);
    }

    private async Task<BackupPart> StoreMetaAsync(BackupInfo info, CancellationToken cancellationToken)
    {
        var text = Encoding.UTF8.GetBytes(info.ToMeta(Environment.MachineName, time.LocalTimeZone.GetUtcOffset(info.Started)));
        var part = new BackupPart($"{_id}/{BackupInfo.MetaName}", 0, text.Length, text.Length, Convert.ToHexStringLower(SHA256.HashData(text)));
        // For programs that have no key.
        await SmallObject.WriteAsync(store is EncryptedObjectStore encrypted ? encrypted.Inner : store, part.Key, text, cancellationToken).ConfigureAwait(false);
        return part;
    }

    private BackupInfo Describe(IReadOnlyList<BackupTablespace> tablespaces)
    {
        var wal = _source.Wal();
        return new BackupInfo
        {
            Format = _prior is null ? BackupInfo.CurrentFormat : BackupInfo.IncrementalFormat, IncrementOf = _prior?.Id, Manifest = _manifest, Digests = _sums.Count == 0 ? null : _sums,
            Id = _id, Label = options.Label, Started = Facts.Now, Stopped = _source.End!.Now, StartLsn = _source.Start, StopLsn = _source.End.StopLsn, Timeline = wal.From.Timeline,
            WalFrom = wal.From, WalTo = wal.To, IncludesWal = archive is null, SystemIdentifier = Facts.SystemIdentifier, PgVersion = session.PgVersion,
            WalSegmentSize = _source.SegmentSize, FromStandby = Facts.IsStandby, DamagedPages = _source.DamagedPages is > 0 and var damaged ? (int)Math.Min(damaged, int.MaxValue) : null, Tablespaces = tablespaces, Parts = [.. _stored],
        };
    }

    private WalBackupException Taken(string key) =>
        new("wal.backup.server", $"'{store.Id}' has an object '{key}' already: another backup began within the same second.", "Begin again.") { BackupId = _id };
}
