namespace OmniPg.Extractor.Extraction;

/// <summary>Finds the topmost partitioned table of each partition: TABLE ATTACH depends on the parent and on the partition.</summary>
internal sealed class PartitionRoots
{
    private readonly Dictionary<SchemaObjectId, SchemaObjectId> _parents = [];

    public PartitionRoots(IEnumerable<TocEntry> entries, IReadOnlyDictionary<int, TocEntry> byId)
    {
        foreach (var entry in entries.Where(static entry => entry.Kind == TocKind.TableAttach))
        {
            foreach (var id in entry.Dependencies)
            {
                if (byId.TryGetValue(id, out var table) && table.Kind is TocKind.Table or TocKind.ForeignTable
                    && (table.Namespace, table.Tag) != (entry.Namespace, entry.Tag))
                {
                    var kind = entry.Dependencies.Select(byId.GetValueOrDefault)
                        .FirstOrDefault(e => (e?.Namespace, e?.Tag) == (entry.Namespace, entry.Tag))?.Desc ?? "TABLE";
                    _parents[new SchemaObjectId(kind, entry.Namespace, entry.Tag ?? "")] = new SchemaObjectId(table.Desc, table.Namespace, table.Tag ?? "");
                }
            }
        }
    }

    public bool IsPartition(SchemaObjectId id) => _parents.ContainsKey(id);

    public SchemaObjectId TopOf(SchemaObjectId id)
    {
        // The limit ends the walk in an archive that claims a table to be its own ancestor.
        for (var depth = 0; depth < 100 && _parents.TryGetValue(id, out var parent); depth++)
            id = parent;
        return id;
    }
}
