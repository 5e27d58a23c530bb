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
}

/// <summary>A store in memory that fails at one step, after a number of bytes where that makes sense.</summary>
internal sealed class FaultyStore(string name, FaultAt fault = FaultAt.Nothing, long afterBytes = 0) : IWalStore
{
    private readonly MemoryWalStore _inner = new(name);

    public FaultAt Fault { get; set; } = fault;

    public int Creations { get; private set; }

    public TaskCompletionSource Hanging { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public string Id => _inner.Id;

    public WalStoreCapabilities Capabilities => _inner.Capabilities;

    public async ValueTask<IWalStoreWriter> CreateAsync(string key, WalObjectInfo info, CancellationToken cancellationToken = default)
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

    public Task<WalStoreEntry?> StatAsync(string key, CancellationToken cancellationToken = default)
    {
        FailIf(FaultAt.Stat, false);
        return _inner.StatAsync(key, cancellationToken);
    }

    public IAsyncEnumerable<WalStoreEntry> ListAsync(string prefix, CancellationToken cancellationToken = default) => _inner.ListAsync(prefix, cancellationToken);

    public Task DeleteAsync(string key, CancellationToken cancellationToken = default) => _inner.DeleteAsync(key, cancellationToken);

    public ValueTask DisposeAsync() => _inner.DisposeAsync();

    private void FailIf(FaultAt step, bool isMarker)
    {
        if (Fault == step && !isMarker)
            throw new IOException($"{step} failed as told");
    }

    private sealed class Writer(FaultyStore store, IWalStoreWriter inner, bool isMarker) : IWalStoreWriter
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

        public async Task<WalCommitOutcome> CommitAsync(WalObjectContent content, CancellationToken cancellationToken = default)
        {
            store.FailIf(FaultAt.CommitBefore, isMarker);
            if (store.Fault == FaultAt.HangInCommit && !isMarker)
                await store.Hanging.Task;
            var outcome = await inner.CommitAsync(content, cancellationToken);
            store.FailIf(FaultAt.CommitAfter, isMarker);
            return outcome;
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    private long AfterBytes => afterBytes;
}
