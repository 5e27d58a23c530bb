using System.Buffers;
using System.Security.Cryptography;

namespace OmniPg.Shared;

/// <summary>The bytes of one request in pooled pieces, readable again from the start: a request is signed, sent, and maybe sent once more.</summary>
internal sealed class PartBuffer : Stream
{
    private const int PieceBytes = 1 << 20;

    private readonly List<byte[]> _pieces = [];
    private long _length;
    private long _position;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => _length;

    public override long Position
    {
        get => _position;
        set => _position = value;
    }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var used = (int)(_length % PieceBytes);
            if (used == 0 && _length / PieceBytes == _pieces.Count)
                _pieces.Add(ArrayPool<byte>.Shared.Rent(PieceBytes));
            var room = _pieces[(int)(_length / PieceBytes)].AsSpan(used, PieceBytes - used);
            var taken = Math.Min(room.Length, bytes.Length);
            bytes[..taken].CopyTo(room);
            bytes = bytes[taken..];
            _length += taken;
        }
    }

    /// <summary>SHA-256 of everything in it, in base 64.</summary>
    public string Sha256()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (long done = 0; done < _length; done += PieceBytes)
            hash.AppendData(_pieces[(int)(done / PieceBytes)].AsSpan(0, (int)Math.Min(PieceBytes, _length - done)));
        return Convert.ToBase64String(hash.GetHashAndReset());
    }

    /// <summary>Empties it; the pieces stay for the next part.</summary>
    public void Clear() => _length = _position = 0;

    public override int Read(Span<byte> buffer)
    {
        if (_position >= _length)
            return 0;
        var offset = (int)(_position % PieceBytes);
        var taken = (int)Math.Min(Math.Min(buffer.Length, PieceBytes - offset), _length - _position);
        _pieces[(int)(_position / PieceBytes)].AsSpan(offset, taken).CopyTo(buffer);
        _position += taken;
        return taken;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => Task.FromResult(Read(buffer.AsSpan(offset, count)));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(Read(buffer.Span));

    public override long Seek(long offset, SeekOrigin origin) => _position = origin switch
    {
        SeekOrigin.Begin => offset,
        SeekOrigin.Current => _position + offset,
        _ => _length + offset,
    };

    public override void Flush()
    {
    }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <summary>Gives the pieces back: never called by the client of a store that has sent it, which is told not to.</summary>
    protected override void Dispose(bool disposing)
    {
        foreach (var piece in _pieces)
            ArrayPool<byte>.Shared.Return(piece);
        _pieces.Clear();
        Clear();
        base.Dispose(disposing);
    }
}
