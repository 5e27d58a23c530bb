namespace OmniPg.Wal;

/// <summary>Sends objects with rsync to a directory here or on another host (<c>[user@]host:/path</c>, <c>rsync://host/module</c>).</summary>
/// <remarks>rsync needs a file to send, so the object is gathered in a private file first. An object that is there already is never replaced.</remarks>
internal sealed class RsyncWalStore(string target, string program, string? temporaryDirectory) : WriteOnlyWalStore
{
    private readonly RsyncProgram _rsync = new(program);

    public override string Id => $"rsync:{target}";

    public override ValueTask<IWalStoreWriter> CreateAsync(string key, WalObjectInfo info, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var spool = DurableFile.TemporaryNameFor(Path.Combine(temporaryDirectory ?? Path.GetTempPath(), key));
        var file = StoreFileSystem.Real.CreateNew(spool, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return new ValueTask<IWalStoreWriter>(new RsyncObjectWriter(_rsync, file, $"{target.TrimEnd('/')}/{key}", Id, info.Modified));
    }
}
