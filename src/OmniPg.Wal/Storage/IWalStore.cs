namespace OmniPg.Wal;

/// <summary>One place that keeps WAL files: a directory, an object store, a program. The only seam between this package and storage.</summary>
/// <remarks>
/// <para>Keys are relative paths with <c>/</c>, made by <see cref="WalObjectKey"/>. Implementations are thread safe.</para>
/// <para>The contract that recovery rests on: <see cref="OpenReadAsync"/> and <see cref="StatAsync"/> answer <see langword="null"/> only when the store
/// itself said that the object is not there. An unreachable host, a missing mount, a refused permission or a time-out throws: PostgreSQL ends a
/// recovery when it is told "not there". A store that holds neither a <see cref="WalArchiveMarker"/> nor a WAL file is never believed: its callers
/// take it for storage that is not mounted (<see cref="WalArchiveAbsentException"/>).</para>
/// <para>Failures are thrown as they come (<see cref="IOException"/>, <see cref="UnauthorizedAccessException"/>, the client's own); callers add
/// which destination and which file. Derive the test class <c>WalStoreContract</c> to check an own store.</para>
/// </remarks>
public interface IWalStore : IAsyncDisposable
{
    /// <summary>Stable name of the place, such as <c>directory:/mnt/archive</c>; without secrets, because it is logged.</summary>
    string Id { get; }

    /// <summary>What the store can do beyond writing.</summary>
    WalStoreCapabilities Capabilities { get; }

    /// <summary>Tells the place that answers now from another one that answers under the same <see cref="Id"/> at another time.</summary>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>For a directory its device and inode, which change when something is mounted there or unmounted. Without secrets.</returns>
    /// <remarks>Default: <see cref="Id"/>, which is right where a name cannot come to mean another place, as with a bucket.</remarks>
    Task<string> IdentifyAsync(CancellationToken cancellationToken = default) => Task.FromResult(Id);

    /// <summary>Begins a new object. Nothing is visible under its key before <see cref="IWalStoreWriter.CommitAsync"/>.</summary>
    /// <param name="key">Key of the object.</param>
    /// <param name="info">What is known of the content beforehand.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>A writer; dispose it.</returns>
    ValueTask<IWalStoreWriter> CreateAsync(string key, WalObjectInfo info, CancellationToken cancellationToken = default);

    /// <summary>Opens an object.</summary>
    /// <param name="key">Key of the object.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>Its bytes as stored, or <see langword="null"/> when it is proven absent.</returns>
    /// <exception cref="NotSupportedException">The store is not <see cref="WalStoreCapabilities.Readable"/>.</exception>
    Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default);

    /// <summary>Looks an object up.</summary>
    /// <param name="key">Key of the object.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>What the store knows of it, or <see langword="null"/> when it is proven absent.</returns>
    /// <exception cref="NotSupportedException">The store is not <see cref="WalStoreCapabilities.Readable"/>.</exception>
    Task<WalStoreEntry?> StatAsync(string key, CancellationToken cancellationToken = default);

    /// <summary>Makes sure that an object found under its key survives a power cut, before it is counted as archived.</summary>
    /// <param name="key">Key of an object that is there.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>A task that ends when the object and its key are durable.</returns>
    /// <remarks>
    /// A writer may have been killed between publishing the object and making its key durable, or somebody copied it there with a plain program.
    /// Default: nothing to do, which is right for stores whose objects are durable as soon as they are visible.
    /// </remarks>
    Task EnsureDurableAsync(string key, CancellationToken cancellationToken = default) => Task.CompletedTask;

    /// <summary>Lists objects in no particular order; temporary objects of unfinished writers are left out.</summary>
    /// <param name="prefix">What keys must begin with; empty lists everything.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The objects, one by one.</returns>
    /// <exception cref="NotSupportedException">The store is not <see cref="WalStoreCapabilities.Listable"/>.</exception>
    IAsyncEnumerable<WalStoreEntry> ListAsync(string prefix, CancellationToken cancellationToken = default);

    /// <summary>Removes an object; does nothing when it is not there.</summary>
    /// <param name="key">Key of the object.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>A task that ends when the object is gone.</returns>
    /// <exception cref="NotSupportedException">The store is not <see cref="WalStoreCapabilities.Deletable"/>.</exception>
    Task DeleteAsync(string key, CancellationToken cancellationToken = default);
}
