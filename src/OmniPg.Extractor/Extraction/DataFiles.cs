using System.Security.Cryptography;
using System.Text;

namespace OmniPg.Extractor;

/// <summary>Streams the archive's data blocks into staged files; memory does not depend on their size.</summary>
internal sealed class DataFiles(PgArchive archive, IReadOnlyList<PlannedEntry> entries, EntryText texts)
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);
    private readonly Dictionary<int, PlannedEntry> _wanted = entries.Where(static e => e.HasData).ToDictionary(static e => e.Entry.DumpId);
    private readonly Dictionary<int, OpenFile> _open = [];

    /// <param name="directory">Where the files are written, under numbers.</param>
    /// <param name="progress">Told the entry whose rows come next.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>Path and hash of each file that was written, by entry.</returns>
    public async Task<Dictionary<PlannedEntry, (string Path, string Sha256)>> WriteAsync(
        string directory, Action<string> progress, CancellationToken cancellationToken)
    {
        var result = new Dictionary<PlannedEntry, (string, string)>();
        try
        {
            await foreach (var block in archive.ReadDataAsync(cancellationToken).ConfigureAwait(false))
            {
                if (!_wanted.TryGetValue(block.Entry.DumpId, out var planned))
                    continue;
                progress(planned.Key);
                var file = await OpenAsync(planned, directory, cancellationToken).ConfigureAwait(false);
                await file.AppendAsync(block, cancellationToken).ConfigureAwait(false);
            }
            foreach (var planned in _wanted.Values)
            {
                var file = await OpenAsync(planned, directory, cancellationToken).ConfigureAwait(false);
                result[planned] = await file.FinishAsync(cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            foreach (var file in _open.Values)
                file.Dispose();
        }
        return result;
    }

    /// <summary>Hash of a whole file, in constant memory.</summary>
    public static async Task<string> HashAsync(string path, CancellationToken cancellationToken)
    {
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1, useAsync: false);
        await using (file.ConfigureAwait(false))
            return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancellationToken).ConfigureAwait(false));
    }

    private async Task<OpenFile> OpenAsync(PlannedEntry planned, string directory, CancellationToken cancellationToken)
    {
        if (_open.TryGetValue(planned.Entry.DumpId, out var file))
            return file;
        // One file is written at a time: blocks of an entry follow each other.
        foreach (var other in _open.Values)
            await other.CloseAsync(cancellationToken).ConfigureAwait(false);
        file = new OpenFile(Path.Combine(directory, $"data-{planned.Entry.DumpId}"), planned.Entry.Kind == TocKind.Blobs, archive.Session.Encoding);
        _open.Add(planned.Entry.DumpId, file);
        await file.BeginAsync(texts.Of(planned), cancellationToken).ConfigureAwait(false);
        return file;
    }

    private sealed class OpenFile : IDisposable
    {
        private readonly string _path;
        private readonly bool _largeObjects;
        private readonly FileStream _file;
        private readonly IScript _script;
        private readonly StreamWriter _writer;
        private bool _closed;

        public OpenFile(string path, bool largeObjects, Encoding encoding)
        {
            _path = path;
            _largeObjects = largeObjects;
            _file = new FileStream(path, FileMode.Create, FileAccess.ReadWrite, FileShare.Read, 64 * 1024, useAsync: false);
            _writer = new StreamWriter(_file, Utf8, 16 * 1024, leaveOpen: true);
            // Rows in UTF-8 pass through as bytes; others are decoded on their way.
            _script = encoding is UTF8Encoding ? new StreamScript(_file, encoding) : new TextScript(_writer, encoding);
        }

        public async Task BeginAsync(string head, CancellationToken cancellationToken)
        {
            await _script.WriteAsync(new StringBuilder(head), cancellationToken).ConfigureAwait(false);
            if (_largeObjects)
                await LargeObjectSql.BeginAsync(_script, cancellationToken).ConfigureAwait(false);
        }

        public async Task AppendAsync(ArchiveDataBlock block, CancellationToken cancellationToken)
        {
            if (_largeObjects)
            {
                await LargeObjectSql.WriteAsync(_script, block, standardStrings: true, cancellationToken).ConfigureAwait(false);
                return;
            }
            var content = block.OpenRead();
            await using (content.ConfigureAwait(false))
                await _script.WriteDataAsync(content, cancellationToken).ConfigureAwait(false);
        }

        public async Task CloseAsync(CancellationToken cancellationToken)
        {
            if (_closed)
                return;
            if (_largeObjects)
                await LargeObjectSql.EndAsync(_script, cancellationToken).ConfigureAwait(false);
            await _script.FlushAsync(cancellationToken).ConfigureAwait(false);
            await _writer.DisposeAsync().ConfigureAwait(false);
            await _file.FlushAsync(cancellationToken).ConfigureAwait(false);
            await TrimAsync(cancellationToken).ConfigureAwait(false);
            await _file.DisposeAsync().ConfigureAwait(false);
            _closed = true;
        }

        public async Task<(string Path, string Sha256)> FinishAsync(CancellationToken cancellationToken)
        {
            await CloseAsync(cancellationToken).ConfigureAwait(false);
            return (_path, await HashAsync(_path, cancellationToken).ConfigureAwait(false));
        }

        public void Dispose()
        {
            if (_closed)
                return;
            _closed = true;
            _writer.Dispose();
            _file.Dispose();
        }

        // One line end at the end of the file, as everywhere in a tree; pg_dump ends data with empty lines.
        private async Task TrimAsync(CancellationToken cancellationToken)
        {
            var tail = new byte[(int)Math.Min(16, _file.Length)];
            _file.Position = _file.Length - tail.Length;
            await _file.ReadExactlyAsync(tail, cancellationToken).ConfigureAwait(false);
            var kept = tail.AsSpan().TrimEnd((byte)'\n').Length;
            if (kept < tail.Length)
                _file.SetLength(_file.Length - tail.Length + kept + 1);
        }
    }
}
