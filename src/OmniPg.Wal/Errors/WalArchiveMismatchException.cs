namespace OmniPg.Wal;

/// <summary>An archive belongs to another cluster, or cannot prove to which it belongs, or is the one that was to be copied. Nothing was written. Code <c>wal.archive.mismatch</c>.</summary>
public sealed class WalArchiveMismatchException : WalException
{
    /// <summary>Creates the error.</summary>
    /// <param name="store">Id of the store.</param>
    /// <param name="message">What was found and what was expected, values in single quotes.</param>
    /// <param name="hint">What the operator does next.</param>
    public WalArchiveMismatchException(string store, string message, string hint)
        : base("wal.archive.mismatch", message, hint) => Destination = store;

    internal static WalArchiveMismatchException UnreadableMarker(string store, string key, string reason) => new(
        store,
        $"The marker '{key}' of '{store}' cannot be read: {reason}.",
        "Find out whose archive this is, then repair or remove the marker.");

    internal static WalArchiveMismatchException OtherCluster(string store, string what, object found, object expected) => new(
        store,
        $"The archive '{store}' belongs to a cluster with {what} '{found}', this cluster has '{expected}'.",
        "Give each cluster its own archive. After pg_upgrade begin the next one beside it with 'omnipg-wal init --next'.");

    internal static WalArchiveMismatchException Unproven(string store, ulong systemIdentifier) => new(
        store,
        $"The archive '{store}' has no marker, and holds the WAL of none of the backups of the cluster with system identifier '{systemIdentifier}'.",
        "Name the archive of this cluster; if it is, adopt it.");

    internal static WalArchiveMismatchException Itself(string store) => new(
        store,
        $"'{store}' is the place that is to be copied.",
        "Name another place, on storage that does not fail with this one.");

    internal static WalArchiveMismatchException NotEmpty(string store, string key) => new(
        store,
        $"The archive '{store}' has no marker but holds '{key}'.",
        "If these files are this cluster's own, adopt the archive; else choose an empty place.");
}
