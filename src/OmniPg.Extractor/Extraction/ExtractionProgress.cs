namespace OmniPg.Extractor;

/// <summary>How far an extraction is.</summary>
/// <param name="Phase">What it does at the moment.</param>
/// <param name="Done">Files or entries done in this phase.</param>
/// <param name="Total">Files or entries of this phase; 0 when not known.</param>
/// <param name="Item">The one at work, or null.</param>
public readonly record struct ExtractionProgress(ExtractionPhase Phase, int Done, int Total, string? Item);

/// <summary>Stages of an extraction, in order.</summary>
public enum ExtractionPhase
{
    /// <summary>pg_dump reads the catalogue; or an archive's table of contents is read.</summary>
    Dumping,

    /// <summary>Rows stream into files.</summary>
    Data,

    /// <summary>Files are compared with the tree, and changed ones written.</summary>
    Writing,

    /// <summary>The new tree is made durable and takes the place of the old one.</summary>
    Publishing,

    /// <summary>Done.</summary>
    Done,
}
