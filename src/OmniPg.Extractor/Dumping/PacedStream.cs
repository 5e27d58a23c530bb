namespace OmniPg.Extractor;

/// <summary>Hands bytes on no faster than a rate: the pipe fills, and whoever writes into it waits.</summary>
/// <remarks>The average counts from the first read, so a time without bytes earns no burst longer than one buffer's worth.</remarks>
internal sealed class PacedStream(Stream source, long bytesPerSecond, TimeProvider time) : ReadOnlyStream
{
    private readonly int _maximumRead = (int)Math.Clamp(bytesPerSecond / 10, 1, 64 * 1024);
    private TimeSpan _due = TimeSpan.MinValue;
    private long _started;

    // Nobody can wait here without blocking a thread; the bytes count all the same, and the next asynchronous read waits for them.
    public override int Read(Span<byte> buffer)
    {
        var read = source.Read(buffer[..Math.Min(buffer.Length, _maximumRead)]);
        Account(read);
        return read;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_due != TimeSpan.MinValue && _due - time.GetElapsedTime(_started) is { Ticks: > 0 } wait)
            await Task.Delay(wait, time, cancellationToken).ConfigureAwait(false);
        var read = await source.ReadAsync(buffer[..Math.Min(buffer.Length, _maximumRead)], cancellationToken).ConfigureAwait(false);
        Account(read);
        return read;
    }

    private void Account(int read)
    {
        if (_due == TimeSpan.MinValue)
            (_started, _due) = (time.GetTimestamp(), TimeSpan.Zero);
        var now = time.GetElapsedTime(_started);
        _due = (_due > now ? _due : now) + TimeSpan.FromSeconds((double)read / bytesPerSecond);
    }
}
