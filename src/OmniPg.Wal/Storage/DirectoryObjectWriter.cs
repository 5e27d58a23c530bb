namespace OmniPg.Wal;

/// <summary>One new file of a <see cref="DirectoryWalStore"/>. The order of <see cref="CommitAsync"/> is what the package's promise rests on.</summary>
internal sealed class DirectoryObjectWriter(StoreFileSystem files, FileStream file, string temporaryPath, string finalPath, DateTimeOffset? modified, Action flushName)
    : IWalStoreWriter
{
    private long _length;
    private bool _hasTemporary = true;

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        files.Write(file, bytes.Span, _length);
        _length += bytes.Length;
        return ValueTask.CompletedTask;
    }

    // Content on disk, then its name, then the directory that holds the name; only after that may anybody be told. A failed fsync is never tried
    // again on the same file, because the kernel may have dropped the pages it could not write.
    public async Task<WalCommitOutcome> CommitAsync(WalObjectContent content, CancellationToken cancellationToken = default)
    {
        if (modified is { } time)
            files.SetModified(file, time);
        files.FlushToDisk(file);
        await file.DisposeAsync().ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        if (!files.PublishNew(temporaryPath, finalPath))
            return WalCommitOutcome.AlreadyExists;
        _hasTemporary = false;
        flushName();
        return WalCommitOutcome.Created;
    }

    public async ValueTask DisposeAsync()
    {
        await file.DisposeAsync().ConfigureAwait(false);
        if (!_hasTemporary)
            return;
        _hasTemporary = false;
        try
        {
            files.Delete(temporaryPath);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            // The disk went away with the file, or cannot be written any more; RemoveAbandonedFiles finds it when it is back.
        }
    }
}
