namespace OmniPg.Extractor.Tests;

/// <summary>A prefix, one unit many times, a suffix: large input that is never held in memory.</summary>
internal sealed class RepeatedStream(byte[] prefix, byte[] unit, int repetitions, byte[] suffix) : Stream
{
    private readonly long _length = prefix.Length + ((long)unit.Length * repetitions) + suffix.Length;
    private long _position;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer)
    {
        var total = 0;
        while (total < buffer.Length && _position < _length)
        {
            var source = Current();
            var count = Math.Min(source.Length, buffer.Length - total);
            source[..count].CopyTo(buffer[total..]);
            total += count;
            _position += count;
        }
        return total;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => ValueTask.FromResult(Read(buffer.Span));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private ReadOnlySpan<byte> Current()
    {
        if (_position < prefix.Length)
            return prefix.AsSpan((int)_position);
        var within = _position - prefix.Length;
        return within < (long)unit.Length * repetitions
            ? unit.AsSpan((int)(within % unit.Length))
            : suffix.AsSpan((int)(within - ((long)unit.Length * repetitions)));
    }
}
