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

/// <summary>Finds in an entry's SQL the name of the relation, domain or publication that the entry belongs to.</summary>
/// <remarks>Tags are no help: <c>table name</c> cannot be split when a name holds a space.</remarks>
internal static class TargetName
{
    public static (string? Schema, string Name)? Of(TocEntry entry)
    {
        var definition = entry.Definition;
        if (string.IsNullOrEmpty(definition))
            return null;
        var reader = new SqlTokenReader(definition);
        var first = reader.Next();
        if (first.IsKeyword("ALTER"))
            return AfterAlter(ref reader);
        return first.IsKeyword("CREATE") ? AfterCreate(entry.Kind, ref reader) : null;
    }

    /// <summary>The name behind a statement's leading keywords, as in <c>DROP FUNCTION app."f(x"(integer);</c>.</summary>
    public static (string? Schema, string Name)? AfterKeywords(string? statement, int keywords)
    {
        if (string.IsNullOrEmpty(statement))
            return null;
        var reader = new SqlTokenReader(statement);
        for (var i = 0; i < keywords; i++)
            reader.Next();
        return reader.ReadName();
    }

    /// <summary>The table in <c>ALTER SEQUENCE s OWNED BY schema.table.column</c>.</summary>
    public static (string? Schema, string Name)? OwnerOfSequence(TocEntry entry)
    {
        var reader = new SqlTokenReader(entry.Definition ?? "");
        return reader.SkipTo("OWNED") && reader.SkipTo("BY") ? reader.ReadName() : null;
    }

    // ALTER TABLE|DOMAIN|PUBLICATION name …, ALTER INDEX parent ATTACH PARTITION child, ALTER SEQUENCE s OWNED BY …
    private static (string? Schema, string Name)? AfterAlter(ref SqlTokenReader reader)
    {
        var what = reader.Next();
        if (what.IsKeyword("FOREIGN"))
            reader.Next();
        if (what.IsKeyword("INDEX"))
            return reader.SkipTo("PARTITION") ? reader.ReadName() : null;
        return reader.ReadName();
    }

    private static (string? Schema, string Name)? AfterCreate(TocKind kind, ref SqlTokenReader reader)
    {
        switch (kind)
        {
            case TocKind.Rule:
                return AfterCreateRule(ref reader);
            case TocKind.Statistics:
                return LastFrom(ref reader);
            case TocKind.Index:
                // The index name itself comes before ON and may be any word.
                if (!reader.SkipTo("INDEX"))
                    return null;
                reader.ReadName();
                return reader.SkipTo("ON") ? reader.ReadName() : null;
            case TocKind.Trigger or TocKind.Policy:
                reader.SkipTo(kind == TocKind.Trigger ? "TRIGGER" : "POLICY");
                reader.ReadName();
                return reader.SkipTo("ON") ? reader.ReadName() : null;
            default:
                return null;
        }
    }

    // CREATE RULE name AS ON event TO table …, or the second half of a split view: CREATE OR REPLACE VIEW name AS …
    private static (string? Schema, string Name)? AfterCreateRule(ref SqlTokenReader reader)
    {
        var token = reader.Next();
        if (token.IsKeyword("OR"))
            return reader.SkipTo("VIEW") ? reader.ReadName() : null;
        reader.ReadName();
        return reader.SkipTo("TO") ? reader.ReadName() : null;
    }

    private static (string? Schema, string Name)? LastFrom(ref SqlTokenReader reader)
    {
        (string? Schema, string Name)? found = null;
        while (reader.SkipTo("FROM"))
            found = reader.ReadName() ?? found;
        return found;
    }
}
