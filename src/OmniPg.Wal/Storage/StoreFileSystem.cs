namespace OmniPg.Wal;

/// <summary>The file operations of <see cref="DirectoryWalStore"/> in one replaceable place, so that a test can record their order.</summary>
internal class StoreFileSystem
{
    public static readonly StoreFileSystem Real = new();

    public virtual FileStream CreateNew(string path, UnixFileMode mode)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = mode;
        return new FileStream(path, options);
    }

    // Synchronous on purpose: the page cache takes the bytes in microseconds, and .NET has no asynchronous file writes on Unix anyway.
    public virtual void Write(FileStream file, ReadOnlySpan<byte> bytes, long offset) => RandomAccess.Write(file.SafeFileHandle, bytes, offset);

    public virtual void SetModified(FileStream file, DateTimeOffset time) => File.SetLastWriteTimeUtc(file.SafeFileHandle, time.UtcDateTime);

    public virtual void FlushToDisk(FileStream file) => DurableFile.FlushToDisk(file.SafeFileHandle);

    /// <summary>fsync of a file that somebody else has written.</summary>
    public virtual void FlushExisting(string path)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        DurableFile.FlushToDisk(file);
    }

    public virtual bool PublishNew(string temporaryPath, string finalPath) => DurableFile.PublishNew(temporaryPath, finalPath);

    public virtual void FlushDirectory(string path) => DurableFile.FlushDirectory(path);

    public virtual void CreateDirectory(string path) => DurableFile.CreateDirectory(path);

    public virtual void Delete(string path) => File.Delete(path);
}
