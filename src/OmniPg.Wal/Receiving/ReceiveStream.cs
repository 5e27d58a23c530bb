using Microsoft.Extensions.Logging;
using Npgsql;
using Npgsql.Replication;
using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>How far the receiver is; written by one, read by anybody.</summary>
internal sealed class ReceiveProgress
{
    public volatile WalReceiverState State;
    public volatile uint Timeline;
    public volatile int WaitingFiles;
    public volatile Exception? LastError;
    public ulong Received;
    public ulong Flushed;
    public ulong ServerEnd;

    /// <summary>Where to go on when the directory does not tell: behind the end of a timeline.</summary>
    public (uint Timeline, ulong Lsn)? Next;

    /// <summary>How the last complete segment ended.</summary>
    public WalChainState? Chain;

    public WalReceiverStatus ToStatus() =>
        new(State, Timeline, new(Volatile.Read(ref Received)), new(Volatile.Read(ref Flushed)), new(Volatile.Read(ref ServerEnd)), WaitingFiles, LastError);
}

/// <summary>Receives over one connection until it breaks, or its timeline ends. Nothing is confirmed to the server before it is on disk.</summary>
internal sealed class ReceiveStream(WalReceiverOptions options, ReceivedFiles files, ReceiveServer server, ReceiveProgress progress, TimeProvider time, ILogger log) : IDisposable
{
    private const int BufferBytes = 256 * 1024;

    // A busy server sends a message after each of its flushes, thousands in a second. While no commit waits for the receiver, nobody gains by a look at every one of them.
    private static readonly TimeSpan GatherTime = TimeSpan.FromMilliseconds(50);

    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(BufferBytes, pinned: true);
    private PartialSegment? _segment;
    private int _gathered;
    private bool _isTorn;
    private long _flushedAt = time.GetTimestamp();
    private Task? _flushDue;
    private ulong _confirmed;

    /// <summary>Raised when a segment or a history is complete.</summary>
    public required Action OnComplete { get; init; }

    /// <summary>Where segments come from that the server has removed; null leaves them missing.</summary>
    public GapFill? Fill { get; init; }

    private WalSegmentSize Size => server.SegmentSize;

    private int Bytes => Size.Bytes;

    /// <summary>First position that has not come yet: behind what is written and what is gathered.</summary>
    private ulong Taken => progress.Received + (uint)_gathered;

    /// <summary>What may be gathered before it must be written: no more than the buffer, nor than the segment holds.</summary>
    private int Room => (int)Math.Min(BufferBytes, (uint)Bytes - (progress.Received % (uint)Bytes)) - _gathered;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var (timeline, start) = await FindStartAsync(cancellationToken).ConfigureAwait(false);
        ulong? until = null;
        while (timeline != server.Cluster.Timeline)
        {
            var (switched, next) = await FollowAsync(timeline, start, cancellationToken).ConfigureAwait(false);
            until = switched;
            if (start != switched)
                break;
            (timeline, until) = (next, null);
        }

        if (until is null && timeline > 1)
            await KeepHistoryAsync(timeline, cancellationToken).ConfigureAwait(false);
        Begin(timeline, start, until);
        try
        {
            await StreamAsync(timeline, start, until, cancellationToken).ConfigureAwait(false);
        }
        catch (PostgresException removed) when (removed.SqlState == PostgresErrorCodes.UndefinedFile && Fill is not null)
        {
            // "requested WAL segment … has already been removed" (WalSndSegmentOpen; walsender.c). The next connection asks for what follows.
            if (!await FillAsync(timeline, until, cancellationToken).ConfigureAwait(false) && !await LeaveAsync(timeline, until, cancellationToken).ConfigureAwait(false))
                throw;
            return;
        }

