using System.Globalization;
using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>What a server says of its archiving, all at one moment.</summary>
internal sealed record ArchivingServer
{
    public required DateTimeOffset Now { get; init; }

    public required bool IsStandby { get; init; }

    /// <summary>Whether its archiver is at work; not on a standby with <c>archive_mode = on</c>.</summary>
    public required bool IsArchiving { get; init; }

    public required NpgsqlLogSequenceNumber Lsn { get; init; }

    public required uint Timeline { get; init; }

    public required ulong SystemIdentifier { get; init; }

    public required WalSegmentSize SegmentSize { get; init; }

    public required WalFileName? LastArchived { get; init; }

    public required long FailedCount { get; init; }

    public required DateTimeOffset? LastFailed { get; init; }

    public required string? LastFailedWal { get; init; }

    /// <summary>Whether nothing was archived since the last failure.</summary>
    public required bool IsFailing { get; init; }

    /// <summary>When the counts began.</summary>
    public required DateTimeOffset? StatsReset { get; init; }

    /// <summary>First transaction id that no ended transaction has reached, and those below that are open; empty on a standby.</summary>
    public required uint NextXid { get; init; }

    public required HashSet<uint> OpenXids { get; init; }

    /// <summary>End of the last transaction that a standby has replayed.</summary>
    public required DateTimeOffset? LastReplayed { get; init; }

    /// <summary>Whether a standby has replayed all that it has received.</summary>
    public required bool HasReplayedAll { get; init; }

    /// <summary>Files that wait to be archived, with the time since when; null when the role may not list them.</summary>
    public required IReadOnlyDictionary<WalFileName, DateTimeOffset>? Ready { get; init; }

    /// <summary>The slot that was asked for; null when there is none of that name.</summary>
    public required SlotState? Slot { get; init; }

    /// <summary>The segments that lie in the directory of its receiver, complete or in part, and go from there into the archive.</summary>
    public IReadOnlySet<WalFileName> Received { get; init; } = new HashSet<WalFileName>();

    /// <summary>The segment that is being written: all before it are complete.</summary>
    public ulong CurrentSegment => (ulong)Lsn / (uint)SegmentSize.Bytes;

    /// <summary>The last complete segment; null when there is none.</summary>
    public ulong? LastFinished => CurrentSegment == 0 ? null : CurrentSegment - 1;

    /// <summary>The last segment that its archive holds by now, unless it waits: all that the receiver behind the slot has confirmed, else all that is complete; null when there is none, and when nobody takes them away.</summary>
    public ulong? LastDue => FirstUnconfirmed is { } next
        ? next == 0 ? null : LastFinished < next - 1 ? LastFinished : next - 1
        : IsArchiving ? LastFinished : null;

    /// <summary>Whether it sends its WAL to anybody.</summary>
    public required bool IsSending { get; init; }

    /// <summary>The last segment that was complete when it was asked once more; null when it was not, was promoted, or has changed its timeline meanwhile.</summary>
    public ulong? LastFinishedSince { get; init; }

    /// <summary>The first segment that the archiver will take; null when none waits.</summary>
    public WalFileName? OldestReady => Waiting.Cast<WalFileName?>().MinBy(static n => n.ToString(), StringComparer.Ordinal);

    /// <summary>The segments that wait, in no order.</summary>
    public IEnumerable<WalFileName> Waiting => Ready?.Keys.Where(n => n.Kind == WalFileKind.Segment && n.Fits(SegmentSize)) ?? [];

    /// <summary>The last failure, when nothing was archived since.</summary>
    public WalArchivingFailure? Failure => IsFailing ? new WalArchivingFailure(LastFailedWal, LastFailed) : null;

    private ulong? FirstUnconfirmed => Slot?.Flushed is { } flushed ? (ulong)flushed / (uint)SegmentSize.Bytes : null;

    /// <summary>Whether a file waits to be archived.</summary>
    public bool IsReady(WalFileName name) => Ready?.ContainsKey(name) ?? false;

    /// <summary>What the server says of a segment that is not archived.</summary>
    /// <param name="name">The segment.</param>
    /// <param name="isNext">Whether a later one is archived already, or it is the oldest that waits: PostgreSQL takes the oldest first (pgarch.c), and one that was passed is in the hands of a second worker.</param>
    public WalGapStatus StatusOf(WalFileName name, bool isNext)
    {
        var number = name.SegmentNumber(SegmentSize);
        // It was finished since the server was asked, and a later one is archived already.
        if (name.Timeline == Timeline && number > LastFinished && number <= LastFinishedSince)
            return WalGapStatus.Uploading;
        // The receiver behind the slot has not confirmed it, which may be on the timeline that the server has left; nobody is behind one that stands still, and what the server has archived itself and holds no more comes from nobody.
        if (Slot is { IsActive: true } && name.Timeline <= Timeline && number >= FirstUnconfirmed && !(IsArchiving && Ready is not null && number <= LastFinished))
            return WalGapStatus.Uploading;
        // What is confirmed need not be delivered yet; while nobody receives, nobody delivers.
        if (Received.Contains(name))
            return IsSending ? WalGapStatus.Uploading : WalGapStatus.Delayed;
        if (!IsReady(name))
            return WalGapStatus.Lost;
        return IsFailing ? WalGapStatus.Failing : isNext ? WalGapStatus.Uploading : WalGapStatus.Delayed;
    }

