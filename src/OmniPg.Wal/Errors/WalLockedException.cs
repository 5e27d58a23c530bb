using System.Globalization;

namespace OmniPg.Wal;

/// <summary>Another process holds the lock file of this job, or serves its socket.</summary>
/// <remarks>Code <c>wal.locked</c>, transient; the program ends with exit code 12.</remarks>
public sealed class WalLockedException : WalException
{
    /// <summary>Creates the error.</summary>
    /// <param name="path">The lock file.</param>
    /// <param name="holderProcessId">The process id found in it, or null when it could not be read.</param>
    /// <param name="innerException">The failure of the lock call.</param>
    public WalLockedException(string path, int? holderProcessId, Exception? innerException = null)
        : base(
            "wal.locked",
            $"The lock file '{path}' is held by a running process ('{holderProcessId?.ToString(CultureInfo.InvariantCulture) ?? "unknown"}').",
            "Wait until it has ended; the lock goes away with the process.",
            innerException)
    {
        Path = path;
        HolderProcessId = holderProcessId;
    }

    private WalLockedException(string message, string hint, string path, int? holderProcessId)
        : base("wal.locked", message, hint) => (Path, HolderProcessId) = (path, holderProcessId);

    /// <summary>The lock file, or the socket.</summary>
    public string Path { get; }

    /// <summary>The process id written in the file, or null.</summary>
    public int? HolderProcessId { get; }

    /// <inheritdoc/>
    public override bool IsTransient => true;

    internal static WalLockedException OfSocket(string path, int? holder) => new(
        $"The socket '{path}' is served by another process ('{holder?.ToString(CultureInfo.InvariantCulture) ?? "unknown"}').",
        "Give each resident process a '--socket' of its own, or end the other one.",
        path,
        holder);
}