        if (until is not { } end || progress.Received != end)
            return;
        var following = (await FollowAsync(timeline, end, cancellationToken).ConfigureAwait(false)).Next;
        progress.Next = (following, end - (end % (uint)Bytes));
        ReceiveLog.Switched(log, timeline, new NpgsqlLogSequenceNumber(end).ToString(), following);
    }

    public void Dispose() => _segment?.Dispose();

    private async Task<(uint Timeline, ulong Lsn)> FindStartAsync(CancellationToken cancellationToken)
    {
        if ((progress.Next ?? files.FindPosition(Size)) is { } known)
            return known;
        var slot = await server.FindSlotAsync(cancellationToken).ConfigureAwait(false);
        var lsn = (ulong)(slot?.Restart ?? server.End);
        var newest = server.Cluster.Timeline;
        var timeline = newest == 1 ? 1 : (await KeepHistoryAsync(newest, cancellationToken).ConfigureAwait(false)).TimelineAt(new(lsn));
        return (timeline, lsn - (lsn % (uint)Bytes));
    }

    /// <summary>Where the server's history leaves a timeline, and for which; the histories on the way are kept first.</summary>
    private async Task<(ulong Switch, uint Next)> FollowAsync(uint timeline, ulong start, CancellationToken cancellationToken)
    {
        var newest = server.Cluster.Timeline;
        if (timeline > newest)
            throw WalReceiveException.Diverged($"The server is on timeline '{newest}', WAL was received up to timeline '{timeline}'.");
        var history = await KeepHistoryAsync(newest, cancellationToken).ConfigureAwait(false);
        if (history.SwitchLsnOf(timeline) is not { } end)
            throw WalReceiveException.Diverged($"The timeline '{newest}' of the server does not descend from the received timeline '{timeline}'.");
        if (start > (ulong)end)
            throw WalReceiveException.Diverged($"Timeline '{timeline}' was received up to '{new NpgsqlLogSequenceNumber(start)}', but the server left it at '{end}'.");
        var next = history.Ancestors.Select(static a => a.Timeline).Append(newest).First(t => t > timeline);
        await KeepHistoryAsync(next, cancellationToken).ConfigureAwait(false);
        return ((ulong)end, next);
    }

    // Before the first byte of a timeline: without its history nobody finds the way to its segments.
    private async Task<TimelineHistory> KeepHistoryAsync(uint timeline, CancellationToken cancellationToken)
    {
        if (files.ReadHistory(timeline) is { } kept)
            return TimelineHistory.Parse(timeline, kept);
        var content = await server.ReadHistoryAsync(timeline, cancellationToken).ConfigureAwait(false);
        var history = TimelineHistory.Parse(timeline, System.Text.Encoding.UTF8.GetString(content));
        await files.WriteHistoryAsync(timeline, content, cancellationToken).ConfigureAwait(false);
        OnComplete();
        return history;
    }

    /// <summary>Opens the segment to go on with, and compares how far it reaches with how far the server does.</summary>
    private void Begin(uint timeline, ulong start, ulong? until)
    {
        (progress.Timeline, progress.Received, progress.ServerEnd) = (timeline, start, Math.Max(start, (ulong)server.End));
        if (progress.Chain?.End != new NpgsqlLogSequenceNumber(start))
            progress.Chain = options.Validation == WalValidation.Full ? files.ChainBefore(timeline, start, Size, server.Cluster.ToExpectations().WithUnknownVersions()) : null;
        _segment = Open(timeline, start, options.Validation);
        if (until is { } end && _segment.KnownEnd > end)
            throw WalReceiveException.Diverged(
                $"Timeline '{timeline}' was received up to '{new NpgsqlLogSequenceNumber(_segment.KnownEnd)}', but the server left it at '{new NpgsqlLogSequenceNumber(end)}'.");
        if (until is null && _segment.KnownEnd > (ulong)server.End)
            throw WalReceiveException.Behind(timeline, server.End, new(_segment.KnownEnd));
        // A server that is silent from now on still waits to hear of a segment that was complete when the last connection broke.
        if (_segment.KnownEnd == start && files.FindPosition(Size)?.Lsn == start)
            server.Connection.SetReplicationStatus(new(start));
    }

    private WalExpectations Expectations => server.Cluster.ToExpectations().WithUnknownVersions() with { Previous = progress.Chain };

    private PartialSegment Open(uint timeline, ulong start, WalValidation level) =>
        PartialSegment.Open(files.Path, WalFileName.ForLsn(timeline, new(start), Size), Size, level, Expectations);

    /// <summary>Completes segments that the server has no more, from the first missing one on, as far as an archive has them.</summary>
    private async Task<bool> FillAsync(uint timeline, ulong? until, CancellationToken cancellationToken)
    {
        _segment?.Dispose();
        _segment = null;
        var isFilled = false;
        // The segment in which the server left the timeline is not whole on it, and what an archive has of later ones is none of the server's WAL.
        for (var at = progress.Received - (progress.Received % (uint)Bytes); until is not { } end || at + (uint)Bytes <= end; at += (uint)Bytes)
        {
            var start = at;
            var (isThere, next) = await Fill!.TryAsync(WalFileName.ForLsn(timeline, new(at), Size), Expectations, level => Open(timeline, start, level), cancellationToken).ConfigureAwait(false);
            if (!isThere)
                break;
            isFilled = true;
            (progress.Chain, progress.Next) = (next, null);
            Volatile.Write(ref progress.Received, at + (uint)Bytes);
            OnComplete();
        }

        return isFilled;
    }

    /// <summary>Goes on along the next timeline from the start of the segment in which the server left one, when it has that no more either: the segment of the next timeline begins with what is missing.</summary>
    /// <returns>Whether what is missing lies in that segment.</returns>
    private async Task<bool> LeaveAsync(uint timeline, ulong? until, CancellationToken cancellationToken)
    {
        var start = progress.Received - (progress.Received % (uint)Bytes);
        if (until is not { } end || start + (uint)Bytes <= end)
            return false;
        var next = (await FollowAsync(timeline, end, cancellationToken).ConfigureAwait(false)).Next;
        progress.Next = (next, start);
        ReceiveLog.Switched(log, timeline, new NpgsqlLogSequenceNumber(end).ToString(), next);
        return true;
    }

    private async Task StreamAsync(uint timeline, ulong start, ulong? until, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var messages = server.Connection.StartReplication(new PhysicalReplicationSlot(options.Slot), new(start), stop.Token, timeline).GetAsyncEnumerator(stop.Token);
        Task<bool>? pending = null;
        try
        {
            while (Taken != until)
            {
                var next = messages.MoveNextAsync();
                var hasWaited = !next.IsCompleted;
                pending = next.AsTask();
                if (hasWaited)
                    await ConfirmWhileWaitingAsync(pending, cancellationToken).ConfigureAwait(false);
                if (!await HasNextAsync(pending).ConfigureAwait(false))
                    break;
                pending = null;
                if (progress.State != WalReceiverState.Streaming)
                    Streaming(timeline, start);
                await TakeAsync(messages.Current, until, cancellationToken).ConfigureAwait(false);
                // Under load there is always more to read.
                if (time.GetElapsedTime(_flushedAt) >= options.FlushInterval)
                    await ConfirmAsync(cancellationToken).ConfigureAwait(false);
                if (hasWaited && !options.Synchronous && Taken >= progress.ServerEnd)
                    await GatherAsync(cancellationToken).ConfigureAwait(false);
            }

            await ConfirmAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception) when (cancellationToken.IsCancellationRequested)
        {
            // Stopped on purpose: what is here is kept, though nobody is told any more.
            KeepRest(isFlushed: true);
            throw;
        }
        catch (NpgsqlException)
        {
            // The connection broke: what had come may be the last there is of it.
            KeepRest(isFlushed: false);
            throw;
        }
        finally
        {
            await EndAsync(stop, messages, pending).ConfigureAwait(false);
        }
    }

    // Why the stream ends is what counts: what cannot be kept now comes again.
    private void KeepRest(bool isFlushed)
    {
        try
        {
            WriteOut();
            if (isFlushed)
                _segment?.Flush();
        }
        catch (WalException refused)
        {
            ReceiveLog.NotKept(log, refused.Message);
        }
    }

    private void Streaming(uint timeline, ulong start)
    {
        (progress.LastError, progress.State) = (null, WalReceiverState.Streaming);
        ReceiveLog.Started(log, timeline, new NpgsqlLogSequenceNumber(start).ToString(), files.Path);
    }

    // The driver does not end its read with the enumeration; an unobserved failure of it would come up in the finaliser.
    private static async Task EndAsync(CancellationTokenSource stop, IAsyncEnumerator<XLogDataMessage> messages, Task<bool>? pending)
    {
        try
        {
            await stop.CancelAsync().ConfigureAwait(false);
        }
        catch (AggregateException)
        {
            // What the driver does when it is cancelled needs the server, which may be gone.
        }

        try
        {
            if (pending is not null)
                await pending.ConfigureAwait(false);
            await messages.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception)
        {
            // Whatever ended the stream is under way already; this is the echo of it.
        }
    }

    /// <summary>Lets the messages of a server that has sent all it had come together in the socket, to be read in one go. A server that has more is never kept waiting.</summary>
    private Task GatherAsync(CancellationToken cancellationToken)
    {
        WriteOut();
        return Task.Delay(options.FlushInterval < GatherTime ? options.FlushInterval : GatherTime, time, cancellationToken);
    }

    private async Task ConfirmWhileWaitingAsync(Task<bool> pending, CancellationToken cancellationToken)
    {
        WriteOut();
        while (!pending.IsCompleted && _segment is { IsFlushed: false })
        {
            var left = options.FlushInterval - time.GetElapsedTime(_flushedAt);
            if (!options.Synchronous && left > TimeSpan.Zero)
            {
                // One timer for all that is waited for until the next flush.
                _flushDue ??= Task.Delay(left, time, cancellationToken);
                if (await Task.WhenAny(pending, _flushDue).ConfigureAwait(false) == pending)
                    return;
                cancellationToken.ThrowIfCancellationRequested();
            }

            await ConfirmAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    // On disk first, then the word to the server: what it hears releases commits, and lets it remove the WAL.
    private async Task ConfirmAsync(CancellationToken cancellationToken)
    {
        (_flushedAt, _flushDue) = (time.GetTimestamp(), null);
        WriteOut();
        _segment?.Flush();
        // What was there before is confirmed when all of it has come again, so that the server never hears of a step back.
        // By connection: a new one has told the server nothing, and a commit may wait for the word that was lost with the old one.
        if (_confirmed == progress.Received || (_segment is { } segment && segment.End < segment.KnownEnd))
            return;
        _confirmed = progress.Received;
        Volatile.Write(ref progress.Flushed, progress.Received);
        WalTelemetry.ReceiveLag = progress.ToStatus().LagBytes;
        await server.ConfirmAsync(new(progress.Flushed), cancellationToken).ConfigureAwait(false);
    }

    private async Task TakeAsync(XLogDataMessage message, ulong? until, CancellationToken cancellationToken)
    {
        Volatile.Write(ref progress.ServerEnd, Math.Max(progress.ServerEnd, (ulong)message.WalEnd));
        if ((ulong)message.WalStart != Taken)
            throw WalReceiveException.Unexpected(message.WalStart, new(Taken));
        int count;
        while ((count = await ReadAsync(message.Data, _buffer.AsMemory(_gathered, Room), cancellationToken).ConfigureAwait(false)) > 0)
        {
            _gathered += until is { } end ? (int)Math.Min((ulong)count, end - Taken) : count;
            if (Room > 0)
                continue;
            WriteOut();
            if (_segment is null)
                await ConfirmAsync(cancellationToken).ConfigureAwait(false);
        }

        Volatile.Write(ref progress.ServerEnd, Math.Max(progress.ServerEnd, Taken));
    }

    // For each message: what ReceiveServer.DriverAsync does, without its allocations.
    private static async ValueTask<bool> HasNextAsync(Task<bool> pending)
    {
        try
        {
            return await pending.ConfigureAwait(false);
        }
        catch (Exception broken) when (ReceiveServer.IsOfBrokenConnection(broken))
        {
            throw ReceiveServer.Broken(broken);
        }
    }

    private static async ValueTask<int> ReadAsync(Stream data, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            return await data.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception broken) when (ReceiveServer.IsOfBrokenConnection(broken))
        {
            throw ReceiveServer.Broken(broken);
        }
    }

    private void WriteOut()
    {
        if (_gathered == 0 || _isTorn)
            return;
        // A write that failed is not tried again: how far it came nobody knows.
        _isTorn = true;
        // The next one is made when its first bytes come.
        _segment ??= Open(progress.Timeline, progress.Received, options.Validation);
        _segment.Append(_buffer.AsSpan(0, _gathered));
        Volatile.Write(ref progress.Received, Taken);
        (_gathered, _isTorn) = (0, false);
        WalTelemetry.ReceiveLag = progress.ToStatus().LagBytes;
        if (!_segment.IsFull)
            return;
        progress.Chain = _segment.Complete();
        ReceiveLog.Completed(log, _segment.Name);
        _segment.Dispose();
        (_segment, progress.Next) = (null, null);
        OnComplete();
    }
}
