using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Options;

namespace OmniPg.Extractor;

/// <summary>A pg_dump archive in custom (<c>-Fc</c>) or directory (<c>-Fd</c>) format, read without pg_restore and without a server.</summary>
/// <remarks>
/// <para>Opening reads header and table of contents; data stays where it is until it is asked for. Memory is bounded by the table of contents,
/// whatever the data's size. Reads versions 1.12 (PostgreSQL 9.0) to 1.16 (PostgreSQL 17 and 18).</para>
/// <para>Not thread-safe, except that several <see cref="OpenData"/> streams of an archive opened by path are independent of each other.
/// Stands for <c>pg_restore -l</c> and <c>pg_restore -f -</c>.</para>
/// </remarks>
public sealed class PgArchive : IAsyncDisposable, IDisposable
{
    private readonly ArchiveToc _toc;
    private readonly ArchiveData _data;

    private PgArchive(ArchiveToc toc, ArchiveData data)
    {
        _toc = toc;
        _data = data;
    }

    /// <summary>What the archive says about itself.</summary>
    public ArchiveHeader Header => _toc.Header;

    /// <summary>Encoding, string syntax and search path of the archive's SQL.</summary>
    public ArchiveSession Session => _toc.Session;

    /// <summary>The table of contents in archive order, which is a valid order of creation within each <see cref="TocPass"/>.</summary>
    public IReadOnlyList<TocEntry> Entries => _toc.Entries;

    /// <summary>Finds an entry by the number that dependencies refer to.</summary>
    /// <param name="dumpId">A <see cref="TocEntry.DumpId"/>.</param>
    /// <returns>The entry; null when the archive has none of that number, which dependencies may well name.</returns>
    public TocEntry? FindEntry(int dumpId) => _toc.ById.TryGetValue(dumpId, out var entry) ? entry : null;

