namespace OmniPg.Extractor;

/// <summary>Which tables a table is a partition of or inherits from, over all levels.</summary>
internal sealed class TableParents
{
    private readonly Dictionary<string, HashSet<string>> _parents = new(StringComparer.Ordinal);
    private readonly Dictionary<string, IReadOnlyList<string>> _ancestors = new(StringComparer.Ordinal);
    private readonly Dictionary<SchemaObjectId, SchemaObjectId> _partitionedBy = [];

    public TableParents(IEnumerable<TocEntry> entries, IReadOnlyDictionary<int, TocEntry> byId)
    {
        foreach (var entry in entries)
        {
            if (entry.Kind == TocKind.TableAttach)
            {
                Add(entry, Attached(entry.Definition ?? ""));
                AddPartition(entry, byId);
            }
            else if (entry.Kind is TocKind.Table or TocKind.ForeignTable)
                foreach (var parent in Inherited(entry.Definition ?? ""))
                    Add(entry, parent);
        }
    }

    public bool IsPartition(SchemaObjectId id) => _partitionedBy.ContainsKey(id);

    /// <summary>The topmost partitioned table of a partition; any other object itself.</summary>
    public SchemaObjectId TopOf(SchemaObjectId id)
    {
        // The limit ends the walk in an archive that claims a table to be its own ancestor.
        for (var depth = 0; depth < 100 && _partitionedBy.TryGetValue(id, out var parent); depth++)
            id = parent;
        return id;
    }

    /// <summary>Tables that a table is a partition of or inherits from, over all levels.</summary>
    /// <param name="identity"><c>schema.name</c> of a table.</param>
    public IReadOnlyList<string> AncestorsOf(string identity)
    {
        if (_parents.Count == 0)
            return [];
        if (_ancestors.TryGetValue(identity, out var known))
            return known;
        var found = new HashSet<string>(StringComparer.Ordinal);
        var rest = new Stack<string>([identity]);
        // The set ends the walk in an archive that claims a table to be its own ancestor.
        while (rest.TryPop(out var table))
        {
            foreach (var parent in _parents.GetValueOrDefault(table) ?? [])
            {
                if (found.Add(parent))
                    rest.Push(parent);
            }
        }
        return _ancestors[identity] = [.. found];
    }

    // TABLE ATTACH depends on the parent and on the partition.
    private void AddPartition(TocEntry attach, IReadOnlyDictionary<int, TocEntry> byId)
    {
        foreach (var id in attach.Dependencies)
        {
            if (byId.TryGetValue(id, out var table) && table.Kind is TocKind.Table or TocKind.ForeignTable
                && (table.Namespace, table.Tag) != (attach.Namespace, attach.Tag))
            {
                var kind = attach.Dependencies.Select(byId.GetValueOrDefault)
                    .FirstOrDefault(e => (e?.Namespace, e?.Tag) == (attach.Namespace, attach.Tag))?.Desc ?? "TABLE";
                _partitionedBy[new SchemaObjectId(kind, attach.Namespace, attach.Tag ?? "")] = new SchemaObjectId(table.Desc, table.Namespace, table.Tag ?? "");
            }
        }
    }

    // ALTER TABLE ONLY parent ATTACH PARTITION child FOR VALUES …
    private static (string? Schema, string Name)? Attached(string definition)
    {
        var reader = new SqlTokenReader(definition);
        return reader.SkipTo("TABLE") ? reader.ReadName() : null;
    }

    // CREATE TABLE child (…) INHERITS (a.parent, b.parent); a column may be called inherits, but no parenthesis follows that.
    private static List<(string? Schema, string Name)?> Inherited(string definition)
    {
        var names = new List<(string?, string)?>();
        if (!definition.Contains("INHERITS (", StringComparison.Ordinal))
            return names;
        var reader = new SqlTokenReader(definition);
        while (names.Count == 0 && reader.SkipTo("INHERITS"))
        {
            if (!reader.Next().IsSymbol('('))
                continue;
            do
                names.Add(reader.ReadName());
            while (reader.Next().IsSymbol(','));
        }
        return names;
    }

    private void Add(TocEntry child, (string? Schema, string Name)? parent)
    {
        if (parent is not { } name)
            return;
        var identity = new SchemaObjectId("TABLE", child.Namespace, child.Tag ?? "").Identity;
        if (!_parents.TryGetValue(identity, out var parents))
            _parents.Add(identity, parents = new HashSet<string>(StringComparer.Ordinal));
        parents.Add(new SchemaObjectId("TABLE", name.Schema, name.Name).Identity);
    }
}
