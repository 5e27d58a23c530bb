namespace OmniPg.Wal.Tests.Archiving;

/// <summary>Counts, over several stores in memory, how many are written at the same time.</summary>
internal sealed class Overlap
{
    private readonly Lock _gate = new();
    private int _now;

    public int Most { get; private set; }

    public void Enter()
    {
        lock (_gate)
            Most = Math.Max(Most, ++_now);
    }

    public void Leave()
    {
        lock (_gate)
            _now--;
    }
}

/// <summary>A store in memory whose writers tell an <see cref="Overlap"/> when they begin and end.</summary>
internal sealed class OverlapStore(string name, Overlap overlap) : IObjectStore
{
    private readonly MemoryObjectStore _inner = new(name);

    public string Id => _inner.Id;

    public Task<string> IdentifyAsync(CancellationToken cancellationToken = default) => _inner.IdentifyAsync(cancellationToken);

    public async ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default)
    {
        var inner = await _inner.CreateAsync(key, info, cancellationToken);
        return key == WalArchiveMarker.Key ? inner : new Writer(inner, overlap);
    }

    public Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default) => _inner.OpenReadAsync(key, cancellationToken);

    public Task<ObjectEntry?> StatAsync(string key, CancellationToken cancellationToken = default) => _inner.StatAsync(key, cancellationToken);

    public IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, CancellationToken cancellationToken = default) => _inner.ListAsync(prefix, cancellationToken);

    public Task DeleteAsync(string key, CancellationToken cancellationToken = default) => _inner.DeleteAsync(key, cancellationToken);

    public ValueTask DisposeAsync() => _inner.DisposeAsync();

    private sealed class Writer : IObjectWriter
    {
        private readonly IObjectWriter _inner;
        private readonly Overlap _overlap;

        public Writer(IObjectWriter inner, Overlap overlap)
        {
            (_inner, _overlap) = (inner, overlap);
            _overlap.Enter();
        }

        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default) => _inner.WriteAsync(bytes, cancellationToken);

        public Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default) => _inner.CommitAsync(content, cancellationToken);

        public async ValueTask DisposeAsync()
        {
            await _inner.DisposeAsync();
            _overlap.Leave();
        }
    }
}
