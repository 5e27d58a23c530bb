namespace OmniPg.Extractor;

/// <summary>The three passes in which pg_restore walks the table of contents; archive order holds within each.</summary>
public enum TocPass
{
    /// <summary>Everything else.</summary>
    Main,

    /// <summary><c>ACL</c> and <c>DEFAULT ACL</c>: grants come when every object exists.</summary>
    Acl,

    /// <summary>Event triggers with their comments, refreshes of materialized views, and statistics of post-data objects.</summary>
    PostAcl,
}
