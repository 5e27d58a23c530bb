using System.Buffers;

namespace OmniPg.Wal;

/// <summary>Yields the content of an encrypted file. Nothing of a chunk is given out before its tag was found right.</summary>
internal sealed class DecryptingStream(Stream source, EncryptedFormat format) : Stream
{
    // One byte more than a chunk: whether anything follows tells whether it is the last.
    private byte[]? _stored = ArrayPool<byte>.Shared.Rent(EncryptedFormat.ChunkBytes + EncryptedFormat.TagBytes + 1);
    private readonly byte[] _plain = ArrayPool<byte>.Shared.Rent(EncryptedFormat.ChunkBytes);
    private int _ahead;
    private int _start;
    private int _end;
    private bool _isLast;

    public override bool CanRead => _stored is not null;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_stored is null, this);
        while (_start == _end && !_isLast)
        {
            var wanted = EncryptedFormat.ChunkBytes + EncryptedFormat.TagBytes + 1;
            var read = await source.ReadAtLeastAsync(_stored.AsMemory(_ahead, wanted - _ahead), wanted - _ahead, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            Open(_ahead + read);
        }

        return Take(buffer.Span);
    }

    public override int Read(Span<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_stored is null, this);
        while (_start == _end && !_isLast)
        {
            var wanted = EncryptedFormat.ChunkBytes + EncryptedFormat.TagBytes + 1;
            var read = source.ReadAtLeast(_stored.AsSpan(_ahead, wanted - _ahead), wanted - _ahead, throwOnEndOfStream: false);
            Open(_ahead + read);
        }

        return Take(buffer);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override async ValueTask DisposeAsync()
    {
        Release();
        await source.DisposeAsync().ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Release();
            source.Dispose();
        }

        base.Dispose(disposing);
    }

    private void Open(int available)
    {
        var isLast = available <= EncryptedFormat.ChunkBytes + EncryptedFormat.TagBytes;
        var length = isLast ? available : available - 1;
        format.Open(_stored.AsSpan(0, length), _plain, isLast);
        // Not before it opened: who reads on after damage must not meet an end.
        _isLast = isLast;
        (_start, _end) = (0, length - EncryptedFormat.TagBytes);
        _ahead = 0;
        if (_isLast)
            return;
        _stored![0] = _stored[length];
        _ahead = 1;
    }

    private int Take(Span<byte> buffer)
    {
        var count = Math.Min(buffer.Length, _end - _start);
        _plain.AsSpan(_start, count).CopyTo(buffer);
        _start += count;
        return count;
    }

    private void Release()
    {
        if (_stored is not { } stored)
            return;
        _stored = null;
        ArrayPool<byte>.Shared.Return(stored, clearArray: false);
        ArrayPool<byte>.Shared.Return(_plain, clearArray: true);
        format.Dispose();
    }
}
