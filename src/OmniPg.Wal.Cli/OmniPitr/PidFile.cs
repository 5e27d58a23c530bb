using OmniPg.Shared;

namespace OmniPg.Wal.Cli;

/// <summary>
/// The original's <c>--pid-file</c>: one process at a time, by an operating-system lock on the file instead of by the process id in it, so that a
/// reused id neither blocks nor lets a second one in.
/// </summary>
internal static class PidFile
{
    /// <summary>Takes the lock, without waiting.</summary>
    /// <exception cref="WalLockedException">Another live process holds it.</exception>
    /// <exception cref="WalConfigurationException">The file cannot be opened for writing.</exception>
    public static IDisposable Hold(string path)
    {
        try
        {
            return FileLock.TryAcquireForProcess(path) ?? throw new WalLockedException(path, FileLock.ReadProcess(path));
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new WalConfigurationException(
                $"The pid file '{path}' cannot be opened: {e.Message}", "Give a path in an existing directory that this account may write.", e);
        }
    }
}
