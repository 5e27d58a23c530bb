namespace OmniPg.Wal;

/// <summary>Gathers one object in a private file, sends it and compares what arrived.</summary>
internal sealed class RsyncObjectWriter(RsyncProgram rsync, FileStream spool, string target, string storeId, DateTimeOffset? modified) : IWalStoreWriter
{
    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        spool.Write(bytes.Span);
        return ValueTask.CompletedTask;
    }

    public async Task<WalCommitOutcome> CommitAsync(WalObjectContent content, CancellationToken cancellationToken = default)
    {
        await spool.DisposeAsync().ConfigureAwait(false);
        if (modified is { } time)
            File.SetLastWriteTimeUtc(spool.Name, time.UtcDateTime);
        // --ignore-existing ends with 0 too when a file of that name was there and nothing was sent, so only the comparison can say "stored".
        await rsync.SendAsync(spool.Name, target, cancellationToken).ConfigureAwait(false);
        return await rsync.IsEqualAsync(spool.Name, target, cancellationToken).ConfigureAwait(false)
            ? WalCommitOutcome.Created
            : throw new WalConflictException(Path.GetFileName(target), storeId, content.Sha256, "unknown");
    }

    public async ValueTask DisposeAsync()
    {
        await spool.DisposeAsync().ConfigureAwait(false);
        File.Delete(spool.Name);
    }
}
