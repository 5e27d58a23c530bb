using System.Buffers.Binary;
using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>Up to where an archive holds the WAL of a server, what of it is missing, and when the last commit in it was.</summary>
internal sealed class ArchiveReach
{
    // Of an idle cluster the newest has all there is to know; more are read only where a segment lacks a commit or a list of running transactions.
    private const int MostSegmentsRead = 16;
    private const int MostXids = 1 << 20;
    private const byte Standby = 8;
    private const int RunningXacts = 0x10;

    // xl_running_xacts in standbydefs.h: xcnt, subxcnt, subxid_overflow, nextXid, oldestRunningXid.
    private const int OldestRunningXid = 16;

    private readonly IObjectStore _archive;
    private readonly ArchiveMap _map;
    private readonly ArchivingServer _server;
    private readonly TimelineHistory _history;
    private readonly HashSet<uint> _ended = [];

    private ArchiveReach(IObjectStore archive, ArchiveMap map, ArchivingServer server) =>
        (_archive, _map, _server, _history) = (archive, map, server, map.HistoryOf(server.Timeline));

    /// <summary>End of the unbroken WAL; null when the archive holds no segment that leads to the server's.</summary>
    public NpgsqlLogSequenceNumber? End { get; private set; }

    /// <summary>Newest archived copies that are not valid and count as missing.</summary>
    public List<string> Damaged { get; } = [];

    /// <summary>Complete segments of the server behind the newest archived one.</summary>
    public long Behind { get; private set; }

    public DateTimeOffset? LastCommit { get; private set; }

    /// <summary>Whether no transaction of the server has ended behind <see cref="End"/>.</summary>
    public bool IsQuiet { get; private set; }

    /// <summary>Looks; the server was asked before the archive was listed, so what it calls archived has to be in the list.</summary>
    /// <exception cref="WalEncryptionException">The archive is encrypted, and read without a key.</exception>
    /// <exception cref="IOException">The archive cannot be read.</exception>
    public static async Task<ArchiveReach> FindAsync(IObjectStore archive, ArchiveMap map, ArchivingServer server, CancellationToken cancellationToken)
    {
        var reach = new ArchiveReach(archive, map, server);
        var newest = map.PathTo(server.Timeline).Where(s => map.Segments.ContainsKey(s.Timeline))
            .SelectMany(s => map.Segments[s.Timeline].Keys.Where(n => n >= s.From && n <= s.To)).Cast<ulong?>().LastOrDefault();
        if (newest is not { } last)
        {
            if (server.CurrentSegment > 0)
                await EncryptedNames.RequireNoneAsync(archive, reach.NameOf(server.CurrentSegment - 1), cancellationToken).ConfigureAwait(false);
            return reach;
        }

        reach.Behind = Math.Max(0, (long)server.CurrentSegment - 1 - (long)last);
        // Archivers that work ahead leave holes for a moment: what lies behind one is not safe yet.
        var hole = server.Ready?.Keys.Where(n => n.Kind == WalFileKind.Segment && n.Fits(map.Size) && n.SegmentNumber(map.Size) <= last && !reach.IsArchived(n)).Min(n => (ulong?)n.SegmentNumber(map.Size));
        await reach.ReadAsync(hole ?? (last + 1), cancellationToken).ConfigureAwait(false);
        await map.RequireStillThereAsync(cancellationToken).ConfigureAwait(false);
        return reach;
    }

    private WalFileName NameOf(ulong number) => _map.NameOf(_map.TimelineOf(number, _history), number);

    private bool IsArchived(WalFileName name) => _map.Segments.GetValueOrDefault(name.Timeline)?.ContainsKey(name.SegmentNumber(_map.Size)) ?? false;

