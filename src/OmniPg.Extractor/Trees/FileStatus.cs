namespace OmniPg.Extractor;

/// <summary>What an extraction did with one file of the tree.</summary>
public enum FileStatus
{
    /// <summary>Equal already; not touched, its times are kept.</summary>
    Unchanged,

    /// <summary>New.</summary>
    Created,

    /// <summary>Replaced by new content.</summary>
    Updated,

    /// <summary>Stale, and deleted on request.</summary>
    Deleted,

    /// <summary>Stale: an earlier run wrote it, its object is gone, nobody asked to delete it. Kept, and no longer part of the schema.</summary>
    Stale,

    /// <summary>A <c>.sql</c> file that no run wrote. Kept.</summary>
    Unmanaged,
}