    /// <summary>Looks into the directory of its receiver. Behind the server, whose slot tells what has to be there, and before the archive, into which it goes meanwhile.</summary>
    /// <param name="directory">The directory; null when there is none.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="WalArchiveAbsentException">The directory is not begun, or not mounted.</exception>
    /// <exception cref="WalArchiveMismatchException">It is that of another cluster's receiver.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public async Task<ArchivingServer> WithReceivedAsync(string? directory, CancellationToken cancellationToken)
    {
        if (directory is null)
            return this;
        var store = new DirectoryObjectStore(directory);
        await using var closing = store.ConfigureAwait(false);
        var presence = await ArchivePresence.BeginAsync(store, cancellationToken).ConfigureAwait(false);
        var received = new HashSet<WalFileName>();
        // Twice: one that is completed meanwhile changes its name, and a listing may show neither.
        for (var look = 0; look < 2; look++)
        {
            await foreach (var entry in store.ListAsync("", WalObjectKey.Depth, cancellationToken).ConfigureAwait(false))
            {
                if (WalArchivedFile.TryParse(entry) is { Name.Kind: WalFileKind.Segment or WalFileKind.Partial } file)
                    received.Add(file.Name.GetSegment());
            }
        }

        await presence.RequireAsync(SystemIdentifier, cancellationToken).ConfigureAwait(false);
        return this with { Received = received };
    }

    /// <summary>Asks once more how far it is: what it has finished since need not be archived yet.</summary>
    /// <exception cref="WalServerException">The server cannot be asked any more.</exception>
    public async Task<ArchivingServer> WithProgressAsync(NpgsqlDataSource source, CancellationToken cancellationToken)
    {
        try
        {
            var now = await AskAsync(source, null, cancellationToken).ConfigureAwait(false);
            return now.IsStandby == IsStandby && now.Timeline == Timeline && now.SystemIdentifier == SystemIdentifier ? this with { LastFinishedSince = now.LastFinished } : this;
        }
        catch (NpgsqlException error)
        {
            throw WalServerException.NotAsked(error);
        }
    }

    /// <summary>Asks, and what waits has to be told.</summary>
    /// <param name="source">The server.</param>
    /// <param name="isReceived">Whether a receiver takes its WAL away, so that it need not archive.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="WalServerException">The server cannot be asked, does not archive, or does not tell this role what waits.</exception>
    public static async Task<ArchivingServer> RequireAsync(NpgsqlDataSource source, bool isReceived, CancellationToken cancellationToken)
    {
        try
        {
            var server = await AskAsync(source, null, cancellationToken).ConfigureAwait(false);
            return !server.IsArchiving && !isReceived ? throw WalServerException.NotArchiving(server.IsStandby) : server.Ready is null ? throw WalServerException.Privilege() : server;
        }
        catch (NpgsqlException error)
        {
            throw WalServerException.NotAsked(error);
        }
    }

    /// <summary>Asks; positions first and waiting files after them, so that each segment before the position is either waiting or was archived.</summary>
    public static async Task<ArchivingServer> AskAsync(NpgsqlDataSource source, string? slot, CancellationToken cancellationToken)
    {
        var connection = await source.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = connection.ConfigureAwait(false);
        var (server, mayList) = await StateAsync(connection, cancellationToken).ConfigureAwait(false);
        return server with
        {
            Ready = mayList ? await ReadyAsync(connection, cancellationToken).ConfigureAwait(false) : null,
            Slot = slot is null ? null : await SlotAsync(connection, slot, cancellationToken).ConfigureAwait(false),
        };
    }

