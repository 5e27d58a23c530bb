using Npgsql;

namespace OmniPg.Extractor;

/// <summary>The content of a schema at one moment, from a tree, an archive or a database: what a comparison compares.</summary>
public sealed record SchemaSnapshot
{
    /// <summary>Versions it was read with.</summary>
    public required SchemaEnvironment Environment { get; init; }

    /// <summary>Entries in replay order, copies left out.</summary>
    public required IReadOnlyList<SchemaEntry> Entries { get; init; }

    /// <summary>What a reader should know: edited files, files without manifest entry.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>Options that decided about the content, by name; see the manifest.</summary>
    public IReadOnlyDictionary<string, string> Options { get; init; } = new Dictionary<string, string>();

    /// <summary>The objects, each with its entries in replay order, sorted by kind and identity.</summary>
    public IEnumerable<IGrouping<SchemaObjectId, SchemaEntry>> Objects => Entries
        .GroupBy(static entry => entry.SchemaObject)
        .OrderBy(static group => group.Key.Kind, StringComparer.Ordinal)
        .ThenBy(static group => group.Key.Identity, StringComparer.Ordinal);

    /// <summary>Runs the statements of a schema in memory; rows are not part of it.</summary>
    /// <param name="target">The database; see <see cref="SchemaTree.ReplayAsync"/>.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the replay.</param>
    /// <returns>What was done.</returns>
    /// <exception cref="ReplayRefusedException">Roles or secrets are missing, or the target is not empty; nothing was changed.</exception>
    /// <exception cref="ReplayException">A statement failed.</exception>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options exclude each other.</exception>
    /// <exception cref="Npgsql.NpgsqlException">The target cannot be reached, or the connection broke.</exception>
    public Task<ReplayResult> ReplayAsync(
        NpgsqlDataSource target, ReplayOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(target);
        return new SchemaReplay(this, null, target, (options ?? new ReplayOptions()).With(static o => o.SchemaOnly = true)).RunAsync(cancellationToken);
    }
}

/// <summary>Where a schema was read from: versions that can change its text. Versions are <c>major.minor</c>, null when unknown.</summary>
/// <param name="Server">Version of the dumped server.</param>
/// <param name="PgDump">Version of the pg_dump that read it.</param>
/// <param name="ArchiveVersion">Version of the archive format.</param>
/// <param name="Encoding">Encoding of the dump, for example <c>UTF8</c>.</param>
/// <param name="Extensions">Installed extensions with their versions; empty when they could not be asked for.</param>
public sealed record SchemaEnvironment(
    string? Server,
    string? PgDump,
    string? ArchiveVersion,
    string? Encoding,
    IReadOnlyDictionary<string, string> Extensions)
{
    /// <summary>
    /// Settings of the session that wrote the text, where a replay must know them: <c>lc_monetary</c> of a dump by this package, and
    /// <c>standard_conforming_strings = off</c> of an archive with rows as INSERT. Empty, the default, when none matters.
    /// </summary>
    public IReadOnlyDictionary<string, string> Session { get; init; } = new Dictionary<string, string>();
}
