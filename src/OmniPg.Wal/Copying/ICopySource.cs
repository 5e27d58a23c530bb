namespace OmniPg.Wal;

/// <summary>Where the pump takes its bytes from.</summary>
internal interface ICopySource : IAsyncDisposable
{
    /// <summary>Size of the content if it is known beforehand.</summary>
    long? Length { get; }

    /// <summary>Modification time to keep with the copies.</summary>
    DateTimeOffset? Modified { get; }

    /// <summary>How long reads were held back so far by a limit, which is nobody's fault.</summary>
    TimeSpan HeldBack => TimeSpan.Zero;

    /// <summary>Reads the next bytes; 0 at the end.</summary>
    ValueTask<int> ReadAsync(Memory<byte> target, CancellationToken cancellationToken);

    /// <summary>Called after the last byte: throws when the source is no longer what it was at the first.</summary>
    void VerifyUnchanged(long bytesRead);
}

/// <summary>Copies from a stream, such as the decompressed content of an archived file. The stream stays its owner's.</summary>
internal sealed class StreamCopySource(Stream stream, long? length = null, DateTimeOffset? modified = null) : ICopySource
{
    public long? Length => length;

    public DateTimeOffset? Modified => modified;

    public ValueTask<int> ReadAsync(Memory<byte> target, CancellationToken cancellationToken) => stream.ReadAsync(target, cancellationToken);

    public void VerifyUnchanged(long bytesRead)
    {
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
