namespace OmniPg.Wal.Tests.Copying;

/// <summary>Takes everything and keeps nothing.</summary>
internal sealed class ForgettingStore : IWalStore, IWalStoreWriter
{
    public string Id => "forgetting";

    public WalStoreCapabilities Capabilities => WalStoreCapabilities.None;

    public ValueTask<IWalStoreWriter> CreateAsync(string key, WalObjectInfo info, CancellationToken cancellationToken = default) => new(this);

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default) => ValueTask.CompletedTask;

    public Task<WalCommitOutcome> CommitAsync(WalObjectContent content, CancellationToken cancellationToken = default) => Task.FromResult(WalCommitOutcome.Created);

    public Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public Task<WalStoreEntry?> StatAsync(string key, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public IAsyncEnumerable<WalStoreEntry> ListAsync(string prefix, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public Task DeleteAsync(string key, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
