using System.Collections.Concurrent;
using System.Runtime.CompilerServices;

namespace OmniPg.Wal;

/// <summary>Keeps objects in memory: the shortest correct <see cref="IWalStore"/>, for tests of code that archives or restores.</summary>
/// <param name="name">Last part of <see cref="Id"/>.</param>
/// <param name="timeProvider">Clock of the objects' modification times; <see langword="null"/> means that of the system.</param>
public sealed class MemoryWalStore(string name = "default", TimeProvider? timeProvider = null) : IWalStore
{
    private readonly ConcurrentDictionary<string, StoredObject> _objects = new(StringComparer.Ordinal);
    private readonly TimeProvider _time = timeProvider ?? TimeProvider.System;

    /// <inheritdoc/>
    public string Id => $"memory:{name}";

    /// <inheritdoc/>
    public WalStoreCapabilities Capabilities =>
        WalStoreCapabilities.Listable | WalStoreCapabilities.Readable | WalStoreCapabilities.ConditionalCreate | WalStoreCapabilities.Deletable;

    /// <inheritdoc/>
    public ValueTask<IWalStoreWriter> CreateAsync(string key, WalObjectInfo info, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        ArgumentNullException.ThrowIfNull(info);
        cancellationToken.ThrowIfCancellationRequested();
        return new ValueTask<IWalStoreWriter>(new MemoryObjectWriter((bytes, content) =>
        {
            var entry = new WalStoreEntry(key, bytes.Length, info.Modified ?? _time.GetUtcNow(), content.Sha256);
            return _objects.TryAdd(key, new StoredObject(entry, bytes)) ? WalCommitOutcome.Created : WalCommitOutcome.AlreadyExists;
        }));
    }

    /// <inheritdoc/>
    public Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult<Stream?>(_objects.TryGetValue(key, out var stored) ? new MemoryStream(stored.Bytes, writable: false) : null);
    }

    /// <inheritdoc/>
    public Task<WalStoreEntry?> StatAsync(string key, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult(_objects.TryGetValue(key, out var stored) ? stored.Entry : null);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<WalStoreEntry> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        await Task.CompletedTask.ConfigureAwait(false);
        foreach (var (key, stored) in _objects)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (key.StartsWith(prefix, StringComparison.Ordinal))
                yield return stored.Entry;
        }
    }

    /// <inheritdoc/>
    public Task DeleteAsync(string key, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _objects.TryRemove(key, out _);
        return Task.CompletedTask;
    }

    /// <summary>Nothing is held open; the objects stay until the store is collected.</summary>
    /// <returns>A completed task.</returns>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private sealed record StoredObject(WalStoreEntry Entry, byte[] Bytes);
}
