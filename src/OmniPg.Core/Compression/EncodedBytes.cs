using System.Buffers;

namespace OmniPg;

/// <summary>What an encoder wrote, as a stream or a buffer writer, until it is moved on; grows to the largest single step and stays there.</summary>
internal sealed class EncodedBytes(int size) : WriteOnlyStream, IBufferWriter<byte>
{
    private byte[] _bytes = ArrayPool<byte>.Shared.Rent(size);
    private int _start;
    private int _end;

    public bool IsEmpty => _start == _end;

    public int MoveTo(Span<byte> target)
    {
        var count = Math.Min(target.Length, _end - _start);
        _bytes.AsSpan(_start, count).CopyTo(target);
        _start += count;
        if (IsEmpty)
            _start = _end = 0;
        return count;
    }

    public void Advance(int count) => _end += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        MakeRoom(sizeHint);
        return _bytes.AsMemory(_end);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        MakeRoom(sizeHint);
        return _bytes.AsSpan(_end);
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        buffer.CopyTo(GetSpan(buffer.Length));
        Advance(buffer.Length);
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override void Flush()
    {
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && _bytes.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_bytes);
            _bytes = [];
            _start = _end = 0;
        }

        base.Dispose(disposing);
    }

    // A buffer writer asked without a size still has to give room.
    private void MakeRoom(int bytes)
    {
        if (_bytes.Length - _end >= Math.Max(bytes, 1))
            return;
        var larger = ArrayPool<byte>.Shared.Rent(_end + Math.Max(bytes, 1));
        _bytes.AsSpan(0, _end).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = larger;
    }
}
