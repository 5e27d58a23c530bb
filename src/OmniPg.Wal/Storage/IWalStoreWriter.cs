namespace OmniPg.Wal;

/// <summary>Takes the bytes of one new object. Disposing it without <see cref="CommitAsync"/> leaves no trace of it.</summary>
/// <remarks>Not thread safe; calls come one after the other. After a call has thrown, only disposal follows.</remarks>
public interface IWalStoreWriter : IAsyncDisposable
{
    /// <summary>Appends bytes.</summary>
    /// <param name="bytes">Belong to the caller again when the task has ended.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>A task that ends when the bytes have been taken; they need not be durable yet.</returns>
    ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default);

    /// <summary>Makes the object durable and then visible under its key, unless an object of that key exists. Never replaces.</summary>
    /// <param name="content">What was written; stores that keep metadata store it.</param>
    /// <param name="cancellationToken">Cancels before the object becomes visible.</param>
    /// <returns>A task that ends when object and key are durable, or when the key turned out to be taken.</returns>
    Task<WalCommitOutcome> CommitAsync(WalObjectContent content, CancellationToken cancellationToken = default);
}
