namespace OmniPg.Extractor;

/// <summary>Kind, schema and name of objects that have a file of their own.</summary>
internal static class ObjectNames
{
    // The database has one object whatever its name, so that trees of equal databases with different names are equal in shape.
    public static SchemaObjectId Database { get; } = new(SchemaObjectId.DatabaseKind, null, "database");

    public static bool IsAboutDatabase(TocEntry entry) => entry.Tag?.StartsWith("DATABASE ", StringComparison.Ordinal) == true
        && entry.Kind is TocKind.Comment or TocKind.SecurityLabel or TocKind.Acl;

    /// <summary>Whether an entry of this kind defines an object with a file, rather than something that hangs on one.</summary>
    public static bool IsObject(TocKind kind) => kind is not (
        TocKind.Acl or TocKind.AclLanguage or TocKind.Comment or TocKind.SecurityLabel or TocKind.Default or TocKind.Constraint or TocKind.ForeignKey
        or TocKind.CheckConstraint or TocKind.Index or TocKind.IndexAttach or TocKind.Statistics or TocKind.Trigger or TocKind.Rule or TocKind.Policy
        or TocKind.RowSecurity or TocKind.TableAttach or TocKind.TableData or TocKind.MaterializedViewData or TocKind.SequenceOwnedBy
        or TocKind.SequenceSet or TocKind.PublicationTable or TocKind.PublicationTablesInSchema or TocKind.SubscriptionTable
        or TocKind.StatisticsData or TocKind.ExtendedStatisticsData or TocKind.Encoding or TocKind.StandardStrings or TocKind.SearchPath or TocKind.Warning);

    public static string KindOf(TocEntry entry) => entry.Kind switch
    {
        TocKind.ShellType => "TYPE",
        TocKind.Blob or TocKind.BlobMetadata or TocKind.Blobs or TocKind.BlobComments or TocKind.LargeObjectCatalog => SchemaObjectId.LargeObjectKind,
        TocKind.DatabaseProperties => SchemaObjectId.DatabaseKind,
        TocKind.DefaultAcl => "DEFAULT PRIVILEGES",
        _ => entry.Desc,
    };

    public static string? SchemaOf(TocEntry entry) => entry.Kind is TocKind.DefaultAcl ? null : entry.Namespace;

    public static string NameOf(TocEntry entry) => entry.Kind switch
    {
        TocKind.Database or TocKind.DatabaseProperties => Database.Name,
        TocKind.DefaultAcl => entry.Owner ?? "",
        TocKind.Blob or TocKind.BlobMetadata or TocKind.Blobs or TocKind.BlobComments or TocKind.LargeObjectCatalog => "large objects",
        TocKind.Operator => AfterDrop(entry, "DROP OPERATOR "),
        TocKind.OperatorClass => AfterDrop(entry, "DROP OPERATOR CLASS "),
        TocKind.OperatorFamily => AfterDrop(entry, "DROP OPERATOR FAMILY "),
        _ => entry.Tag ?? "",
    };

    // Operators and their families are told apart by argument types and access method, which only the drop statement names.
    private static string AfterDrop(TocEntry entry, string start)
    {
        var drop = entry.DropStatement?.TrimEnd('\n', ';');
        if (drop is null || !drop.StartsWith(start, StringComparison.Ordinal))
            return entry.Tag ?? "";
        var rest = drop[start.Length..];
        var separator = entry.Kind == TocKind.Operator ? " (" : " USING ";
        var tail = rest.LastIndexOf(separator, StringComparison.Ordinal);
        return tail > 0 ? entry.Tag + (separator == " (" ? rest[(tail + 1)..] : rest[tail..]) : entry.Tag ?? "";
    }
}
