namespace OmniPg.Extractor;

/// <summary>Part of a restore to which an entry belongs (<c>pg_restore --section</c>).</summary>
public enum TocSection
{
    /// <summary>None: comments, security labels and grants, which go with their object.</summary>
    None = 1,

    /// <summary>Definitions that must exist before data is loaded.</summary>
    PreData = 2,

    /// <summary>Table data, large objects, sequence values.</summary>
    Data = 3,

    /// <summary>Indexes, constraints, triggers, rules and what else comes after the data.</summary>
    PostData = 4,
}
