namespace OmniPg.Wal;

/// <summary>Takes everything and keeps nothing: what remains is the cost of the copy itself.</summary>
internal sealed class CountingStore : WriteOnlyWalStore, IWalStoreWriter
{
    public override string Id => "nowhere";

    public override ValueTask<IWalStoreWriter> CreateAsync(string key, WalObjectInfo info, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult<IWalStoreWriter>(this);

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default) => ValueTask.CompletedTask;

    public Task<WalCommitOutcome> CommitAsync(WalObjectContent content, CancellationToken cancellationToken = default) =>
        Task.FromResult(WalCommitOutcome.Created);
}
