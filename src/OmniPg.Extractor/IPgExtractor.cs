namespace OmniPg.Extractor;

/// <summary>Extracts schemas and opens schema trees. Thread-safe.</summary>
public interface IPgExtractor
{
    /// <summary>Begins an extraction from an archive that exists already.</summary>
    /// <param name="path">File of a custom archive, or directory of a directory archive.</param>
    /// <returns>A builder to describe and run it.</returns>
    ExtractionBuilder FromArchive(string path);

    /// <summary>Opens a tree that an extraction wrote.</summary>
    /// <param name="directory">The tree; nothing is read yet.</param>
    /// <returns>The tree.</returns>
    SchemaTree OpenTree(string directory);
}
