namespace OmniPg.Extractor.Trees;

/// <summary>Exclusive right to write one tree. The operating system releases it when the process dies.</summary>
/// <remarks>
/// The file goes away with the lock. A waiter may have opened the file just before its holder removed it and would then hold a lock on nothing;
/// so each holder gives the file a mark of its own and looks for it by name before it believes that it holds the lock.
/// </remarks>
internal sealed class TreeLock : IDisposable
{
    private readonly FileStream _file;

    private TreeLock(FileStream file) => _file = file;

    /// <returns>Null when another writer holds the lock.</returns>
    public static TreeLock? TryAcquire(TreePaths paths)
    {
        foreach (var directory in new[] { paths.Parent, paths.Root })
        {
            try
            {
                return TryAcquire(paths.LockIn(directory));
            }
            catch (UnauthorizedAccessException) when (directory == paths.Parent && Directory.Exists(paths.Root))
            {
                // The place beside the tree is not ours; inside the tree is the next best.
            }
        }
        return null;
    }

    public void Dispose()
    {
        File.Delete(_file.Name);
        _file.Dispose();
    }

    private static TreeLock? TryAcquire(string path)
    {
        while (true)
        {
            FileStream file;
            try
            {
                file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
            }
            catch (IOException error) when (IsHeldByAnother(error))
            {
                return null;
            }
            if (HoldsName(file, path))
                return new TreeLock(file);
            file.Dispose();
        }
    }

    // EWOULDBLOCK of Linux and macOS, ERROR_SHARING_VIOLATION of Windows. Whether the file still exists says nothing: its holder may have gone since.
    private static bool IsHeldByAnother(IOException error) => error.HResult is 11 or 35 or unchecked((int)0x80070020);

    // The time of last change can be read by name without opening the file, which would run into our own lock.
    private static bool HoldsName(FileStream file, string path)
    {
        var mark = DateTime.UnixEpoch.AddSeconds(2 * Random.Shared.Next(1, 1_000_000_000));
        File.SetLastWriteTimeUtc(file.SafeFileHandle, mark);
        return File.GetLastWriteTimeUtc(path) == mark;
    }
}
