namespace OmniPg.Extractor;

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
