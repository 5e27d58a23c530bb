namespace OmniPg.Wal.Tests.Copying;

/// <summary>Takes everything and keeps nothing.</summary>
internal sealed class ForgettingSink : IObjectSink, IObjectWriter
{
    public string Id => "forgetting";

    public ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default) => new(this);

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default) => ValueTask.CompletedTask;

    public Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default) => Task.FromResult(ObjectCommitResult.Created);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