    /// <summary>Reads backwards from a segment that is not there until all is known.</summary>
    private async Task ReadAsync(ulong end, CancellationToken cancellationToken)
    {
        uint? oldest = null;
        End = new NpgsqlLogSequenceNumber(end * (uint)_map.Size.Bytes);
        // A receiver's open file goes on where the complete ones end.
        var partials = _map.Others.Where(f => f.Name.Kind == WalFileKind.Partial && f.Name.GetSegment() == NameOf(end)).ToList();
        if (await TailAsync(partials, cancellationToken).ConfigureAwait(false) is { } open)
            (End, LastCommit, oldest) = (open.End, open.LastCommit, open.OldestRunning);
        for (var count = 0; count < MostSegmentsRead && end > 0 && (LastCommit is null || oldest is null); count++)
        {
            var name = NameOf(--end);
            if (_map.Segments.GetValueOrDefault(name.Timeline)?.GetValueOrDefault(end) is not { } copies)
                break;
            if (await TailAsync(copies, cancellationToken).ConfigureAwait(false) is not { } tail)
            {
                // No recovery gets past it, to what was read before.
                Damaged.Add(copies[0].Key);
                _ended.Clear();
                (End, LastCommit, oldest) = (name.StartLsn(_map.Size), null, null);
                continue;
            }

            (LastCommit, oldest) = (LastCommit ?? tail.LastCommit, oldest ?? tail.OldestRunning);
        }

        IsQuiet = _server.IsStandby
            ? _server is { HasReplayedAll: true, LastReplayed: { } replayed } && replayed <= LastCommit
            : End >= _server.Lsn || (oldest is { } from && HaveAllEnded(from));
    }

    // Below the oldest running transaction all had ended, and their ends are archived; above it each one has to be among the archived ends, or be open still.
    private bool HaveAllEnded(uint from)
    {
        // Compared as the server does, modulo 2³² (TransactionIdPrecedes in transam.c).
        var count = unchecked((int)(_server.NextXid - from));
        if (count > MostXids)
            return false;
        for (var i = 0; i < count; i++)
        {
            var xid = unchecked(from + (uint)i);
            if (!_ended.Contains(xid) && !_server.OpenXids.Contains(xid))
                return false;
        }

        return true;
    }

    /// <returns>Null when no copy is valid.</returns>
    private async Task<Tail?> TailAsync(List<WalArchivedFile> copies, CancellationToken cancellationToken)
    {
        foreach (var copy in copies)
        {
            try
            {
                var content = await WalContent.OpenReadAsync(_archive, copy.Key, cancellationToken).ConfigureAwait(false);
                if (content is null)
                    continue;
                await using var closing = content.ConfigureAwait(false);
                return await TailAsync(content, copy.Name, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception damage) when (damage is WalValidationException or CorruptCompressedDataException)
            {
                // Another copy may be good; when none is, the caller names it.
            }
        }

        return null;
    }

    private async Task<Tail> TailAsync(Stream content, WalFileName name, CancellationToken cancellationToken)
    {
        WalValidationResult? summary = null;
        uint? oldest = null;
        var options = new WalReadOptions
        {
            Name = name,
            IncludeData = true,
            Expectations = new WalExpectations { SystemIdentifier = _server.SystemIdentifier, SegmentSize = _map.Size.Bytes }.WithUnknownVersions(),
            OnSegmentEnd = s => summary = s,
        };
        await foreach (var record in WalSegmentReader.ReadAsync(content, options, cancellationToken).ConfigureAwait(false))
        {
            if (record.Detail is WalTransactionEnd ended)
                _ended.UnionWith(ended.Subtransactions.Prepend(ended.TransactionId));
            else if (record is { Rmgr: Standby, Info: RunningXacts } && MainData.Find(record.Data.Span) is { Length: >= OldestRunningXid + sizeof(uint) } running)
                oldest = BinaryPrimitives.ReadUInt32LittleEndian(running[OldestRunningXid..]);
        }

        return new Tail(summary!.EndOfValid, summary.LastCommit, oldest);
    }

    private sealed record Tail(NpgsqlLogSequenceNumber End, DateTimeOffset? LastCommit, uint? OldestRunning);
}
