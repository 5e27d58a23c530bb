namespace OmniPg.Wal;

/// <summary>
/// Lets the pump write into a <see cref="RestoreTarget"/>. A commit does not give the file its name yet: a restore may still have to pad it, or to
/// wait until it is due.
/// </summary>
internal sealed class RestoreDestination(RestoreTarget target) : IObjectSink, IObjectWriter
{
    public string Id => target.Path;

    public ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult<IObjectWriter>(this);

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        target.Write(bytes.Span);
        return ValueTask.CompletedTask;
    }

    public Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default) =>
        Task.FromResult(ObjectCommitResult.Created);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
