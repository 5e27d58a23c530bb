using Npgsql;

namespace OmniPg.Extractor;

/// <summary>Extracts schemas and opens schema trees. Thread-safe.</summary>
public interface IPgExtractor
{
    /// <summary>Begins an extraction from a database.</summary>
    /// <param name="dataSource">The database. A data source hides its password unless <c>Persist Security Info=true</c>; else name a <see cref="PgDumpSource"/>.</param>
    /// <returns>A builder to describe and run it.</returns>
    /// <exception cref="ExtractorOptionException">A setting of the connection cannot be given to pg_dump.</exception>
    ExtractionBuilder From(NpgsqlDataSource dataSource);

    /// <summary>Begins an extraction from a database that pg_dump reaches in its own way.</summary>
    /// <param name="source">How pg_dump connects.</param>
    /// <param name="facts">Asked for the server's and the extensions' versions and for reference data, so it must be the same database; null (default) leaves these out.</param>
    /// <returns>A builder to describe and run it.</returns>
    ExtractionBuilder From(PgDumpSource source, NpgsqlDataSource? facts = null);

    /// <summary>Begins an extraction from an archive that exists already.</summary>
    /// <param name="path">File of a custom archive, or directory of a directory archive.</param>
    /// <returns>A builder to describe and run it.</returns>
    ExtractionBuilder FromArchive(string path);

    /// <summary>Opens a tree that an extraction wrote.</summary>
    /// <param name="directory">The tree; nothing is read yet.</param>
    /// <returns>The tree.</returns>
    SchemaTree OpenTree(string directory);
}
