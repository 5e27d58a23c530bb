using System.Collections.Concurrent;
using System.Runtime.CompilerServices;

namespace OmniPg;

/// <summary>Keeps objects in memory: the shortest correct <see cref="IObjectStore"/>, for tests of code that stores or restores.</summary>
/// <param name="name">Last part of <see cref="Id"/>.</param>
/// <param name="timeProvider">Clock of the objects' modification times; <see langword="null"/> means that of the system.</param>
public sealed class MemoryObjectStore(string name = "default", TimeProvider? timeProvider = null) : IObjectStore
{
    private readonly ConcurrentDictionary<string, StoredObject> _objects = new(StringComparer.Ordinal);
    private readonly TimeProvider _time = timeProvider ?? TimeProvider.System;

    /// <inheritdoc/>
    public string Id => $"memory:{name}";

    /// <inheritdoc/>
    public Task<string> IdentifyAsync(CancellationToken cancellationToken = default) => Task.FromResult(Id);

    /// <inheritdoc/>
    public ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        ArgumentNullException.ThrowIfNull(info);
        cancellationToken.ThrowIfCancellationRequested();
        return new ValueTask<IObjectWriter>(new Writer(this, key, info));
    }

    /// <inheritdoc/>
    public Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult<Stream?>(_objects.TryGetValue(key, out var stored) ? new MemoryStream(stored.Bytes, writable: false) : null);
    }

    /// <inheritdoc/>
    public Task<ObjectEntry?> StatAsync(string key, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult(_objects.TryGetValue(key, out var stored) ? stored.Entry : null);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken = default)
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

    private sealed record StoredObject(ObjectEntry Entry, byte[] Bytes);

    private sealed class Writer(MemoryObjectStore store, string key, ObjectInfo info) : IObjectWriter
    {
        private readonly MemoryStream _bytes = new();

        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _bytes.Write(bytes.Span);
            return ValueTask.CompletedTask;
        }

        public Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var stored = new StoredObject(new ObjectEntry(key, _bytes.Length, info.Modified ?? store._time.GetUtcNow(), content), _bytes.ToArray());
            return Task.FromResult(store._objects.TryAdd(key, stored) ? ObjectCommitResult.Created : ObjectCommitResult.AlreadyExists);
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
