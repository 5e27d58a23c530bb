using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace OmniPg.Wal;

/// <summary>
/// Lets one process at a time do a job: the original's <c>--pid-file</c>, held by an operating-system lock on the file instead of by the
/// process id in it, so that a reused id neither blocks nor lets a second one in.
/// </summary>
/// <remarks>The file holds the process id as text for people and scripts. Released by <see cref="Dispose"/> and, whatever happens, by the end of the process.</remarks>
public sealed class SingleInstanceLock : IDisposable
{
    private readonly FileStream _file;
    private bool _disposed;

    private SingleInstanceLock(string path, FileStream file) => (FilePath, _file) = (path, file);

    /// <summary>The lock file.</summary>
    public string FilePath { get; }

    /// <summary>Takes the lock, without waiting.</summary>
    /// <param name="path">The pid file; its directory must exist.</param>
    /// <exception cref="WalLockedException">Another live process holds it.</exception>
    /// <exception cref="WalConfigurationException">The file cannot be opened for writing.</exception>
    public static SingleInstanceLock Acquire(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        while (true)
        {
            var file = Open(path);
            try
            {
                // The previous holder removes its file when it ends: a lock on a removed file would protect nothing.
                if (!IsStillThere(path, file))
                {
                    file.Dispose();
                    continue;
                }

                file.SetLength(0);
                file.Write(Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + "\n"));
                file.Flush(flushToDisk: true);
                return new SingleInstanceLock(path, file);
            }
            catch
            {
                // A full disk, say: the lock would be held by nobody until the collector comes.
                file.Dispose();
                throw;
            }
        }
    }

    /// <summary>Whether a live process holds the lock right now.</summary>
    /// <param name="path">The pid file; absent means free.</param>
    public static bool IsHeld(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            using var probe = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.None, bufferSize: 0);
            return false;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
        catch (IOException)
        {
            return true;
        }
    }

    /// <summary>Removes the file and releases the lock. A second call does nothing.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        // Removed while still locked, so that it can only be our own file; Windows cannot do that and keeps it, empty.
        if (OperatingSystem.IsWindows())
            _file.SetLength(0);
        else
            File.Delete(FilePath);
        _file.Dispose();
    }

    private static FileStream Open(string path)
    {
        try
        {
            // FileShare.None is flock(LOCK_EX | LOCK_NB) on Unix.
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or DirectoryNotFoundException or PathTooLongException)
        {
            throw new WalConfigurationException(
                $"The pid file '{path}' cannot be opened: {e.Message}", "Give a path in an existing directory that this account may write.", e);
        }
        catch (IOException e)
        {
            throw new WalLockedException(path, ReadHolder(path), e);
        }
    }

    private static bool IsStillThere(string path, FileStream file)
    {
        if (!File.Exists(path))
            return false;
        if (OperatingSystem.IsWindows())
            return true;
        // Which file the path names now: the one we hold, or a successor? What we write here must be found there.
        var nonce = RandomNumberGenerator.GetBytes(16);
        file.SetLength(0);
        file.Write(nonce);
        file.Position = 0;
        return UnlockedRead.Head(path).AsSpan().SequenceEqual(nonce);
    }

    private static int? ReadHolder(string path) =>
        int.TryParse(
            Encoding.ASCII.GetString(UnlockedRead.Head(path)).AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
            ? pid
            : null;
}
