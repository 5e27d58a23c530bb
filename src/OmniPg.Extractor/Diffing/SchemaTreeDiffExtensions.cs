using Npgsql;

namespace OmniPg.Extractor;

/// <summary>Comparisons of a tree with other trees and with databases.</summary>
public static class SchemaTreeDiffExtensions
{
    /// <summary>Compares two trees.</summary>
    /// <param name="tree">The first one: what only it has is removed.</param>
    /// <param name="other">The second one: what only it has is added.</param>
    /// <param name="options">What to look at; null for everything.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>The difference.</returns>
    /// <exception cref="TreeConflictException">A tree cannot be read.</exception>
    public static async Task<SchemaDiff> DiffAsync(
        this SchemaTree tree, SchemaTree other, DiffOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tree);
        ArgumentNullException.ThrowIfNull(other);
        var from = await tree.ReadAsync(cancellationToken).ConfigureAwait(false);
        return SchemaDiff.Between(from, await other.ReadAsync(cancellationToken).ConfigureAwait(false), options);
    }

    /// <summary>Compares a tree with a database, which is extracted with the options of the tree: the drift check.</summary>
    /// <param name="tree">The tree: what only it has is removed.</param>
    /// <param name="database">The database: what only it has is added.</param>
    /// <param name="options">What to look at; null for everything.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>The difference.</returns>
    /// <exception cref="TreeConflictException">The tree cannot be read.</exception>
    /// <exception cref="ExtractorException">The database cannot be dumped.</exception>
    public static async Task<SchemaDiff> DiffAsync(
        this SchemaTree tree, NpgsqlDataSource database, DiffOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tree);
        ArgumentNullException.ThrowIfNull(database);
        var read = tree.ReadDatabase ?? new SchemaExtractor().OpenTree(tree.Directory).ReadDatabase!;
        var from = await tree.ReadAsync(cancellationToken).ConfigureAwait(false);
        return SchemaDiff.Between(from, await read(database, from, cancellationToken).ConfigureAwait(false), options);
    }

    /// <summary>Compares a tree with whatever an extraction reads, with the options of the tree.</summary>
    /// <param name="tree">The tree: what only it has is removed.</param>
    /// <param name="source">An archive or a database, for example <c>extractor.FromArchive(path)</c>; its own options are not used.</param>
    /// <param name="options">What to look at; null for everything.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>The difference.</returns>
    /// <exception cref="TreeConflictException">The tree cannot be read.</exception>
    /// <exception cref="ExtractorException">The source cannot be read.</exception>
    public static async Task<SchemaDiff> DiffAsync(
        this SchemaTree tree, ExtractionBuilder source, DiffOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tree);
        ArgumentNullException.ThrowIfNull(source);
        var from = await tree.ReadAsync(cancellationToken).ConfigureAwait(false);
        var to = await source.WithOptionsOf(from).ToSnapshotAsync(cancellationToken).ConfigureAwait(false);
        return SchemaDiff.Between(from, to, options);
    }
}
