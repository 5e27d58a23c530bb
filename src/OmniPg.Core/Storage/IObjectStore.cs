namespace OmniPg;

/// <summary>A sink that can also be asked: a directory, an object store. WAL archives, backups and archived partitions stand on it.</summary>
/// <remarks>
/// The contract that recovery rests on: <see cref="OpenReadAsync"/> and <see cref="StatAsync"/> answer <see langword="null"/> only when the store
/// itself said that the object is not there. An unreachable host, a missing mount, a refused permission or a time-out throws. Whoever concludes
/// anything from absence asks <see cref="IdentifyAsync"/> before and after the look, and requires that something it knows of is there. Derive the
/// test class <c>ObjectStoreContract</c> to check an own store.
/// </remarks>
public interface IObjectStore : IObjectSink
{
    /// <summary>Proves that the place answers, and tells it from another one that answers under the same name at another time.</summary>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>
    /// For a directory its device and inode, which change when something is mounted there or unmounted; <see cref="IObjectSink.Id"/> where a name cannot
    /// come to mean another place, as with a bucket that has answered. Without secrets.
    /// </returns>
    /// <exception cref="IOException">The place is not there or does not answer; a store with a client of its own throws that client's error.</exception>
    Task<string> IdentifyAsync(CancellationToken cancellationToken = default);

    /// <summary>Opens an object.</summary>
    /// <param name="key">Key of the object.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>Its bytes as stored, or <see langword="null"/> when it is proven absent.</returns>
    Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default);

    /// <summary>Looks an object up.</summary>
    /// <param name="key">Key of the object.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>What the store knows of it, or <see langword="null"/> when it is proven absent.</returns>
    Task<ObjectEntry?> StatAsync(string key, CancellationToken cancellationToken = default);

    /// <summary>Makes sure that an object found under its key survives a power cut, before anybody counts on it.</summary>
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
    IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, CancellationToken cancellationToken = default);

    /// <summary>Lists the objects whose keys have no more folders than that before their names; what lies further down is somebody else's.</summary>
    /// <param name="prefix">What keys must begin with; empty for all.</param>
    /// <param name="depth">Most folders of a key: 0 for objects of the root alone.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The objects, one by one.</returns>
    /// <remarks>Default: takes them out of the whole listing. A store that can leave deeper folders alone does: they may be huge, or closed to this account.</remarks>
    IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, int depth, CancellationToken cancellationToken = default) =>
        ListAsync(prefix, cancellationToken).Where(entry => entry.Key.Count('/') <= depth);

    /// <summary>Removes an object; does nothing when it is not there.</summary>
    /// <param name="key">Key of the object.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>A task that ends when the object is gone.</returns>
    Task DeleteAsync(string key, CancellationToken cancellationToken = default);

    /// <summary>Removes what killed writers left behind: temporary files, unfinished uploads.</summary>
    /// <param name="olderThan">Only what was last written before this moment; a living writer is not silent for long.</param>
    /// <param name="depth">Most folders of a key that was written; further down nothing is touched.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>How many were removed. Default: 0, right for stores where an unfinished object occupies nothing.</returns>
    Task<int> RemoveAbandonedAsync(DateTimeOffset olderThan, int depth = int.MaxValue, CancellationToken cancellationToken = default) => Task.FromResult(0);
}

/// <summary>An object of a store.</summary>
/// <param name="Key">Its key.</param>
/// <param name="Bytes">Its size as stored.</param>
/// <param name="Modified">When it was last modified (UTC), or what <see cref="ObjectInfo.Modified"/> said when it was written.</param>
/// <param name="Content">What its writer said of the content when the store keeps that with the object, else <see langword="null"/>.</param>
public sealed record ObjectEntry(string Key, long Bytes, DateTimeOffset Modified, ObjectContent? Content = null);
