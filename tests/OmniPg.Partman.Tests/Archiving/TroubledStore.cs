namespace OmniPg.Partman.Tests.Archiving;

/// <summary>A store that does something else at one of its calls: fails, is cancelled, or lets others act.</summary>
internal sealed class TroubledStore(IObjectStore inner) : IObjectStore
{
    public int Calls { get; private set; }

    /// <summary>Told the number and the name of each call before it is made.</summary>
    public Func<int, string, Task> Before { get; set; } = (_, _) => Task.CompletedTask;

    public string Id => inner.Id;

    public async Task<string> IdentifyAsync(CancellationToken cancellationToken = default)
    {
        await Before(Calls++, "identify");
        return await inner.IdentifyAsync(cancellationToken);
    }

    public async ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default)
    {
        await Before(Calls++, "create " + key);
        return new Writer(this, await inner.CreateAsync(key, info, cancellationToken), key);
    }

    public async Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default)
    {
        await Before(Calls++, "read " + key);
        return await inner.OpenReadAsync(key, cancellationToken);
    }

    public async Task<ObjectEntry?> StatAsync(string key, CancellationToken cancellationToken = default)
    {
        await Before(Calls++, "stat " + key);
        return await inner.StatAsync(key, cancellationToken);
    }

    public async Task EnsureDurableAsync(string key, CancellationToken cancellationToken = default)
    {
        await Before(Calls++, "durable " + key);
        await inner.EnsureDurableAsync(key, cancellationToken);
    }

    public IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, CancellationToken cancellationToken = default) => inner.ListAsync(prefix, cancellationToken);

    public async Task DeleteAsync(string key, CancellationToken cancellationToken = default)
    {
        await Before(Calls++, "delete " + key);
        await inner.DeleteAsync(key, cancellationToken);
    }

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private sealed class Writer(TroubledStore store, IObjectWriter inner, string key) : IObjectWriter
    {
        public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
        {
            await store.Before(store.Calls++, "write " + key);
            await inner.WriteAsync(bytes, cancellationToken);
        }

        public async Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default)
        {
            await store.Before(store.Calls++, "commit " + key);
            var result = await inner.CommitAsync(content, cancellationToken);
            await store.Before(store.Calls++, "committed " + key);
            return result;
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
