namespace OmniPg.Wal;

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
