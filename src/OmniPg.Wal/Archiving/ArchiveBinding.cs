namespace OmniPg.Wal;

/// <summary>How an archive is tied to its cluster by the marker <see cref="WalArchiveMarker.Key"/>.</summary>
public enum ArchiveBinding
{
    /// <summary>
    /// A cluster that has certainly archived nothing yet, because its first segment is still in <c>pg_wal</c>, begins an empty archive by itself. For any
    /// other a place without marker is refused as storage that is not mounted (<see cref="WalArchiveAbsentException"/>), one with another cluster's marker, or with files but no marker, as somebody else's
    /// (<see cref="WalArchiveMismatchException"/>). The default.
    /// </summary>
    Cluster,

    /// <summary>The archive becomes this cluster's, whatever it held: for archives of other tools, and once after <c>pg_upgrade</c>. An empty place is treated as by <see cref="Cluster"/>.</summary>
    Adopt,

    /// <summary>Markers are neither looked at nor written.</summary>
    None,

    /// <summary>
    /// As <see cref="Cluster"/>, but an empty place becomes a new archive although the cluster has, or may have, archived before (<c>--begin</c>). For one call: kept on, it
    /// takes the directory below storage that is not mounted for a new archive. <see cref="WalArchiver.BeginAsync"/> does the same without a file.
    /// </summary>
    Begin,
}
