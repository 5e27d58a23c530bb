using System.Buffers;

namespace OmniPg;

/// <summary>Holds what a stream-shaped encoder wrote until it is moved on; grows to the largest single step and stays there.</summary>
internal sealed class StagingStream : WriteOnlyStream
{
    private byte[] _bytes = ArrayPool<byte>.Shared.Rent(96 * 1024);
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

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (_bytes.Length - _end < buffer.Length)
            Grow(buffer.Length);
        buffer.CopyTo(_bytes.AsSpan(_end));
        _end += buffer.Length;
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

    private void Grow(int count)
    {
        var larger = ArrayPool<byte>.Shared.Rent(_end + count);
        _bytes.AsSpan(0, _end).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = larger;
    }
}
