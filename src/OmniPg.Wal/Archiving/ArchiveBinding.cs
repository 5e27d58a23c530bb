namespace OmniPg.Wal;

/// <summary>How an archive is tied to its cluster by the marker <see cref="WalArchiveMarker.Key"/>.</summary>
public enum ArchiveBinding
{
    /// <summary>An empty archive gets the cluster's marker; one with another cluster's marker, or with files but no marker, is refused. The default.</summary>
    Cluster,

    /// <summary>The archive becomes this cluster's, whatever it held: for archives of other tools, and once after <c>pg_upgrade</c>.</summary>
    Adopt,

    /// <summary>Markers are neither looked at nor written.</summary>
    None,
}
