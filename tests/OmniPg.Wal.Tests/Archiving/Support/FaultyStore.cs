namespace OmniPg.Wal.Tests.Archiving;

/// <summary>Where a <see cref="FaultyStore"/> fails.</summary>
internal enum FaultAt
{
    Nothing,
    Create,
    Write,
    CommitBefore,
    CommitAfter,
    Stat,
    Read,
    HangInWrite,
    HangInCommit,
    HangInStat,
    HangInDurable,
    Durable,
    Tidy,
}

/// <summary>A store in memory that fails at one step, after a number of bytes where that makes sense.</summary>
internal sealed class FaultyStore(string name, FaultAt fault = FaultAt.Nothing, long afterBytes = 0) : IObjectStore
{
    private readonly MemoryObjectStore _inner = new(name);

    public FaultAt Fault { get; set; } = fault;

    public int Creations { get; private set; }

    public List<string> MadeDurable { get; } = [];

    public TaskCompletionSource Hanging { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Called before each failure that was told.</summary>
    public Action? BeforeFault { get; set; }

    /// <summary>Called when an object has been published.</summary>
    public Action? AfterCommit { get; set; }

    public string Id => _inner.Id;

    public Task<string> IdentifyAsync(CancellationToken cancellationToken = default) => _inner.IdentifyAsync(cancellationToken);

    public async ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default)
    {
        var isMarker = key == WalArchiveMarker.Key;
        if (!isMarker)
            Creations++;
        FailIf(FaultAt.Create, isMarker);
        return new Writer(this, await _inner.CreateAsync(key, info, cancellationToken), isMarker);
    }

    public Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default)
    {
        FailIf(FaultAt.Read, key == WalArchiveMarker.Key);
        return _inner.OpenReadAsync(key, cancellationToken);
    }

    public Task<ObjectEntry?> StatAsync(string key, CancellationToken cancellationToken = default)
    {
        FailIf(FaultAt.Stat, false);
        // Blocks its thread, as a look at a mount whose server is gone does.
        if (Fault == FaultAt.HangInStat)
            Hanging.Task.Wait(CancellationToken.None);
        return _inner.StatAsync(key, cancellationToken);
    }

    public Task EnsureDurableAsync(string key, CancellationToken cancellationToken = default)
    {
        FailIf(FaultAt.Durable, false);
        MadeDurable.Add(key);
        return Fault == FaultAt.HangInDurable ? Hanging.Task : Task.CompletedTask;
    }

    public Task<int> RemoveAbandonedAsync(DateTimeOffset olderThan, int depth = int.MaxValue, CancellationToken cancellationToken = default)
    {
        FailIf(FaultAt.Tidy, false);
        return Task.FromResult(0);
    }

    public IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, CancellationToken cancellationToken = default) => _inner.ListAsync(prefix, cancellationToken);

    public Task DeleteAsync(string key, CancellationToken cancellationToken = default) => _inner.DeleteAsync(key, cancellationToken);

    public ValueTask DisposeAsync() => _inner.DisposeAsync();

    private void FailIf(FaultAt step, bool isMarker)
    {
        if (Fault != step || isMarker)
            return;
        BeforeFault?.Invoke();
        throw new IOException($"{step} failed as told");
    }

    private sealed class Writer(FaultyStore store, IObjectWriter inner, bool isMarker) : IObjectWriter
    {
        private long _bytes;

        public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
        {
            _bytes += bytes.Length;
            if (_bytes > store.AfterBytes)
            {
                store.FailIf(FaultAt.Write, isMarker);
                if (store.Fault == FaultAt.HangInWrite && !isMarker)
                    await store.Hanging.Task;
            }

            await inner.WriteAsync(bytes, cancellationToken);
        }

        public async Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default)
        {
            store.FailIf(FaultAt.CommitBefore, isMarker);
            if (store.Fault == FaultAt.HangInCommit && !isMarker)
                await store.Hanging.Task;
            var outcome = await inner.CommitAsync(content, cancellationToken);
            store.FailIf(FaultAt.CommitAfter, isMarker);
            store.AfterCommit?.Invoke();
            return outcome;
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    private long AfterBytes => afterBytes;
}