    private static async Task<(ArchivingServer Server, bool MayList)> StateAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        using var command = new NpgsqlCommand(
            """
            SELECT r.standby, pg_catalog.clock_timestamp(), r.lsn, r.timeline, c.system_identifier, pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')),
                pg_catalog.current_setting('archive_mode'), a.last_archived_wal, a.failed_count, a.last_failed_time, a.last_failed_wal, a.stats_reset,
                a.last_failed_time IS NOT NULL AND coalesce(pg_catalog.timestamptz_gt(a.last_failed_time, a.last_archived_time), true),
                pg_catalog.pg_current_snapshot()::pg_catalog.text, pg_catalog.pg_last_xact_replay_timestamp(),
                pg_catalog.has_function_privilege('pg_catalog.pg_ls_archive_statusdir()', 'EXECUTE'), r.replayed,
                EXISTS (SELECT FROM pg_catalog.pg_stat_replication)
            FROM pg_catalog.pg_control_system() c, pg_catalog.pg_stat_archiver a,
                (SELECT s.standby,
                    CASE WHEN s.standby THEN greatest(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn()) ELSE pg_catalog.pg_current_wal_lsn() END AS lsn,
                    CASE WHEN s.standby THEN (SELECT pg_catalog.lpad(pg_catalog.to_hex(k.timeline_id), 8, '0') FROM pg_catalog.pg_control_checkpoint() k)
                        ELSE pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) END AS timeline,
                    coalesce(pg_catalog.pg_lsn_ge(pg_catalog.pg_last_wal_replay_lsn(), pg_catalog.pg_last_wal_receive_lsn()), true) AS replayed
                 FROM (SELECT pg_catalog.pg_is_in_recovery() AS standby) s) r
            """,
            connection);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = reader.ConfigureAwait(false);
        await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        T? Value<T>(int column)
            where T : struct => reader.IsDBNull(column) ? null : reader.GetFieldValue<T>(column);
        string? Text(int column) => reader.IsDBNull(column) ? null : reader.GetString(column);
        var isStandby = reader.GetBoolean(0);
        var (next, open) = isStandby ? (0, []) : Snapshot(reader.GetString(13));
        var server = new ArchivingServer
        {
            IsStandby = isStandby,
            Now = reader.GetFieldValue<DateTimeOffset>(1),
            Lsn = Value<NpgsqlLogSequenceNumber>(2) ?? NpgsqlLogSequenceNumber.Invalid,
            Timeline = uint.Parse(reader.GetString(3), NumberStyles.HexNumber, CultureInfo.InvariantCulture),
            SystemIdentifier = (ulong)reader.GetInt64(4),
            SegmentSize = WalSegmentSize.FromBytes(reader.GetInt64(5)),
            IsArchiving = reader.GetString(6) is var mode && (mode == "always" || (mode == "on" && !isStandby)),
            LastArchived = WalFileName.TryParse(Text(7), out var last) ? last : null,
            FailedCount = reader.GetInt64(8),
            LastFailed = Value<DateTimeOffset>(9),
            LastFailedWal = Text(10),
            StatsReset = Value<DateTimeOffset>(11),
            IsFailing = reader.GetBoolean(12),
            NextXid = next,
            OpenXids = open,
            LastReplayed = Value<DateTimeOffset>(14),
            HasReplayedAll = reader.GetBoolean(16),
            IsSending = reader.GetBoolean(17),
            Ready = null,
            Slot = null,
        };
        return (server, reader.GetBoolean(15));
    }

    // xmin:xmax:xip,xip (pg_snapshot_out in xid8funcs.c); the WAL knows the lower 32 bits.
    private static (uint Next, HashSet<uint> Open) Snapshot(string text)
    {
        var parts = text.Split(':');
        return (Xid(parts[1]), [.. parts[2].Split(',', StringSplitOptions.RemoveEmptyEntries).Select(Xid)]);
    }

    private static uint Xid(string text) => (uint)ulong.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);

    private static async Task<IReadOnlyDictionary<WalFileName, DateTimeOffset>> ReadyAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        const string Suffix = ".ready";
        using var command = new NpgsqlCommand("SELECT name, modification FROM pg_catalog.pg_ls_archive_statusdir()", connection);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = reader.ConfigureAwait(false);
        var ready = new Dictionary<WalFileName, DateTimeOffset>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            var name = reader.GetString(0);
            if (name.EndsWith(Suffix, StringComparison.Ordinal) && WalFileName.TryParse(name.AsSpan(0, name.Length - Suffix.Length), out var file))
                ready[file] = reader.GetFieldValue<DateTimeOffset>(1);
        }

        return ready;
    }

    private static async Task<SlotState?> SlotAsync(NpgsqlConnection connection, string slot, CancellationToken cancellationToken)
    {
        using var command = new NpgsqlCommand(
            "SELECT s.active, coalesce(s.wal_status, ''), s.restart_lsn FROM pg_catalog.pg_replication_slots s WHERE pg_catalog.nameeq(s.slot_name, $1::pg_catalog.name) AND pg_catalog.texteq(s.slot_type, 'physical')",
            connection)
        { Parameters = { new() { Value = slot } } };
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = reader.ConfigureAwait(false);
        return await reader.ReadAsync(cancellationToken).ConfigureAwait(false)
            ? new SlotState(reader.GetBoolean(0), reader.GetString(1), await reader.IsDBNullAsync(2, cancellationToken).ConfigureAwait(false) ? null : reader.GetFieldValue<NpgsqlLogSequenceNumber>(2))
            : null;
    }

    /// <summary>A physical replication slot.</summary>
    /// <param name="IsActive">Whether a receiver is connected.</param>
    /// <param name="WalStatus">Whether the server still has the WAL (<c>reserved</c>, <c>extended</c>, <c>unreserved</c>, <c>lost</c>).</param>
    /// <param name="Flushed">Up to where the receiver has confirmed; null when nothing was reserved.</param>
    public sealed record SlotState(bool IsActive, string WalStatus, NpgsqlLogSequenceNumber? Flushed);
}
