namespace OmniPg.Extractor;

/// <summary>What became of an object between two schemas.</summary>
public enum DiffStatus
{
    /// <summary>Only the second schema has it.</summary>
    Added,

    /// <summary>Only the first schema has it.</summary>
    Removed,

    /// <summary>Both have it, and it differs.</summary>
    Changed,
}
