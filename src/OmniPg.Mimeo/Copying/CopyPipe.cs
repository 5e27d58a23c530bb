using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics;
using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>One COPY out of the source, poured into COPYs at the destination: raw bytes, counted rows, and a proof that all of them came.</summary>
/// <remarks>
/// <para>The loop runs on a thread of its own with the driver's synchronous span calls. The server sends a message for each row, and the asynchronous calls
/// allocate for each message; a token handed to them is registered for each message, too. So cancellation comes from beside the loop.</para>
/// <para>Complete is: the trailer was seen at the end of a row (binary), or the last byte ended a row (text), the source said CopyDone and CommandComplete
/// after it, and the destination did so for each part. The trailer matters, because the server takes a stream without one for whole
/// (src/backend/commands/copyfromparse.c, NextCopyFrom). Nothing is kept otherwise: an end of the destination's COPY is its commit to the rows, so on every
/// failure that COPY is cancelled before anything is disposed, and the caller rolls back.</para>
/// <para>A server that refuses a row goes on swallowing CopyData silently (src/backend/tcop/postgres.c, case 'd'); to hear of it before the last byte was
/// sent, the destination gets parts, each a COPY of its own in the caller's transaction.</para>
/// <para>Both connections are the caller's, in transactions of the caller's, and with <c>client_encoding</c> UTF8: binary texts are in that encoding, too.</para>
/// </remarks>
internal sealed class CopyPipe
{
    /// <summary>"PGCOPY\n\377\r\n\0", no flags, no extension: the 19 bytes in front of the first row of the binary form (manual, COPY, "Binary Format").</summary>
    public static ReadOnlySpan<byte> Header => [0x50, 0x47, 0x43, 0x4F, 0x50, 0x59, 0x0A, 0xFF, 0x0D, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    /// <summary>What it ends with.</summary>
    public static ReadOnlySpan<byte> Trailer => [0xFF, 0xFF];

    private static readonly TimeSpan ProgressEvery = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan InterruptEvery = TimeSpan.FromMilliseconds(100);

    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly TaskCompletionSource _ended = new();
    private Task _interrupting = Task.CompletedTask;
    private NpgsqlRawCopyStream? _reader;
    private NpgsqlRawCopyStream? _writer;
    private volatile CopySide _waitsFor;
    private volatile bool _isBetween;
    private long _partBytes;
    private TimeSpan _partBegan;
    private TimeSpan _reported;
    private RowWalk _walk;

    /// <summary>Connection that reads.</summary>
    public required NpgsqlConnection Source { get; init; }

    /// <summary>The query whose rows are copied, without a semicolon.</summary>
    public required string Query { get; init; }

    /// <summary>Connection that writes.</summary>
    public required NpgsqlConnection Destination { get; init; }

    /// <summary>Target of the COPY: quoted table and columns.</summary>
    public required string Into { get; init; }

    /// <summary>The target as messages name it.</summary>
    public required QualifiedName Name { get; init; }

    public CopyFormat Format { get; init; }

    /// <summary>Whether rows are written frozen: only into a table that was created or truncated in this transaction.</summary>
    public bool Freeze { get; init; }

    /// <summary>Size of the one buffer.</summary>
    public int BufferBytes { get; init; } = 256 * 1024;

    /// <summary>Bytes after which the destination has to confirm what it has.</summary>
    public long PartBytes { get; init; } = 64 * 1024 * 1024;

    /// <summary>Statements that the destination runs behind each part but the last, while the source goes on as far as sockets hold it.</summary>
    public IReadOnlyList<string> BetweenParts { get; init; } = [];

    /// <summary>Time after which it has to.</summary>
    public TimeSpan PartTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Ends the statement that the destination's backend is at, from another session; called when the pipe breaks off while that server may wait for something.</summary>
    /// <remarks>Its token ends the wait for such a session: there may be none until this pipe gives its own back.</remarks>
    public required Func<CancellationToken, Task> CancelDestination { get; init; }

    /// <summary>Longest wait for a destination that neither answers nor could be told to; then its connection is given up.</summary>
    public TimeSpan AbandonTime { get; init; } = TimeSpan.FromSeconds(10);

    public IProgress<CopyProgress>? Progress { get; init; }

    /// <summary>What holds the pipe back; null for nothing.</summary>
    public Throttle? Throttle { get; init; }

    /// <summary>Rows that the source's statistics promise, for the progress.</summary>
    public long? EstimatedRows { get; init; }

    /// <summary>Whole rows so far.</summary>
    public long Rows => _walk.Rows;

    /// <summary>Bytes of rows handed over so far.</summary>
    public long Bytes { get; private set; }

    /// <summary>What the pipe's thread allocated from its first byte to its last, for tests and benchmarks.</summary>
    public long AllocatedBytes { get; private set; }

    /// <summary>The statement that reads.</summary>
    public static string Out(string query, CopyFormat format) => $"COPY ({query}) TO STDOUT ({Word(format)})";

    /// <summary>The statement that writes.</summary>
    public static string In(string into, CopyFormat format, bool freeze) => $"COPY {into} FROM STDIN ({Word(format)}{(freeze ? ", FREEZE" : "")})";

    private static string Word(CopyFormat format) => format == CopyFormat.Binary ? "FORMAT binary" : "FORMAT text";

    /// <summary>Copies all rows.</summary>
    /// <param name="cancellationToken">Cancels both COPYs at once.</param>
    /// <exception cref="CopyInterruptedException">One side broke off; the caller has to roll back.</exception>
    /// <exception cref="MimeoLockException">It broke off for a lock that others have; the caller has to roll back.</exception>
    /// <exception cref="NpgsqlException">One of <see cref="BetweenParts"/> failed, which is no part of the COPY; the caller has to roll back.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the caller has to roll back.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            var query = Out(Query, Format);
            _reader = Format == CopyFormat.Binary
                ? await Source.BeginRawBinaryCopyAsync(query, cancellationToken).ConfigureAwait(false)
                : (NpgsqlRawCopyStream)(await Source.BeginTextExportAsync(query, cancellationToken).ConfigureAwait(false)).BaseStream;
            NoLimit(_reader);
            await Task.Factory.StartNew(() => Pour(cancellationToken), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            // A wait of the driver that was cut short comes out as an error of the server or of the socket.
            cancellationToken.ThrowIfCancellationRequested();
            if (error is CopyInterruptedException || _isBetween)
                throw;
            if (error is PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected })
                throw new MimeoLockException(Name, _waitsFor == CopySide.Source ? "read its rows at the source" : "write its rows", error);
            var why = error is PostgresException { Where: { Length: > 0 } where } refusal ? $"{refusal.MessageText} ({where})" : error is PostgresException other ? other.MessageText : error.Message;
            throw new CopyInterruptedException(_waitsFor, Name.ToString(), Rows, why, error);
        }
    }

    private void Pour(CancellationToken cancellationToken)
    {
        var allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            // On the pool, so that whoever cancels does not wait for two servers.
            using (cancellationToken.UnsafeRegister(static pipe => ((CopyPipe)pipe!)._interrupting = Task.Run(((CopyPipe)pipe!).InterruptAsync), this))
            {
                try
                {
                    _waitsFor = CopySide.Destination;
                    BeginPart();
                    Loop(buffer, cancellationToken);
                    _waitsFor = CopySide.Destination;
                    EndPart();
                }
                finally
                {
                    _ended.SetResult();
                }
            }
            _waitsFor = CopySide.Source;
            _reader!.Dispose();
            Report(last: true);
        }
        catch
        {
            Abandon();
            throw;
        }
        finally
        {
            // No cancel request may be under way when the connections do other work. One that a backend got before its next statement came is nothing to it
            // (src/backend/tcop/postgres.c, ProcessInterrupts with DoingCommandRead).
            _interrupting.Wait(CancellationToken.None);
            ArrayPool<byte>.Shared.Return(buffer);
            AllocatedBytes = GC.GetAllocatedBytesForCurrentThread() - allocatedBefore;
        }
    }

    private void Loop(byte[] buffer, CancellationToken cancellationToken)
    {
        var kept = 0;
        for (var ended = false; !ended;)
        {
            _waitsFor = CopySide.Source;
            var filled = kept;
            while (filled < buffer.Length && !ended)
            {
                var read = _reader!.Read(buffer.AsSpan(filled));
                filled += read;
                ended = read == 0;
            }

            var data = buffer.AsSpan(0, filled);
            var (from, rowEnd, to) = Format == CopyFormat.Binary ? _walk.Binary(data) : _walk.Text(data);
            _waitsFor = CopySide.Destination;
            cancellationToken.ThrowIfCancellationRequested();
            if (rowEnd > 0 && (_partBytes >= PartBytes || _clock.Elapsed - _partBegan >= PartTime))
            {
                Write(data[from..rowEnd]);
                EndPart();
                RunBetween();
                BeginPart();
                from = rowEnd;
            }
            Write(data[from..to]);
            data[to..].CopyTo(buffer);
            kept = filled - to;
            Report(last: false);
            if (Throttle?.Take(to) is { } wait && wait > TimeSpan.Zero)
                cancellationToken.WaitHandle.WaitOne(wait);
        }
        if (!_walk.IsComplete)
        {
            throw new CopyInterruptedException(CopySide.Source, Name.ToString(), Rows,
                Format == CopyFormat.Binary ? "the stream ended without its trailer." : "the stream ended inside a row.");
        }
    }

    private void RunBetween()
    {
        _isBetween = true;
        foreach (var sql in BetweenParts)
        {
            using var command = new NpgsqlCommand(sql, Destination) { CommandTimeout = 0 };
            command.ExecuteNonQuery();
        }
        _isBetween = false;
    }

    private void BeginPart()
    {
        var command = In(Into, Format, Freeze);
        _writer = Format == CopyFormat.Binary ? Destination.BeginRawBinaryCopy(command) : (NpgsqlRawCopyStream)((StreamWriter)Destination.BeginTextImport(command)).BaseStream;
        NoLimit(_writer);
        if (Format == CopyFormat.Binary)
            _writer.Write(Header);
        (_partBytes, _partBegan) = (0, _clock.Elapsed);
    }

    // The data source's limit of a command would count for each message: a sort may take long before the first row, a trigger behind the last one.
    private static void NoLimit(NpgsqlRawCopyStream stream) => (stream.ReadTimeout, stream.WriteTimeout) = (0, 0);

    private void EndPart()
    {
        if (Format == CopyFormat.Binary)
            _writer!.Write(Trailer);
        var confirmed = _writer!;
        _writer = null;
        confirmed.Dispose();
    }

    private void Write(ReadOnlySpan<byte> rows)
    {
        _writer!.Write(rows);
        _partBytes += rows.Length;
        Bytes += rows.Length;
    }

    private void Report(bool last)
    {
        if (Progress is null || (!last && _clock.Elapsed - _reported < ProgressEvery))
            return;
        _reported = _clock.Elapsed;
        Progress.Report(new CopyProgress(Name, Rows, Bytes, _reported, EstimatedRows));
    }

    // Wakes the pipe from whichever server it waits for. Again and again, because a request that comes between two statements is nothing to a server.
    private async Task InterruptAsync()
    {
        do
        {
            // The read of a source that sends nothing any more; harmless when the loop is elsewhere, for it ends anyway.
            Quietly(_reader!.Cancel);
            if (_waitsFor == CopySide.Destination)
                await CancelDestinationAsync(_ended.Task).ConfigureAwait(false);
        }
        while (await Task.WhenAny(_ended.Task, Task.Delay(InterruptEvery, TimeProvider.System)).ConfigureAwait(false) != _ended.Task);
    }

    // Until it is done or needed no more: where other pipes have all sessions and are broken off, too, each would wait for the others.
    private async Task CancelDestinationAsync(Task ended)
    {
        using var enough = new CancellationTokenSource();
        var cancelling = Task.Run(() => CancelDestination(enough.Token));
        await Task.WhenAny(cancelling, ended).ConfigureAwait(false);
        await enough.CancelAsync().ConfigureAwait(false);
        await cancelling.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    // The destination first: a COPY that is disposed of keeps its rows.
    private void Abandon()
    {
        if (_writer is { } writer)
        {
            // Its backend may wait for a lock that nobody gives back, and answers nothing before that wait is ended. What no session can end, ends with the socket.
            var answered = new TaskCompletionSource();
            var cancelling = CancelDestinationAsync(answered.Task);
            Quietly(() => writer.ReadTimeout = writer.WriteTimeout = (int)AbandonTime.TotalMilliseconds);
            Quietly(writer.Cancel);
            answered.SetResult();
            cancelling.Wait(CancellationToken.None);
        }
        Quietly(() => _reader?.Cancel());
        Quietly(() => _reader?.Dispose());
    }

    private static void Quietly(Action step)
    {
        try
        {
            step();
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            // Broken or over already, which the driver tells in many ways: the first failure is the one that is told, and the other side has to be ended all the same.
        }
    }

    /// <summary>Walks over the bytes of rows, however they are cut, to count rows and find where they end.</summary>
    private struct RowWalk
    {
        private bool _begun;
        private long _skip;
        private int _values;

        public long Rows { get; private set; }

        public bool IsComplete { get; private set; }

        /// <summary>Text: rows end with a line feed, and none stands inside of a value.</summary>
        /// <returns>Where rows begin in the data, where the last whole row ends (0: none does), and where what was understood ends.</returns>
        public (int From, int RowEnd, int To) Text(ReadOnlySpan<byte> data)
        {
            var end = data.LastIndexOf((byte)'\n') + 1;
            Rows += data[..end].Count((byte)'\n');
            // A last call may have no data: what the one before said stands.
            if (data.Length > 0 || !_begun)
                IsComplete = end == data.Length;
            _begun = true;
            return (0, end, data.Length);
        }

        /// <summary>Binary: a count of values, then each with its length; a count of −1 ends the stream.</summary>
        /// <inheritdoc cref="Text"/>
        public (int From, int RowEnd, int To) Binary(ReadOnlySpan<byte> data)
        {
            var at = 0;
            if (!_begun)
            {
                // A stream that ends before its header has sent nothing; the caller sees that it is not complete.
                if (data.Length < Header.Length)
                    return (0, 0, 0);
                var extension = BinaryPrimitives.ReadInt32BigEndian(data[15..]);
                if (!data.StartsWith(Header[..11]) || extension != 0)
                    throw new InvalidDataException("the stream does not begin as a binary COPY does.");
                (at, _begun) = (Header.Length, true);
            }
            var (from, rowEnd) = (at, 0);
            while (!IsComplete)
            {
                if (_skip > 0)
                {
                    var step = (int)Math.Min(_skip, data.Length - at);
                    at += step;
                    _skip -= step;
                    if (_skip > 0)
                        return (from, rowEnd, at);
                }
                else if (_values > 0)
                {
                    if (data.Length - at < sizeof(int))
                        return (from, rowEnd, at);
                    _skip = Math.Max(BinaryPrimitives.ReadInt32BigEndian(data[at..]), 0);
                    at += sizeof(int);
                    _values--;
                }
                else
                {
                    if (data.Length - at < sizeof(short))
                        return (from, rowEnd, at);
                    _values = BinaryPrimitives.ReadInt16BigEndian(data[at..]);
                    if (_values < 0)
                    {
                        (_values, IsComplete) = (0, true);
                        break;
                    }
                    at += sizeof(short);
                }
                if (_skip == 0 && _values == 0)
                {
                    Rows++;
                    rowEnd = at;
                }
            }
            // What stands behind the trailer would be no row of this stream.
            if (data.Length - at != Trailer.Length)
                throw new InvalidDataException("the stream goes on behind its trailer.");
            return (from, rowEnd, at);
        }
    }
}
