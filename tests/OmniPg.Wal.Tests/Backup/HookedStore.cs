namespace OmniPg.Wal.Tests.Backup;

/// <summary>A store in which something happens right before an object is read or written, or behind its removal, and that can die: then nothing reaches it any more, as after a kill.</summary>
internal sealed class HookedStore(IObjectStore inner) : IObjectStore
{
    /// <summary>Called with the key before an object is opened to be read.</summary>
    public Action<string>? Reading { get; init; }

    /// <summary>Called before each listing.</summary>
    public Action? Listing { get; init; }

    /// <summary>Called behind each listing.</summary>
    public Action? Listed { get; init; }

    /// <summary>Called with the key before an object is written.</summary>
    public Func<string, Task>? Writing { get; init; }

    /// <summary>Called with the key behind the publication of an object, before anybody hears of it.</summary>
    public Func<string, Task>? Written { get; init; }

    /// <summary>Called with the key before an object is looked up.</summary>
    public Action<string>? Stating { get; init; }

    /// <summary>Called with the key before an object is removed.</summary>
    public Func<string, Task>? Removing { get; init; }

    /// <summary>Called with the key behind the removal of an object.</summary>
    public Func<string, Task>? Removed { get; init; }

    public bool IsDead { get; set; }

    public string Id => inner.Id;

    private IObjectStore Living => IsDead ? throw new IOException("The process was killed.") : inner;

    public Task<string> IdentifyAsync(CancellationToken cancellationToken = default) => Living.IdentifyAsync(cancellationToken);

    public async ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default)
    {
        await (Writing?.Invoke(key) ?? Task.CompletedTask);
        var writer = await Living.CreateAsync(key, info, cancellationToken);
        return Written is null ? writer : new Writer(writer, () => Written(key));
    }

    public Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default)
    {
        Reading?.Invoke(key);
        return Living.OpenReadAsync(key, cancellationToken);
    }

    public Task<ObjectEntry?> StatAsync(string key, CancellationToken cancellationToken = default)
    {
        Stating?.Invoke(key);
        return Living.StatAsync(key, cancellationToken);
    }

    public async IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        Listing?.Invoke();
        await foreach (var entry in Living.ListAsync(prefix, cancellationToken))
            yield return entry;
        Listed?.Invoke();
    }

    public async Task DeleteAsync(string key, CancellationToken cancellationToken = default)
    {
        await (Removing?.Invoke(key) ?? Task.CompletedTask);
        await Living.DeleteAsync(key, cancellationToken);
        await (Removed?.Invoke(key) ?? Task.CompletedTask);
    }

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private sealed class Writer(IObjectWriter inner, Func<Task> written) : IObjectWriter
    {
        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default) => inner.WriteAsync(bytes, cancellationToken);

        public async Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default)
        {
            var result = await inner.CommitAsync(content, cancellationToken);
            await written();
            return result;
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
