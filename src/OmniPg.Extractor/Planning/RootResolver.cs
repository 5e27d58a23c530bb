namespace OmniPg.Extractor;

/// <summary>Says for every entry of an archive to which object, hence to which file, it belongs.</summary>
internal sealed class RootResolver
{
    private readonly Dictionary<int, TocEntry> _byId = [];
    private readonly Dictionary<(string?, string), TocEntry> _relations = [];
    private readonly Dictionary<(string?, string), TocEntry> _domains = [];
    private readonly Dictionary<(string?, string), TocEntry> _ownedSequences = [];
    private readonly Dictionary<int, SchemaObjectId> _roots = [];

    public RootResolver(IReadOnlyList<TocEntry> entries)
    {
        foreach (var entry in entries)
        {
            _byId[entry.DumpId] = entry;
            var name = (entry.Namespace, entry.Tag ?? "");
            if (IsRelation(entry.Kind))
                _relations.TryAdd(name, entry);
            else if (entry.Kind == TocKind.Domain)
                _domains.TryAdd(name, entry);
            else if (entry.Kind == TocKind.SequenceOwnedBy)
                _ownedSequences.TryAdd(name, entry);
        }
    }

    public SchemaObjectId Of(TocEntry entry)
    {
        if (_roots.TryGetValue(entry.DumpId, out var known))
            return known;
        // Protects against hostile archives whose comments hang on each other.
        _roots[entry.DumpId] = Itself(entry);
        return _roots[entry.DumpId] = Resolve(entry);
    }

    private static bool IsRelation(TocKind kind) =>
        kind is TocKind.Table or TocKind.ForeignTable or TocKind.View or TocKind.MaterializedView or TocKind.Sequence;

    private static SchemaObjectId Itself(TocEntry entry) => new(ObjectNames.KindOf(entry), ObjectNames.SchemaOf(entry), ObjectNames.NameOf(entry));

    private SchemaObjectId Resolve(TocEntry entry) => entry.Kind switch
    {
        TocKind.Comment or TocKind.SecurityLabel or TocKind.Acl or TocKind.AclLanguage => OfAnnotation(entry),
        TocKind.Sequence => OfSequence(entry),
        TocKind.SequenceOwnedBy or TocKind.SequenceSet => OfNamedRelation(entry, "SEQUENCE"),
        TocKind.TableAttach or TocKind.TableData or TocKind.StatisticsData or TocKind.ExtendedStatisticsData => OfNamedRelation(entry, "TABLE"),
        TocKind.MaterializedViewData => OfNamedRelation(entry, "MATERIALIZED VIEW"),
        TocKind.Default or TocKind.Constraint or TocKind.ForeignKey or TocKind.CheckConstraint or TocKind.Index or TocKind.Statistics
            or TocKind.Trigger or TocKind.Rule or TocKind.Policy or TocKind.RowSecurity => OfTarget(entry),
        TocKind.IndexAttach => OfAttachedIndex(entry),
        TocKind.PublicationTable or TocKind.PublicationTablesInSchema => OfMember(entry, TocKind.Publication, "PUBLICATION"),
        TocKind.SubscriptionTable => OfMember(entry, TocKind.Subscription, "SUBSCRIPTION"),
        _ => Itself(entry),
    };

    private SchemaObjectId OfAnnotation(TocEntry entry)
    {
        if (ObjectNames.IsAboutDatabase(entry))
            return ObjectNames.Database;
        foreach (var id in entry.Dependencies)
        {
            // The table's own ACL is the second dependency of a column's ACL, so the first one that exists decides.
            if (_byId.TryGetValue(id, out var parent))
                return Of(parent);
        }
        return AnnotatedNames.Find(entry, _relations) is { } found ? found : new SchemaObjectId(SchemaObjectId.GrantKind, entry.Namespace, entry.Tag ?? "");
    }

    private SchemaObjectId OfSequence(TocEntry entry)
    {
        var isIdentity = string.IsNullOrEmpty(entry.DropStatement) && entry.Definition?.StartsWith("ALTER TABLE", StringComparison.Ordinal) == true;
        if (isIdentity)
            return OfTarget(entry);
        return _ownedSequences.TryGetValue((entry.Namespace, entry.Tag ?? ""), out var owned)
            && TargetName.OwnerOfSequence(owned) is { } table && _relations.TryGetValue(table, out var relation)
            ? Of(relation)
            : Itself(entry);
    }

    private SchemaObjectId OfNamedRelation(TocEntry entry, string kind)
    {
        var name = entry.Tag ?? "";
        return _relations.TryGetValue((entry.Namespace, name), out var relation)
            ? Of(relation)
            : new SchemaObjectId(kind, entry.Namespace, name);
    }

    private SchemaObjectId OfTarget(TocEntry entry)
    {
        if (TargetName.Of(entry) is not { } target)
            return Itself(entry);
        var key = (target.Schema ?? entry.Namespace, target.Name);
        if (_relations.TryGetValue(key, out var relation) && relation != entry)
            return Of(relation);
        if (entry.Kind == TocKind.CheckConstraint && _domains.TryGetValue(key, out var domain))
            return Of(domain);
        return new SchemaObjectId("TABLE", key.Item1, key.Name);
    }

    // ALTER INDEX parent ATTACH PARTITION child: the child's index or constraint is among the dependencies.
    private SchemaObjectId OfAttachedIndex(TocEntry entry)
    {
        var child = TargetName.Of(entry)?.Name ?? entry.Tag;
        foreach (var id in entry.Dependencies)
        {
            if (_byId.TryGetValue(id, out var other) && other.Namespace == entry.Namespace && IsIndexNamed(other, child))
                return Of(other);
        }
        return Itself(entry);
    }

    private static bool IsIndexNamed(TocEntry entry, string? name) =>
        (entry.Kind == TocKind.Index && entry.Tag == name)
        || (entry.Kind == TocKind.Constraint && entry.Tag?.EndsWith(" " + name, StringComparison.Ordinal) == true);

    private SchemaObjectId OfMember(TocEntry entry, TocKind parentKind, string kind)
    {
        foreach (var id in entry.Dependencies)
        {
            if (_byId.TryGetValue(id, out var parent) && parent.Kind == parentKind)
                return Of(parent);
        }
        return TargetName.Of(entry) is { } target ? new SchemaObjectId(kind, null, target.Name) : Itself(entry);
    }

    /// <summary>What a comment, label or grant is about when the dump holds no entry for it: the tag says it.</summary>
    private static class AnnotatedNames
    {
        // Tags of pg_dump: "TABLE t", "COLUMN t.c", "SCHEMA s", "TRIGGER x ON t" … Only those that can name an object with a file.
        public static SchemaObjectId? Find(TocEntry entry, Dictionary<(string?, string), TocEntry> relations)
        {
            var tag = entry.Tag ?? "";
            if (After(tag, "SCHEMA ") is { } schema)
                return new SchemaObjectId("SCHEMA", null, schema);
            if (After(tag, "LARGE OBJECT ") is not null || After(tag, "LARGE OBJECTS ") is not null)
                return new SchemaObjectId(SchemaObjectId.LargeObjectKind, null, "large objects");
            if (After(tag, "TABLE ") is { } table && relations.TryGetValue((entry.Namespace, table), out var found))
                return new SchemaObjectId(found.Desc, found.Namespace, table);
            return After(tag, "EXTENSION ") is { } extension ? new SchemaObjectId("EXTENSION", null, extension) : null;
        }

        private static string? After(string tag, string start) => tag.StartsWith(start, StringComparison.Ordinal) ? tag[start.Length..] : null;
    }
}
