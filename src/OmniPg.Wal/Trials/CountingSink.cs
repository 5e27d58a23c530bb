namespace OmniPg.Wal;

/// <summary>Takes everything and keeps nothing: what remains is the cost of the copy itself.</summary>
internal sealed class CountingSink : IObjectSink, IObjectWriter
{
    public string Id => "nowhere";

    public ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult<IObjectWriter>(this);

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default) => ValueTask.CompletedTask;

    public Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default) =>
        Task.FromResult(ObjectCommitResult.Created);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
