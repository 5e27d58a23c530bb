namespace OmniPg.Wal;

/// <summary>Collects one object and hands it over on commit.</summary>
internal sealed class MemoryObjectWriter(Func<byte[], WalObjectContent, WalCommitOutcome> publish) : IWalStoreWriter
{
    private readonly MemoryStream _bytes = new();

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _bytes.Write(bytes.Span);
        return ValueTask.CompletedTask;
    }

    public Task<WalCommitOutcome> CommitAsync(WalObjectContent content, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult(publish(_bytes.ToArray(), content));
    }

    public ValueTask DisposeAsync() => _bytes.DisposeAsync();
}
