namespace OmniPg.Wal;

/// <summary>
/// Lets the pump write into a <see cref="RestoreTarget"/>. A commit does not give the file its name yet: a restore may still have to pad it, or to
/// wait until it is due.
/// </summary>
internal sealed class RestoreDestination(RestoreTarget target) : WriteOnlyWalStore, IWalStoreWriter
{
    public override string Id => target.Path;

    public override ValueTask<IWalStoreWriter> CreateAsync(string key, WalObjectInfo info, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult<IWalStoreWriter>(this);

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        target.Write(bytes.Span);
        return ValueTask.CompletedTask;
    }

    public Task<WalCommitOutcome> CommitAsync(WalObjectContent content, CancellationToken cancellationToken = default) =>
        Task.FromResult(WalCommitOutcome.Created);
}
