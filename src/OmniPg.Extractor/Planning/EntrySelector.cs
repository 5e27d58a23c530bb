namespace OmniPg.Extractor;

/// <summary>Which entries the options let pass.</summary>
internal sealed class EntrySelector(ExtractionOptions options, Func<SchemaObjectId, TocEntry?> ownEntry, TableParents parents)
{
    private readonly Dictionary<SchemaObjectId, bool> _objects = [];

    /// <summary>Session state and remarks: never SQL of the schema.</summary>
    public static bool IsConsumed(TocEntry entry) =>
        entry.Kind is TocKind.Encoding or TocKind.StandardStrings or TocKind.SearchPath or TocKind.Warning;

    public bool Admits(TocEntry entry, SchemaObjectId root)
    {
        if (options.NoPrivileges && entry.Kind is TocKind.Acl or TocKind.AclLanguage or TocKind.DefaultAcl)
            return false;
        if (!AdmitsData(entry, root))
            return false;
        if (!_objects.TryGetValue(root, out var admitted))
            _objects[root] = admitted = AdmitsObject(root);
        return admitted;
    }

    private bool AdmitsData(TocEntry entry, SchemaObjectId root)
    {
        if (entry.Kind is TocKind.StatisticsData or TocKind.ExtendedStatisticsData)
            return options.StatisticsData;
        // A kind of a later pg_dump that calls itself data is not schema, whatever it is.
        if (entry.Kind == TocKind.Other && entry.Desc.EndsWith(" DATA", StringComparison.Ordinal))
            return options.Data is not null;
        if (root.Kind == SchemaObjectId.LargeObjectKind)
            return options.Data is { IncludeLargeObjects: true };
        if (entry.Kind == TocKind.TableData && !options.Filter.TableData.IsEmpty && !AdmitsRows(entry))
            return false;
        return entry.Section != TocSection.Data && entry.Kind != TocKind.MaterializedViewData || options.Data is not null
            // The dump is without rows then, so these are of reference tables.
            || (entry.Kind == TocKind.TableData && options.ReferenceTables.Count > 0);
    }

    private bool AdmitsRows(TocEntry entry)
    {
        var table = new SchemaObjectId("TABLE", entry.Namespace, entry.Tag ?? "").Identity;
        return options.Filter.TableData.Admits(table, parents.AncestorsOf(table));
    }

    private bool AdmitsObject(SchemaObjectId root)
    {
        var own = ownEntry(root);
        return options.Kinds.HasFlag(root.Kinds) && AdmitsSchema(root) && AdmitsKindFilter(root) && AdmitsOwner(root, own)
            && (options.Filter.Names.IsEmpty || options.Filter.Names.Admits(UnqualifiedName(root)));
    }

    private bool AdmitsSchema(SchemaObjectId root)
    {
        var schema = root.Kind == "SCHEMA" ? root.Name : root.Schema;
        return schema is null || options.Filter.Schemas.IsEmpty || options.Filter.Schemas.Admits(schema);
    }

    private bool AdmitsKindFilter(SchemaObjectId root)
    {
        var filter = root.Kind switch
        {
            "TABLE" or "FOREIGN TABLE" => options.Filter.Tables,
            "VIEW" or "MATERIALIZED VIEW" => options.Filter.Views,
            "FUNCTION" or "PROCEDURE" or "AGGREGATE" => options.Filter.Routines,
            "EXTENSION" => options.Filter.Extensions,
            _ => null,
        };
        if (filter is null || filter.IsEmpty)
            return true;
        return filter == options.Filter.Tables ? filter.Admits(root.Identity, parents.AncestorsOf(root.Identity)) : filter.Admits(root.Identity);
    }

    private bool AdmitsOwner(SchemaObjectId root, TocEntry? own) => options.Filter.Owners.IsEmpty
        || root.Kind == SchemaObjectId.DatabaseKind
        || options.Filter.Owners.Admits(own?.Owner ?? "");

    // Routines carry their arguments in the name; expressions are about the name alone.
    private static string UnqualifiedName(SchemaObjectId root)
    {
        if (root.Kind is not ("FUNCTION" or "PROCEDURE" or "AGGREGATE"))
            return root.Name;
        var arguments = root.Name.IndexOf('(', StringComparison.Ordinal);
        return arguments > 0 ? root.Name[..arguments] : root.Name;
    }
}
