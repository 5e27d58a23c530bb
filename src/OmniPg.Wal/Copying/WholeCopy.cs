using System.IO.Hashing;
using System.Numerics;
using System.Runtime.InteropServices;
using OmniPg.Shared;

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
        // Content that is stored as it is goes in stages: nothing is won by one thread where nothing is encoded, and its two hashes are made side by side there.
        return request.Targets is not [var first, ..]
            || (first.Codec != Codec.None && first.Codec.MaxCompressedBytes((int)length) is not null && request.Targets.All(t => t.Codec == first.Codec && LevelOf(t) == LevelOf(first)));
    }

    /// <summary>The most bytes that the targets' encoder can make of it.</summary>
    public static int MostStored(CopyRequest request) =>
        request.Targets is [var first, ..] ? first.Codec.MaxCompressedBytes((int)request.Source.Length!.Value)!.Value : 0;

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
        // This thread reads it as well: the hash is made while the stores write.
        stored.SetReaders(targets.Length + 1);
        foreach (var target in targets)
        {
            target.Start(info);
            target.Queue.Enqueue(stored);
            target.Queue.Complete();
        }

        var sha256 = request.NeedsHashes ? Sha256Text.Of(stored.Filled.Span) : "";
        stored.Release();
        foreach (var target in targets)
            target.StoredSha256 = sha256;
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
        var stored = await buffers.RentStoredAsync().ConfigureAwait(false);
        try
        {
            stored.Length = target.Codec.CompressWhole(_raw!.Filled.Span, stored.Free.Span, target.Level);
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
internal sealed class WholeBuffers
{
    private const int HugePage = 2 << 20;
    private readonly int _contentBytes;
    private readonly int _storedBytes;
    private readonly BufferPool _raw;
    private readonly BufferPool _stored;

    /// <param name="contentBytes">Size of the largest content.</param>
    /// <param name="storedBytes">The most that an encoder makes of it. Only what is written of it becomes memory.</param>
    public WholeBuffers(int contentBytes, int storedBytes)
    {
        (_contentBytes, _storedBytes) = (contentBytes, storedBytes);
        // In huge pages, where the kernel has them: a program that starts for every segment meets all of this for the first time, and with pages of 4 KiB the faults take longer
        // than the reading. One block for both buffers, because the second of that size would set off a collection.
        var page = contentBytes >= 2 * HugePage && OperatingSystem.IsLinux() ? HugePage : 1;
        var rawBytes = RoundUp(contentBytes + 1, page);
        var block = GC.AllocateUninitializedArray<byte>(checked(rawBytes + storedBytes + page - 1), pinned: true);
        var address = Marshal.UnsafeAddrOfPinnedArrayElement(block, 0);
        var start = (int)(RoundUp(address, page) - address);
        if (page > 1)
            Posix.AdviseHugePages(address + start, rawBytes + storedBytes);
        _raw = new BufferPool(block.AsMemory(start, contentBytes + 1));
        _stored = new BufferPool(block.AsMemory(start + rawBytes, storedBytes));
    }

    /// <summary>Whether nobody uses them, so that they can serve another copy: a store that hangs may still read from one.</summary>
    public bool AreHome => _raw.IsWhole && _stored.IsWhole;

    public bool Holds(int contentBytes, int storedBytes) => contentBytes <= _contentBytes && storedBytes <= _storedBytes;

    public async ValueTask<CopyBuffer> RentRawAsync() => (await _raw.RentAsync().ConfigureAwait(false))!;

    public async ValueTask<CopyBuffer> RentStoredAsync() => (await _stored.RentAsync().ConfigureAwait(false))!;

    public static void Return(CopyBuffer buffer)
    {
        buffer.SetReaders(1);
        buffer.Release();
    }

    private static T RoundUp<T>(T value, int unit)
        where T : IBinaryInteger<T> => (value + T.CreateChecked(unit - 1)) / T.CreateChecked(unit) * T.CreateChecked(unit);
}
