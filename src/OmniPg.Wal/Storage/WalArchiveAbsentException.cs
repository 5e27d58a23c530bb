namespace OmniPg.Wal;

/// <summary>
/// Where an archive should be there is none, or another place than a moment ago: most often storage that is not mounted. Never taken for an empty
/// archive. Code <c>wal.archive.absent</c>, transient.
/// </summary>
public sealed class WalArchiveAbsentException : WalException
{
    private WalArchiveAbsentException(string store, string message, string hint)
        : base("wal.archive.absent", message, hint) => Destination = store;

    /// <summary>Always: storage is mounted again.</summary>
    public override bool IsTransient => true;

    internal static WalArchiveAbsentException Nothing(string store) => new(
        store,
        $"There is no archive at '{store}': neither its marker '{WalArchiveMarker.Key}' nor a single archived file.",
        "If storage belongs there, it is not mounted: mount it. If the archive is new, begin it with 'omnipg-wal init'.");

    internal static WalArchiveAbsentException Replaced(string store, string before, string now) => new(
        store,
        $"The storage at '{store}' was replaced while it was looked at: first '{before}', then '{now}'.",
        "Storage was mounted or unmounted there; ask again when it is in place.");

    internal static WalArchiveAbsentException NotBegun(string store, string dataDirectory, string evidence) => new(
        store,
        $"There is no archive at '{store}': the marker '{WalArchiveMarker.Key}' is missing, yet the cluster in '{dataDirectory}' {evidence}.",
        "If storage belongs there, it is not mounted: mount it. To begin a new archive, say so once: 'omnipg-wal init', or 'archive --begin'.");
}
