namespace OmniPg.Wal.Tests.Copying;

/// <summary>Any number of bytes without holding them, and a source that breaks when told to.</summary>
internal sealed class PatternSource(long bytes, long breakAt = long.MaxValue) : ICopySource
{
    private long _position;

    public long? Length => bytes;

    public DateTimeOffset? Modified => null;

    /// <summary>What is waited for before it breaks.</summary>
    public Func<Task>? BeforeBreak { get; init; }

    public ValueTask<int> ReadAsync(Memory<byte> target, CancellationToken cancellationToken)
    {
        if (_position >= breakAt)
            return BreakAsync();
        var count = (int)Math.Min(target.Length, bytes - _position);
        target.Span[..count].Fill((byte)_position);
        _position += count;
        return new ValueTask<int>(count);
    }

    private async ValueTask<int> BreakAsync()
    {
        if (BeforeBreak is not null)
            await BeforeBreak();
        throw new IOException("Input/output error");
    }

    public void VerifyUnchanged(long bytesRead)
    {
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
