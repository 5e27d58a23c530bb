using OmniPg.Extractor.Composing;

namespace OmniPg.Extractor;

/// <summary>Turns an archive into one SQL script, as <c>pg_restore -f -</c> does.</summary>
public static class PgArchiveComposeExtensions
{
    /// <summary>Writes the archive as a script for psql, in the archive's encoding.</summary>
    /// <param name="archive">The archive. One that comes from a pipe can be composed once.</param>
    /// <param name="output">Target; stays open.</param>
    /// <param name="options">What to write; null for everything.</param>
    /// <param name="cancellationToken">Ends the writing.</param>
    /// <remarks>
    /// Byte for byte what pg_restore of the same major writes, without its <c>\restrict</c> lines. Data passes through in constant memory.
    /// DATABASE entries are left out, as pg_restore does without <c>--create</c>.
    /// </remarks>
    /// <exception cref="ArchiveFormatException">Data is damaged, missing or ends too early.</exception>
    /// <exception cref="CompressionNotSupportedException">Data is wanted and no decoder is available for it.</exception>
    /// <exception cref="ArgumentException">Options exclude each other.</exception>
    /// <exception cref="ExtractorOptionException">The rows cannot be run by <see cref="ComposeOptions.TargetMajor"/>.</exception>
    public static Task ComposeSqlAsync(this PgArchive archive, Stream output, ComposeOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(archive);
        ArgumentNullException.ThrowIfNull(output);
        return ComposeAsync(archive, new StreamScript(output, archive.Session.Encoding), options, cancellationToken);
    }

    /// <summary>Writes the archive as a script for psql, decoded; see <see cref="ComposeSqlAsync(PgArchive, Stream, ComposeOptions?, CancellationToken)"/>.</summary>
    /// <param name="archive">The archive. One that comes from a pipe can be composed once.</param>
    /// <param name="output">Target; stays open. Line ends are LF whatever its <see cref="TextWriter.NewLine"/>.</param>
    /// <param name="options">What to write; null for everything.</param>
    /// <param name="cancellationToken">Ends the writing.</param>
    /// <exception cref="ArchiveFormatException">Data is damaged, missing or ends too early.</exception>
    /// <exception cref="CompressionNotSupportedException">Data is wanted and no decoder is available for it.</exception>
    /// <exception cref="ArgumentException">Options exclude each other.</exception>
    /// <exception cref="ExtractorOptionException">The rows cannot be run by <see cref="ComposeOptions.TargetMajor"/>.</exception>
    public static Task ComposeSqlAsync(this PgArchive archive, TextWriter output, ComposeOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(archive);
        ArgumentNullException.ThrowIfNull(output);
        return ComposeAsync(archive, new TextScript(output, archive.Session.Encoding), options, cancellationToken);
    }

    private static Task ComposeAsync(PgArchive archive, IScript script, ComposeOptions? options, CancellationToken cancellationToken)
    {
        options ??= new ComposeOptions();
        options.Validate();
        return new ArchiveComposer(archive, options, script).RunAsync(cancellationToken);
    }
}
