using Npgsql;
using OmniPg.Extractor.Verifying;

namespace OmniPg.Extractor;

/// <summary>Proofs that a schema can be built up again from what was extracted.</summary>
public static class SchemaVerifyExtensions
{
    /// <summary>Replays a tree into a scratch database, extracts that, compares, and drops it.</summary>
    /// <param name="extractor">The extractor.</param>
    /// <param name="tree">The tree; rows are not replayed.</param>
    /// <param name="admin">
    /// A connection to the server, as a superuser; its connection string must reach other databases too, so with a password it needs
    /// <c>Persist Security Info=true</c>. The server must have all roles.
    /// </param>
    /// <param name="cancellationToken">Ends the work; the scratch database is dropped all the same.</param>
    /// <returns>What differs, and what the server merely words differently.</returns>
    /// <exception cref="ReplayRefusedException">Roles are missing.</exception>
    /// <exception cref="ReplayException">A statement failed.</exception>
    /// <exception cref="ExtractorException">The tree or the scratch database cannot be read.</exception>
    public static async Task<VerifyReport> VerifyAsync(
        this IPgExtractor extractor, SchemaTree tree, NpgsqlDataSource admin, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tree);
        return await VerifyAsync(extractor, await tree.ReadAsync(cancellationToken).ConfigureAwait(false), admin, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Replays parts of a tree into a scratch database, extracts that, compares, and drops it.</summary>
    /// <param name="extractor">The extractor.</param>
    /// <param name="tree">The tree; rows are not replayed.</param>
    /// <param name="admin">Where the scratch database is made; see <see cref="VerifyAsync(IPgExtractor, SchemaTree, NpgsqlDataSource, CancellationToken)"/>.</param>
    /// <param name="options">Which kinds, and what about missing roles.</param>
    /// <param name="cancellationToken">Ends the work; the scratch database is dropped all the same.</param>
    /// <returns>What differs, and what the server merely words differently.</returns>
    /// <exception cref="ReplayRefusedException">Roles are missing.</exception>
    /// <exception cref="ReplayException">A statement failed.</exception>
    /// <exception cref="ExtractorOptionException">Missing roles were to be created.</exception>
    /// <exception cref="ExtractorException">The tree or the scratch database cannot be read.</exception>
    public static async Task<VerifyReport> VerifyAsync(
        this IPgExtractor extractor, SchemaTree tree, NpgsqlDataSource admin, VerifyOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(extractor);
        ArgumentNullException.ThrowIfNull(tree);
        ArgumentNullException.ThrowIfNull(admin);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Roles == MissingRoles.Create)
            throw new ExtractorOptionException("Roles", "A verification creates no roles: they would outlive the scratch database.", "Take MissingRoles.Skip.");
        var snapshot = await tree.ReadAsync(cancellationToken).ConfigureAwait(false);
        return await RunAsync(extractor, snapshot, admin, options, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Extracts a database into memory and verifies that.</summary>
    /// <param name="extractor">The extractor.</param>
    /// <param name="source">The database; read only.</param>
    /// <param name="admin">Where the scratch database is made; see <see cref="VerifyAsync(IPgExtractor, SchemaTree, NpgsqlDataSource, CancellationToken)"/>.</param>
    /// <param name="cancellationToken">Ends the work; the scratch database is dropped all the same.</param>
    /// <returns>What differs, and what the server merely words differently.</returns>
    /// <exception cref="ReplayRefusedException">Roles are missing.</exception>
    /// <exception cref="ReplayException">A statement failed.</exception>
    /// <exception cref="ExtractorException">A database cannot be dumped.</exception>
    public static async Task<VerifyReport> VerifyAsync(
        this IPgExtractor extractor, NpgsqlDataSource source, NpgsqlDataSource admin, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(extractor);
        ArgumentNullException.ThrowIfNull(source);
        var snapshot = await extractor.From(source).ToSnapshotAsync(cancellationToken).ConfigureAwait(false);
        return await VerifyAsync(extractor, snapshot, admin, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Verifies a schema in memory.</summary>
    /// <param name="extractor">The extractor.</param>
    /// <param name="snapshot">The schema.</param>
    /// <param name="admin">Where the scratch database is made; see <see cref="VerifyAsync(IPgExtractor, SchemaTree, NpgsqlDataSource, CancellationToken)"/>.</param>
    /// <param name="cancellationToken">Ends the work; the scratch database is dropped all the same.</param>
    /// <returns>What differs, and what the server merely words differently.</returns>
    /// <exception cref="ReplayRefusedException">Roles are missing.</exception>
    /// <exception cref="ReplayException">A statement failed.</exception>
    public static Task<VerifyReport> VerifyAsync(
        this IPgExtractor extractor, SchemaSnapshot snapshot, NpgsqlDataSource admin, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(extractor);
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(admin);
        return RunAsync(extractor, snapshot, admin, new VerifyOptions(), cancellationToken);
    }

    private static Task<VerifyReport> RunAsync(
        IPgExtractor extractor, SchemaSnapshot snapshot, NpgsqlDataSource admin, VerifyOptions options, CancellationToken cancellationToken)
    {
        return new Verification(extractor, admin, Connect, options).RunAsync(snapshot, cancellationToken);

        NpgsqlDataSource Connect(string database) =>
            NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(admin.ConnectionString) { Database = database, Pooling = true });
    }
}
