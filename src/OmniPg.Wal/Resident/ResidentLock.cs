using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>The lock file of what only one resident process may use: its spool, its socket.</summary>
internal static class ResidentLock
{
    /// <summary>Takes it without waiting.</summary>
    /// <param name="lockFile">The file.</param>
    /// <param name="what">What it is the lock of, with its path.</param>
    /// <param name="option">The option that names another one.</param>
    /// <param name="held">The error when a process holds it, of that process's id if it is known.</param>
    /// <exception cref="WalConfigurationException">The file cannot be opened.</exception>
    public static FileLock Take(string lockFile, string what, string option, Func<int?, WalLockedException> held)
    {
        try
        {
            return FileLock.TryAcquireForProcess(lockFile) ?? throw held(FileLock.ReadProcess(lockFile));
        }
        catch (UnauthorizedAccessException refused)
        {
            // Left by a process of root that was killed, say: this account can open it no more.
            throw new WalConfigurationException(
                $"The lock file '{lockFile}' of the {what} cannot be opened: {refused.Message}",
                $"Another account has made it, or owns the folder. See that no process of that account uses the {what}, and remove the file, or name another path with '{option}'.",
                refused);
        }
    }
}
