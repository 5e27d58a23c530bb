namespace OmniPg.Wal;

/// <summary>A store that takes objects and cannot be asked about them.</summary>
internal abstract class WriteOnlyWalStore : IWalStore
{
    public abstract string Id { get; }

    public WalStoreCapabilities Capabilities => WalStoreCapabilities.None;

    public abstract ValueTask<IWalStoreWriter> CreateAsync(string key, WalObjectInfo info, CancellationToken cancellationToken = default);

    public Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default) => throw CannotRead();

    public Task<WalStoreEntry?> StatAsync(string key, CancellationToken cancellationToken = default) => throw CannotRead();

    public IAsyncEnumerable<WalStoreEntry> ListAsync(string prefix, CancellationToken cancellationToken = default) => throw CannotRead();

    public Task DeleteAsync(string key, CancellationToken cancellationToken = default) => throw CannotRead();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private NotSupportedException CannotRead() => new($"'{Id}' only takes files.");
}
