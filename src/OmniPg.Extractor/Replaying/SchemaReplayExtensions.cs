using Npgsql;
using OmniPg.Extractor.Replaying;

namespace OmniPg.Extractor;

/// <summary>Builds databases and scripts from trees.</summary>
public static class SchemaReplayExtensions
{
    /// <summary>Runs a tree's statements in a database, in the order in which they can be run.</summary>
    /// <param name="tree">The tree.</param>
    /// <param name="target">
    /// The database, empty unless the options allow otherwise. One connection is used; run as a superuser to keep owners. For a schema in an encoding
    /// without decoder, such as SQL_ASCII, its connection string is used, which with a password needs <c>Persist Security Info=true</c>.
    /// </param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the replay; with a single transaction nothing remains.</param>
    /// <returns>What was done.</returns>
    /// <exception cref="ReplayRefusedException">Roles or secrets are missing, or the target is not empty; nothing was changed.</exception>
    /// <exception cref="ReplayException">A statement failed; the message names entry, file and line.</exception>
    /// <exception cref="TreeConflictException">The tree cannot be read.</exception>
    /// <exception cref="ExtractorOptionException">Options exclude each other.</exception>
    public static async Task<ReplayReport> ReplayAsync(
        this SchemaTree tree, NpgsqlDataSource target, ReplayOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tree);
        ArgumentNullException.ThrowIfNull(target);
        var snapshot = await tree.ReadAsync(cancellationToken).ConfigureAwait(false);
        return await RunAsync(snapshot, tree.Directory, target, options, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Runs the statements of a schema in memory; rows are not part of it.</summary>
    /// <param name="snapshot">The schema.</param>
    /// <param name="target">The database; see <see cref="ReplayAsync(SchemaTree, NpgsqlDataSource, ReplayOptions?, CancellationToken)"/>.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the replay.</param>
    /// <returns>What was done.</returns>
    /// <exception cref="ReplayRefusedException">Roles or secrets are missing, or the target is not empty; nothing was changed.</exception>
    /// <exception cref="ReplayException">A statement failed.</exception>
    public static Task<ReplayReport> ReplayAsync(
        this SchemaSnapshot snapshot, NpgsqlDataSource target, ReplayOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(target);
        return RunAsync(snapshot, null, target, (options ?? new ReplayOptions()) with { SchemaOnly = true }, cancellationToken);
    }

    /// <summary>Writes a tree as one script for psql, in replay order.</summary>
    /// <param name="tree">The tree.</param>
    /// <param name="output">Target; stays open. Line ends are LF.</param>
    /// <param name="cancellationToken">Ends the writing.</param>
    /// <returns>A task that ends with the last line written.</returns>
    /// <remarks>
    /// Redacted entries are written with their mask. Entries about the database itself are left out. Runs on every major that knows the objects; only rows
    /// as INSERT of an archive with <c>standard_conforming_strings</c> off need a target before 19.
    /// </remarks>
    /// <exception cref="TreeConflictException">The tree cannot be read.</exception>
    /// <exception cref="ExtractorOptionException">The tree holds bytes of an encoding such as SQL_ASCII, and the writer would write others.</exception>
    public static async Task ComposeSqlAsync(this SchemaTree tree, TextWriter output, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tree);
        ArgumentNullException.ThrowIfNull(output);
        var snapshot = await tree.ReadAsync(cancellationToken).ConfigureAwait(false);
        await new TreeScript(snapshot, tree.Directory, output).WriteAsync(cancellationToken).ConfigureAwait(false);
    }

    private static async Task<ReplayReport> RunAsync(
        SchemaSnapshot snapshot, string? directory, NpgsqlDataSource target, ReplayOptions? options, CancellationToken cancellationToken)
    {
        options ??= new ReplayOptions();
        if (options.CreateDatabase)
            return await new DatabaseCreation(snapshot, directory, target, options).RunAsync(cancellationToken).ConfigureAwait(false);
        if (SessionText.RawEncoding(snapshot) is { } raw)
            return await RunRawAsync(snapshot, directory, target, options, raw, cancellationToken).ConfigureAwait(false);
        return await RunOnAsync(snapshot, directory, target, options, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<ReplayReport> RunRawAsync(
        SchemaSnapshot snapshot, string? directory, NpgsqlDataSource target, ReplayOptions options, string encoding, CancellationToken cancellationToken)
    {
        var raw = NpgsqlDataSource.Create(SessionText.ForBytes(new NpgsqlConnectionStringBuilder(target.ConnectionString) { Pooling = false }, encoding));
        await using (raw.ConfigureAwait(false))
            return await RunOnAsync(snapshot, directory, raw, options, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<ReplayReport> RunOnAsync(
        SchemaSnapshot snapshot, string? directory, NpgsqlDataSource target, ReplayOptions options, CancellationToken cancellationToken)
    {
        var connection = await target.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
            return await new ReplayRun(connection, snapshot, directory, options).RunAsync(cancellationToken).ConfigureAwait(false);
    }
}
