using System.IO.Hashing;

namespace OmniPg.Wal;

/// <summary>
/// One file with one codec, through memory as a whole and by one thread: read, validate and hash piece by piece while a piece is in the processor's cache; then, found good, encode all
/// of it in one call. No stage waits for another, the encoder reads and writes in place, and no target sees a byte before the verdict.
/// </summary>
internal sealed class WholeCopy(CopyRequest request, WholeBuffers buffers) : IDisposable
{
    // Small enough for the cache, and whole pages of WAL.
    private const int PieceBytes = 256 * 1024;

    private CopyBuffer? _raw;

    /// <summary>Whether a file may go this way: its size is known and not too large, and all targets share one codec and level, and that codec encodes in one call.</summary>
    public static bool Fits(CopyRequest request, int mostBytes)
    {
        if (request.NeedsSha256 || request.Source.Length is not { } length || length > mostBytes)
            return false;
        return request.Targets is not [var first, ..]
            || (first.Codec.MaxCompressedBytes((int)length) is not null && request.Targets.All(t => t.Codec == first.Codec && LevelOf(t) == LevelOf(first)));
    }

    /// <summary>Reads and inspects all of it.</summary>
    /// <exception cref="WalException">The source cannot be read, or its content is wrong.</exception>
    public async ValueTask<Inspection> ReadAsync(CancellationToken cancellationToken)
    {
        var raw = _raw = await buffers.RentRawAsync().ConfigureAwait(false);
        var hash = request.NeedsHashes ? new XxHash128() : null;
        // One byte more than was announced: a source that has grown meanwhile is found out.
        var limit = request.Source.Length!.Value + 1;
        while (raw.Length < limit)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var count = await request.Source.ReadAsync(raw.Free[..(int)Math.Min(PieceBytes, limit - raw.Length)], cancellationToken).ConfigureAwait(false);
            if (count == 0)
                break;
            raw.Length += count;
            Inspect(raw.Filled.Span[^count..], hash);
            request.OnRead?.Invoke(raw.Length);
        }

        return new Inspection(HashText.Finish(hash), "", raw.Length, request.Validator);
    }

    /// <summary>Encodes once and has every target write the result. A codec that fails takes down only the targets.</summary>
    public async Task StoreAsync(TargetWriter[] targets, CancellationToken cancellationToken)
    {
        if (targets.Length == 0)
            return;
        CopyBuffer stored;
        try
        {
            stored = await EncodeAsync(targets[0].Target).ConfigureAwait(false);
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            foreach (var target in targets)
                target.Abandon(error);
            return;
        }

        var info = new ObjectInfo { Modified = request.Source.Modified, RawBytes = request.Source.Length };
        var sha256 = request.NeedsHashes ? Sha256Text.Of(stored.Filled.Span) : "";
        foreach (var target in targets)
        {
            target.StoredSha256 = sha256;
            target.Start(info);
        }

        var queues = new FanOut(targets.Select(static t => t.Queue));
        queues.Publish(stored);
        queues.Complete();
        await Task.WhenAll(targets.Select(static t => t.Written)).WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Lets go of what was read.</summary>
    public void Dispose() => LetGo();

    private static int LevelOf(CopyTarget target) => target.Codec.CheckLevel(target.Level);

    private void Inspect(ReadOnlySpan<byte> piece, XxHash128? hash)
    {
        hash?.Append(piece);
        request.Validator?.Append(piece);
    }

    private async ValueTask<CopyBuffer> EncodeAsync(CopyTarget target)
    {
        var raw = _raw!;
        if (target.Codec == Codec.None)
        {
            _raw = null;
            return raw;
        }

        var stored = await buffers.RentStoredAsync(target.Codec.MaxCompressedBytes(raw.Length)!.Value).ConfigureAwait(false);
        try
        {
            stored.Length = target.Codec.CompressWhole(raw.Filled.Span, stored.Free.Span, target.Level);
        }
        catch
        {
            WholeBuffers.Return(stored);
            throw;
        }

        LetGo();
        return stored;
    }

    private void LetGo()
    {
        if (_raw is { } raw)
            WholeBuffers.Return(raw);
        _raw = null;
    }
}

/// <summary>The memory of one whole copy: a buffer for what is read and one for what is stored. Kept for the next file of the same size.</summary>
internal sealed class WholeBuffers(int contentBytes)
{
    private readonly BufferPool _raw = new(1, contentBytes + 1);
    private BufferPool? _stored;
    private int _storedBytes;

    /// <summary>Whether nobody uses them, so that they can serve another copy: a store that hangs may still read from one.</summary>
    public bool AreHome => _raw.IsWhole && _stored is not { IsWhole: false };

    public bool Holds(int bytes) => bytes <= contentBytes;

    public async ValueTask<CopyBuffer> RentRawAsync() => (await _raw.RentAsync().ConfigureAwait(false))!;

    /// <summary>Only what is written of it becomes memory: it may be as large as the worst case.</summary>
    public async ValueTask<CopyBuffer> RentStoredAsync(int room)
    {
        if (_stored is null || _storedBytes < room)
            (_stored, _storedBytes) = (new BufferPool(1, room), room);
        return (await _stored.RentAsync().ConfigureAwait(false))!;
    }

    public static void Return(CopyBuffer buffer)
    {
        buffer.SetReaders(1);
        buffer.Release();
    }
}
