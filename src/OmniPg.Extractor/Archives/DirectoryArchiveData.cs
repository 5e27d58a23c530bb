using System.Globalization;
using System.Runtime.CompilerServices;

namespace OmniPg.Extractor;

/// <summary>Data files of a directory archive: one per table, one per large object with a list of them.</summary>
internal sealed class DirectoryArchiveData(string directory, ArchiveToc toc) : ArchiveData
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
