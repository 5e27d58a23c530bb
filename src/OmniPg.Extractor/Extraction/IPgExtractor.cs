using Microsoft.Extensions.Options;
using Npgsql;

namespace OmniPg.Extractor;

/// <summary>Extracts schemas, opens schema trees, and proves that they can be built up again. Thread-safe.</summary>
public interface IPgExtractor
{
    /// <summary>Begins an extraction from a database.</summary>
    /// <param name="dataSource">The database. A data source hides its password unless <c>Persist Security Info=true</c>; else name a <see cref="PgDumpSource"/>.</param>
    /// <returns>The extraction, to be run.</returns>
    /// <exception cref="ExtractorOptionException">A setting of the connection cannot be given to pg_dump.</exception>
    Extraction From(NpgsqlDataSource dataSource);

    /// <summary>Begins an extraction from a database that pg_dump reaches in its own way.</summary>
    /// <param name="source">How pg_dump connects.</param>
    /// <param name="facts">Asked for the server's and the extensions' versions and for reference data, so it must be the same database; null (default) leaves these out.</param>
    /// <returns>The extraction, to be run.</returns>
    Extraction From(PgDumpSource source, NpgsqlDataSource? facts = null);

    /// <summary>Begins an extraction from an archive that exists already.</summary>
    /// <param name="path">File of a custom archive, or directory of a directory archive.</param>
    /// <returns>The extraction, to be run.</returns>
    Extraction FromArchive(string path);

    /// <summary>Opens a tree that an extraction wrote.</summary>
    /// <param name="directory">The tree; nothing is read yet.</param>
    /// <returns>The tree, which reads databases by this extractor.</returns>
    SchemaTree OpenTree(string directory);

    /// <summary>Replays a tree into a scratch database, extracts that, compares, and drops it.</summary>
    /// <param name="tree">The tree; rows are not replayed.</param>
    /// <param name="admin">
    /// Where the scratch database is made: a connection to the server, as a superuser; its connection string must reach other databases too, so with a
    /// password it needs <c>Persist Security Info=true</c>. The server must have all roles, unless the options say otherwise.
    /// </param>
    /// <param name="options">Which kinds, and what about missing roles; null for everything but the database itself.</param>
    /// <param name="cancellationToken">Ends the work; the scratch database is dropped all the same.</param>
    /// <returns>What differs, and what the server merely words differently.</returns>
    /// <exception cref="ReplayRefusedException">Roles are missing.</exception>
    /// <exception cref="ReplayException">A statement failed.</exception>
    /// <exception cref="OptionsValidationException">Missing roles were to be created.</exception>
    /// <exception cref="ExtractorException">The tree or the scratch database cannot be read.</exception>
    Task<VerifyResult> VerifyAsync(SchemaTree tree, NpgsqlDataSource admin, VerifyOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Extracts a database into memory and verifies that; see <see cref="VerifyAsync(SchemaTree, NpgsqlDataSource, VerifyOptions?, CancellationToken)"/>.</summary>
    /// <param name="source">The database; read only.</param>
    /// <param name="admin">Where the scratch database is made.</param>
    /// <param name="options">Which kinds, and what about missing roles; null for everything but the database itself.</param>
    /// <param name="cancellationToken">Ends the work; the scratch database is dropped all the same.</param>
    /// <returns>What differs, and what the server merely words differently.</returns>
    /// <exception cref="ReplayRefusedException">Roles are missing.</exception>
    /// <exception cref="ReplayException">A statement failed.</exception>
    /// <exception cref="OptionsValidationException">Missing roles were to be created.</exception>
    /// <exception cref="ExtractorException">A database cannot be dumped.</exception>
    Task<VerifyResult> VerifyAsync(NpgsqlDataSource source, NpgsqlDataSource admin, VerifyOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Verifies a schema in memory; see <see cref="VerifyAsync(SchemaTree, NpgsqlDataSource, VerifyOptions?, CancellationToken)"/>.</summary>
    /// <param name="snapshot">The schema.</param>
    /// <param name="admin">Where the scratch database is made.</param>
    /// <param name="options">Which kinds, and what about missing roles; null for everything but the database itself.</param>
    /// <param name="cancellationToken">Ends the work; the scratch database is dropped all the same.</param>
    /// <returns>What differs, and what the server merely words differently.</returns>
    /// <exception cref="ReplayRefusedException">Roles are missing.</exception>
    /// <exception cref="ReplayException">A statement failed.</exception>
    /// <exception cref="OptionsValidationException">Missing roles were to be created.</exception>
    /// <exception cref="ExtractorException">The scratch database cannot be read.</exception>
    Task<VerifyResult> VerifyAsync(SchemaSnapshot snapshot, NpgsqlDataSource admin, VerifyOptions? options = null, CancellationToken cancellationToken = default);
}
