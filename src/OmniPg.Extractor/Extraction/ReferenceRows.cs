using System.Text;

namespace OmniPg.Extractor;

/// <summary>Reference tables as entries among those of an archive, and their files.</summary>
internal sealed class ReferenceRows
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);
    private readonly ReferenceSession _session;
    private readonly Dictionary<int, ReferenceSession.Table> _tables = [];

    public ReferenceRows(ReferenceSession session, IReadOnlyList<TocEntry> archive)
    {
        _session = session;
        var dumpId = archive.Select(static entry => entry.DumpId).DefaultIfEmpty().Max();
        var entries = new List<TocEntry>();
        foreach (var table in session.Tables)
        {
            _tables.Add(++dumpId, table);
            entries.Add(EntryOf(table, dumpId, archive));
        }
        Entries = entries;
    }

    /// <summary>What pg_dump would have written had it been asked for these rows.</summary>
    public IReadOnlyList<TocEntry> Entries { get; }

    public bool Contains(PlannedEntry planned) => _tables.ContainsKey(planned.Entry.DumpId);

    public async Task WriteAsync(PlannedEntry planned, string head, string path, CancellationToken cancellationToken)
    {
        var file = new StreamWriter(path, Utf8, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 64 * 1024 });
        await using (file.ConfigureAwait(false))
        {
            await file.WriteAsync(head.AsMemory(), cancellationToken).ConfigureAwait(false);
            await _session.WriteRowsAsync(_tables[planned.Entry.DumpId], file, cancellationToken).ConfigureAwait(false);
            await file.WriteAsync("\\.\n".AsMemory(), cancellationToken).ConfigureAwait(false);
        }
    }

    private static TocEntry EntryOf(ReferenceSession.Table table, int dumpId, IReadOnlyList<TocEntry> archive)
    {
        var (schema, name) = (table.Name.Schema!.Value.Value, table.Name.Name.Value);
        return new TocEntry
        {
            DumpId = dumpId,
            Kind = TocKind.TableData,
            Desc = "TABLE DATA",
            Tag = name,
            Namespace = schema,
            Owner = table.Owner,
            Section = TocSection.Data,
            Pass = TocPass.Main,
            CopyStatement = table.CopyFrom,
            HasData = true,
            Dependencies = [.. archive.Where(entry => entry.Kind == TocKind.Table && entry.Namespace == schema && entry.Tag == name).Select(static entry => entry.DumpId)],
            Index = archive.Count + dumpId,
        };
    }
}
