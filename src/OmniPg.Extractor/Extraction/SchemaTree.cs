using System.Text;
using Microsoft.Extensions.Options;
using Npgsql;

namespace OmniPg.Extractor;

/// <summary>A directory that an extraction wrote: one file per object and a manifest. Thread-safe.</summary>
/// <remarks>When the last writer was killed in the middle of its work, the first reading finishes or undoes that work.</remarks>
public sealed class SchemaTree
{
    private readonly IPgExtractor _extractor;

    /// <summary>Names a tree; nothing is read yet.</summary>
    /// <param name="directory">The directory with <c>omnipg.manifest.json</c>.</param>
    /// <param name="extractor">Reads the databases that the tree is compared with; null for an extractor with the default options.</param>
    public SchemaTree(string directory, IPgExtractor? extractor = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        _extractor = extractor ?? new SchemaExtractor();
        Paths = new TreePaths(directory);
    }

    /// <summary>Full path of the tree.</summary>
    public string Directory => Paths.Root;

    internal TreePaths Paths { get; }

    /// <summary>Reads manifest and files. Rows of data are not read.</summary>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>All entries in replay order. Edited texts are marked, files without manifest entry are included with a warning.</returns>
    /// <exception cref="TreeConflictException">There is no manifest, a file of it is missing, or a writer is at work.</exception>
    public Task<SchemaSnapshot> ReadAsync(CancellationToken cancellationToken = default) => new TreeReader(Paths).ReadAsync(cancellationToken);

    /// <summary>Compares the tree with another one; what only this one has is removed.</summary>
    /// <param name="other">The second one: what only it has is added.</param>
    /// <param name="options">What to look at; null for everything.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>The difference.</returns>
    /// <exception cref="TreeConflictException">A tree cannot be read.</exception>
    /// <exception cref="OptionsValidationException">The lines of context are fewer than none.</exception>
    public async Task<SchemaDiff> DiffAsync(
        SchemaTree other, DiffOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(other);
        var from = await ReadAsync(cancellationToken).ConfigureAwait(false);
        return SchemaDiff.Between(from, await other.ReadAsync(cancellationToken).ConfigureAwait(false), options);
    }

    /// <summary>Compares a tree with a database, which is extracted with the options of the tree: the drift check.</summary>
    /// <param name="database">The database: what only it has is added.</param>
    /// <param name="options">What to look at; null for everything.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>The difference.</returns>
    /// <exception cref="TreeConflictException">The tree cannot be read.</exception>
    /// <exception cref="ExtractorException">The database cannot be dumped.</exception>
    /// <exception cref="OptionsValidationException">The lines of context are fewer than none.</exception>
    public async Task<SchemaDiff> DiffAsync(
        NpgsqlDataSource database, DiffOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(database);
        return await DiffAsync(_extractor.From(database), options, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Compares a tree with whatever an extraction reads, with the options of the tree.</summary>
    /// <param name="source">An archive or a database, for example <c>extractor.FromArchive(path)</c>.</param>
    /// <param name="options">What to look at; null for everything.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>The difference.</returns>
    /// <exception cref="TreeConflictException">The tree cannot be read.</exception>
    /// <exception cref="ExtractorException">The source cannot be read.</exception>
    /// <exception cref="OptionsValidationException">The lines of context are fewer than none.</exception>
    public async Task<SchemaDiff> DiffAsync(
        Extraction source, DiffOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        var from = await ReadAsync(cancellationToken).ConfigureAwait(false);
        var to = await source.ToSnapshotAsync(source.OptionsOf(from), cancellationToken).ConfigureAwait(false);
        return SchemaDiff.Between(from, to, options);
    }

    /// <summary>Runs a tree's statements in a database, in the order in which they can be run.</summary>
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
    /// <exception cref="OptionsValidationException">Options exclude each other.</exception>
    /// <exception cref="NpgsqlException">The target cannot be reached, or the connection broke.</exception>
    public async Task<ReplayResult> ReplayAsync(
        NpgsqlDataSource target, ReplayOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(target);
        var snapshot = await ReadAsync(cancellationToken).ConfigureAwait(false);
        return await new SchemaReplay(snapshot, Directory, target, options ?? new ReplayOptions()).RunAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Writes a tree as one script for psql, in replay order.</summary>
    /// <param name="output">Target; stays open. Line ends are LF.</param>
    /// <param name="cancellationToken">Ends the writing.</param>
    /// <returns>A task that ends with the last line written.</returns>
    /// <remarks>
    /// Redacted entries are written with their mask. Entries about the database itself are left out. Runs on every major that knows the objects; only rows
    /// as INSERT of an archive with <c>standard_conforming_strings</c> off need a target before 19.
    /// </remarks>
    /// <exception cref="TreeConflictException">The tree cannot be read.</exception>
    /// <exception cref="ExtractorOptionException">The tree holds bytes of an encoding such as SQL_ASCII, and the writer would write others.</exception>
    public async Task ComposeSqlAsync(TextWriter output, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(output);
        var snapshot = await ReadAsync(cancellationToken).ConfigureAwait(false);
        await new Script(snapshot, Directory, output).WriteAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A tree as one psql script.</summary>
    private sealed class Script(SchemaSnapshot snapshot, string directory, TextWriter output)
    {
        public async Task WriteAsync(CancellationToken cancellationToken)
        {
            var encoding = SessionText.RawEncoding(snapshot);
            if (encoding is not null && output.Encoding.CodePage != Encoding.Latin1.CodePage)
                throw new ExtractorOptionException("output", $"The tree holds text in '{encoding}', byte by byte; the writer's encoding is '{output.Encoding.WebName}'.",
                    "Give a writer with Encoding.Latin1, which writes these bytes again.");
            var hasEscapedRows = SessionText.HasEscapedRows(snapshot.Environment);
            await output.WriteAsync((ScriptPrologue.TreeSettings(encoding ?? "UTF8") + "\n").AsMemory(), cancellationToken).ConfigureAwait(false);
            foreach (var entry in snapshot.Entries.Where(static entry => entry.SchemaObject.Kind != "DATABASE"))
            {
                if (entry.HasData)
                {
                    var escaped = hasEscapedRows && entry.Desc == "TABLE DATA";
                    if (escaped)
                        await output.WriteAsync("SET standard_conforming_strings = off;\nSET escape_string_warning = off;\n\n".AsMemory(), cancellationToken).ConfigureAwait(false);
                    await CopyFileAsync(entry, cancellationToken).ConfigureAwait(false);
                    if (escaped)
                        await output.WriteAsync("SET standard_conforming_strings = on;\n\n".AsMemory(), cancellationToken).ConfigureAwait(false);
                }
                else
                    await output.WriteAsync((entry.Sql + "\n\n").AsMemory(), cancellationToken).ConfigureAwait(false);
                if (new ReplayEntry(entry, entry.Sql).ChangesDefaults)
                    await output.WriteAsync(ScriptPrologue.TreeDefaults.AsMemory(), cancellationToken).ConfigureAwait(false);
            }
            await output.FlushAsync(cancellationToken).ConfigureAwait(false);
        }

        private async Task CopyFileAsync(SchemaEntry entry, CancellationToken cancellationToken)
        {
            using var reader = new StreamReader(Path.Combine(directory, entry.File), new UTF8Encoding(false));
            var buffer = new char[32 * 1024];
            while (await reader.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is > 0 and var read)
                await output.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
            await output.WriteAsync("\n\n".AsMemory(), cancellationToken).ConfigureAwait(false);
        }
    }
}
