namespace OmniPg;

/// <summary>What becomes of a table that is declared, in code or in a file, as a partition set or as the copy of another.</summary>
public enum DeclaredFate
{
    /// <summary>It is as it was declared.</summary>
    Unchanged,

    /// <summary>It was made.</summary>
    Created,

    /// <summary>Its configuration was changed; partitions and rows follow with the next maintenance or refresh.</summary>
    Changed,
}
