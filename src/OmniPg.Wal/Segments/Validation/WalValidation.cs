namespace OmniPg.Wal;

/// <summary>How thoroughly a WAL file is checked before it counts as archived.</summary>
public enum WalValidation
{
    /// <summary>Nothing is checked. Only for salvage.</summary>
    None,

    /// <summary>The first page header (version, cluster, timeline, segment size, address) and the size of the file.</summary>
    Header,

    /// <summary>Additionally every page header, every record header, the chain of records and the CRC-32C of every record.</summary>
    Full,
}