    /// <summary>Opens an archive file, or the directory of a directory archive.</summary>
    /// <param name="path">File or directory.</param>
    /// <param name="options">Limits; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>The archive; dispose it.</returns>
    /// <exception cref="ArchiveFormatException">It is no archive, is damaged, or has a version that is not known.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static Task<PgArchive> OpenAsync(string path, PgArchiveOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options = OptionsCheck.Require(options ?? new PgArchiveOptions());
        return Directory.Exists(path)
            ? OpenDirectoryAsync(path, options, cancellationToken)
            : OpenSourceAsync(new ArchiveBytes(path, options), options, cancellationToken);
    }

    /// <summary>Opens a custom archive from a stream, which may be a pipe. A stream that can seek is read from its current position.</summary>
    /// <param name="stream">The stream; disposed with the archive unless <see cref="PgArchiveOptions.LeaveOpen"/> is set.</param>
    /// <param name="options">Limits; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>The archive; dispose it.</returns>
    /// <exception cref="ArchiveFormatException">It is no archive, is damaged, or has a version that is not known.</exception>
    public static Task<PgArchive> OpenAsync(Stream stream, PgArchiveOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(stream);
        options = OptionsCheck.Require(options ?? new PgArchiveOptions());
        return OpenSourceAsync(new ArchiveBytes(stream, options), options, cancellationToken);
    }

    /// <summary>Opens a custom archive from a stream without asynchronous calls; see <see cref="OpenAsync(Stream, PgArchiveOptions?, CancellationToken)"/>.</summary>
    /// <param name="stream">The stream; disposed with the archive unless <see cref="PgArchiveOptions.LeaveOpen"/> is set.</param>
    /// <param name="options">Limits; null for the defaults.</param>
    /// <returns>The archive; dispose it.</returns>
    /// <exception cref="ArchiveFormatException">It is no archive, is damaged, or has a version that is not known.</exception>
    public static PgArchive Open(Stream stream, PgArchiveOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        options = OptionsCheck.Require(options ?? new PgArchiveOptions());
        var source = new ArchiveBytes(stream, options);
        try
        {
            var toc = ArchiveToc.Read(source.First, options, isDirectory: false);
            return new PgArchive(toc, new CustomArchiveData(source, toc));
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>Reads all data in archive order; the only way for an archive that comes from a pipe, and then only once.</summary>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>One block per entry with data, one per large object. A block is valid until the next one is asked for.</returns>
    /// <exception cref="ArchiveFormatException">The data is damaged or ends too early.</exception>
    /// <exception cref="InvalidOperationException">A pipe is read a second time.</exception>
    public IAsyncEnumerable<ArchiveDataBlock> ReadDataAsync(CancellationToken cancellationToken = default) => _data.ReadAsync(cancellationToken);

    /// <summary>Opens the decompressed data of one entry.</summary>
    /// <param name="entry">An entry of this archive with <see cref="TocEntry.HasData"/>. Not a <c>BLOBS</c> entry, which holds many objects.</param>
    /// <returns>A forward-only stream; dispose it. With an archive opened from a stream, only one at a time.</returns>
    /// <exception cref="ArgumentException">The entry has no data, or holds large objects.</exception>
    /// <exception cref="ArchiveNotSeekableException">The archive comes from a pipe.</exception>
    /// <exception cref="ArchiveFormatException">The data is not where the archive says.</exception>
    public Stream OpenData(TocEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        if (!entry.HasData)
            throw new ArgumentException($"Entry '{entry}' has no data.", nameof(entry));
        if (entry.Kind == TocKind.Blobs)
            throw new ArgumentException("A BLOBS entry holds many large objects: read them with ReadDataAsync.", nameof(entry));
        return _data.Open(entry);
    }

    /// <summary>Writes the archive as one script for psql, in its own encoding, as <c>pg_restore -f -</c> does. An archive that comes from a pipe can be composed once.</summary>
    /// <param name="output">Target; stays open.</param>
    /// <param name="options">What to write; null for everything.</param>
    /// <param name="cancellationToken">Ends the writing.</param>
    /// <remarks>
    /// Byte for byte what pg_restore of the same major writes, without its <c>\restrict</c> lines. Data passes through in constant memory.
    /// DATABASE entries are left out, as pg_restore does without <c>--create</c>.
    /// </remarks>
    /// <exception cref="ArchiveFormatException">Data is damaged, missing or ends too early.</exception>
    /// <exception cref="OptionsValidationException">Options exclude each other.</exception>
    /// <exception cref="ExtractorOptionException">The rows cannot be run by <see cref="ComposeOptions.TargetMajor"/>.</exception>
    public Task ComposeSqlAsync(Stream output, ComposeOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(output);
        return ComposeAsync(new StreamScript(output, Session.Encoding), options, cancellationToken);
    }

    /// <summary>Writes the archive as a script for psql, decoded; see <see cref="ComposeSqlAsync(Stream, ComposeOptions?, CancellationToken)"/>.</summary>
    /// <param name="output">Target; stays open. Line ends are LF whatever its <see cref="TextWriter.NewLine"/>.</param>
    /// <param name="options">What to write; null for everything.</param>
    /// <param name="cancellationToken">Ends the writing.</param>
    /// <exception cref="ArchiveFormatException">Data is damaged, missing or ends too early.</exception>
    /// <exception cref="OptionsValidationException">Options exclude each other.</exception>
    /// <exception cref="ExtractorOptionException">The rows cannot be run by <see cref="ComposeOptions.TargetMajor"/>.</exception>
    public Task ComposeSqlAsync(TextWriter output, ComposeOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(output);
        return ComposeAsync(new TextScript(output, Session.Encoding), options, cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose() => _data.Dispose();

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    private Task ComposeAsync(IScript script, ComposeOptions? options, CancellationToken cancellationToken)
    {
        options = OptionsCheck.Require(options ?? new ComposeOptions());
        return new ArchiveComposer(this, options, script).RunAsync(cancellationToken);
    }

    private static async Task<PgArchive> OpenSourceAsync(ArchiveBytes source, PgArchiveOptions options, CancellationToken cancellationToken)
    {
        try
        {
            var toc = await ArchiveToc.ReadAsync(source.First, options, isDirectory: false, cancellationToken).ConfigureAwait(false);
            return new PgArchive(toc, new CustomArchiveData(source, toc));
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    private static async Task<PgArchive> OpenDirectoryAsync(string path, PgArchiveOptions options, CancellationToken cancellationToken)
    {
        using var input = new ArchiveInput(DirectoryFile.Open(path, "toc.dat", null), options.BufferBytes);
        var toc = await ArchiveToc.ReadAsync(input, options, isDirectory: true, cancellationToken).ConfigureAwait(false);
        return new PgArchive(toc, new DirectoryData(path, toc));
    }

    /// <summary>Data files of a directory archive: one per table, one per large object with a list of them.</summary>
    private sealed class DirectoryData(string directory, ArchiveToc toc) : ArchiveData
    {
        public override async IAsyncEnumerable<ArchiveDataBlock> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
        {
            foreach (var entry in toc.Entries)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (!entry.HasData || entry.Data.FileName is not { } fileName)
                    continue;
                if (entry.Kind != TocKind.Blobs)
                {
                    await foreach (var block in Yield(entry, fileName, null).ConfigureAwait(false))
                        yield return block;
                    continue;
                }
                await foreach (var (oid, name) in LargeObjectList.ReadAsync(directory, entry, cancellationToken).ConfigureAwait(false))
                {
                    await foreach (var block in Yield(entry, name, oid).ConfigureAwait(false))
                        yield return block;
                }
            }
        }

        public override Stream Open(TocEntry entry) => entry.Data.FileName is { } name
            ? DirectoryFile.Open(directory, name, entry.Index)
            : throw new ArchiveFormatException(new ArchiveLocation(0, entry.Index, "file name"), $"no file is named for the data of entry '{entry.DumpId}'");

        public override void Dispose()
        {
        }

        private async IAsyncEnumerable<ArchiveDataBlock> Yield(TocEntry entry, string fileName, uint? oid)
        {
            var content = DirectoryFile.Open(directory, fileName, entry.Index, mayBeEmpty: oid is not null);
            await using (content.ConfigureAwait(false))
            {
                var block = new ArchiveDataBlock(entry, oid, content, toc.Session.Encoding);
                yield return block;
                block.Close();
            }
        }

        /// <summary>The list of a directory archive's large objects: lines of OID and file name.</summary>
        private static class LargeObjectList
        {
            private const int LineLimit = 512;

            public static async IAsyncEnumerable<(uint Oid, string FileName)> ReadAsync(
                string directory, TocEntry entry, [EnumeratorCancellation] CancellationToken cancellationToken)
            {
                var listName = entry.Data.FileName!;
                var list = DirectoryFile.Open(directory, listName, entry.Index);
                await using (list.ConfigureAwait(false))
                {
                    var line = new byte[LineLimit];
                    for (var offset = 0L; await ReadLineAsync(list, line, cancellationToken).ConfigureAwait(false) is >= 0 and var length; offset += length + 1)
                        yield return Parse(line.AsSpan(0, length), new ArchiveLocation(offset, entry.Index, listName));
                }
            }

            private static (uint Oid, string FileName) Parse(ReadOnlySpan<byte> line, ArchiveLocation location)
            {
                var text = System.Text.Encoding.Latin1.GetString(line);
                var space = text.IndexOf(' ', StringComparison.Ordinal);
                if (space < 0 || !uint.TryParse(text.AsSpan(0, space), NumberStyles.None, CultureInfo.InvariantCulture, out var oid) || oid == 0)
                    throw new ArchiveFormatException(location, "the line is not an OID and a file name");
                return (oid, DirectoryFile.CheckName(text[(space + 1)..], location));
            }

            // Length of the next line, −1 at the end. A line longer than the limit is cut, and then is no valid line.
            private static async ValueTask<int> ReadLineAsync(Stream stream, byte[] line, CancellationToken cancellationToken)
            {
                var one = new byte[1];
                for (var length = 0; length < line.Length; length++)
                {
                    if (await stream.ReadAsync(one, cancellationToken).ConfigureAwait(false) == 0)
                        return length == 0 ? -1 : length;
                    if (one[0] == (byte)'\n')
                        return length;
                    line[length] = one[0];
                }
                return line.Length;
            }
        }
    }
}
