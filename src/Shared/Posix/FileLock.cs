using System.Globalization;
using System.Text;

namespace OmniPg.Shared;

/// <summary>An exclusive lock of the operating system on a file that exists only for it; the end of the process releases it, whatever happens.</summary>
/// <remarks>
/// The file goes away with the lock. Whoever waited may have opened it just before its holder removed it and would then hold a lock on nothing: so each
/// holder gives the file a mark of its own and looks for it by name before it believes that it holds the lock.
/// </remarks>
internal sealed class FileLock : IDisposable
{
    private const int NoteBytes = 64;
    private FileStream? _file;

    private FileLock(FileStream file) => _file = file;

    /// <summary>Takes the lock without waiting.</summary>
    /// <param name="path">The lock file; its directory must exist.</param>
    /// <returns>Null when somebody else holds it.</returns>
    /// <exception cref="IOException">The file cannot be opened for another reason.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be opened.</exception>
    public static FileLock? TryAcquire(string path)
    {
        while (true)
        {
            FileStream file;
            try
            {
                // Not shared, which is flock(LOCK_EX | LOCK_NB) on Unix.
                file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
            }
            catch (IOException error) when (IsHeldByAnother(error))
            {
                return null;
            }
            if (HoldsName(file, path))
                return new FileLock(file);
            file.Dispose();
        }
    }

    /// <summary>Whether somebody holds the lock right now; absent means free.</summary>
    /// <exception cref="UnauthorizedAccessException">The file may not be opened.</exception>
    public static bool IsHeld(string path)
    {
        try
        {
            using var probe = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.None, bufferSize: 0);
            return false;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
        catch (IOException error) when (IsHeldByAnother(error))
        {
            return true;
        }
    }

    /// <summary>What the holder has noted in the file, at most 64 bytes; empty when it is absent or unreadable, and on Windows, whose locks keep readers out.</summary>
    public static byte[] ReadNote(string path)
    {
        if (OperatingSystem.IsWindows())
            return [];
        using var handle = Posix.OpenUnlocked(path);
        if (handle.IsInvalid)
            return [];
        var buffer = new byte[NoteBytes];
        return buffer[..RandomAccess.Read(handle, buffer, 0)];
    }

    /// <summary>Notes something in the file for others to read, such as the process id.</summary>
    /// <param name="bytes">At most 64 bytes.</param>
    public void Note(ReadOnlySpan<byte> bytes)
    {
        var file = _file ?? throw new ObjectDisposedException(nameof(FileLock));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, NoteBytes);
        file.SetLength(0);
        file.Position = 0;
        file.Write(bytes);
        file.Flush();
        if (!OperatingSystem.IsWindows())
            Posix.FlushFile(file.SafeFileHandle);
    }

    /// <summary>Takes the lock without waiting and notes this process for people and scripts.</summary>
    /// <inheritdoc cref="TryAcquire"/>
    public static FileLock? TryAcquireForProcess(string path)
    {
        var held = TryAcquire(path);
        try
        {
            held?.Note(Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + "\n"));
            return held;
        }
        catch
        {
            // A full disk, say: the lock would be held by nobody until the collector comes.
            held?.Dispose();
            throw;
        }
    }

    /// <summary>The process that the holder has noted; null when it has not, or the note cannot be read.</summary>
    public static int? ReadProcess(string path) =>
        int.TryParse(Encoding.ASCII.GetString(ReadNote(path)).AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var process) ? process : null;

    /// <summary>Removes the file and releases the lock. A second call does nothing.</summary>
    public void Dispose()
    {
        if (_file is not { } file)
            return;
        _file = null;
        // Removed while still locked, so that it can only be our own file; Windows cannot do that and keeps it, empty.
        if (OperatingSystem.IsWindows())
            file.SetLength(0);
        else
            File.Delete(file.Name);
        file.Dispose();
    }

    // EWOULDBLOCK of the system, or ERROR_SHARING_VIOLATION of Windows. Whether the file still exists says nothing: its holder may have gone since.
    private static bool IsHeldByAnother(IOException error) => error.HResult == Posix.TryAgain || error.HResult == unchecked((int)0x80070020);

    // The time of last change can be read by name without opening the file, which would run into our own lock.
    private static bool HoldsName(FileStream file, string path)
    {
        var mark = DateTime.UnixEpoch.AddSeconds(2 * Random.Shared.Next(1, 1_000_000_000));
        File.SetLastWriteTimeUtc(file.SafeFileHandle, mark);
        return File.GetLastWriteTimeUtc(path) == mark;
    }
}
