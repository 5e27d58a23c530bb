using System.Text;

namespace OmniPg.Extractor.Composing;

/// <summary>ALTER … OWNER TO, which pg_restore derives from an entry's kind and its DROP statement (_getObjectDescription).</summary>
internal sealed class OwnerStatement(SqlNames names, int major)
{
    public void Append(StringBuilder sql, TocEntry entry)
    {
        // Whatever cannot be dropped by itself has no owner of its own.
        if (string.IsNullOrEmpty(entry.Owner) || string.IsNullOrEmpty(entry.DropStatement))
            return;
        if (entry.Kind == TocKind.BlobMetadata)
            LargeObjectStatements.Append(sql, entry, "ALTER LARGE OBJECT ", $" OWNER TO {names.Quote(entry.Owner)}");
        else if (Describe(entry) is { } description)
            sql.Append("ALTER ").Append(description).Append(" OWNER TO ").Append(names.Quote(entry.Owner)).Append(";\n\n");
    }

    private string? Describe(TocEntry entry)
    {
        switch (entry.Kind)
        {
            case TocKind.Collation or TocKind.Conversion or TocKind.Domain or TocKind.ForeignTable or TocKind.MaterializedView
                or TocKind.Sequence or TocKind.Statistics or TocKind.Table or TocKind.TextSearchDictionary or TocKind.TextSearchConfiguration
                or TocKind.Type or TocKind.View
                or TocKind.Database or TocKind.ProceduralLanguage or TocKind.Schema or TocKind.EventTrigger or TocKind.ForeignDataWrapper
                or TocKind.Server or TocKind.Publication or TocKind.Subscription:
                return $"{Command(entry)} {names.Qualify(entry.Namespace, entry.Tag ?? "")}";
            case TocKind.Blob:
                return $"LARGE OBJECT {entry.Tag}";
            case TocKind.Aggregate or TocKind.Function or TocKind.Procedure or TocKind.Operator or TocKind.OperatorClass or TocKind.OperatorFamily:
                return FromDrop(entry.DropStatement!);
            default:
                return null;
        }
    }

    // pg_restore before 16 spoke of every relation but a foreign table as a table.
    private string Command(TocEntry entry) =>
        major < 16 && entry.Kind is TocKind.View or TocKind.MaterializedView or TocKind.Sequence ? "TABLE" : entry.Desc;

    // Signatures and access methods stand only in the DROP statement: take it without "DROP " and its end.
    private static string? FromDrop(string drop) =>
        drop.StartsWith("DROP ", StringComparison.Ordinal) ? drop["DROP ".Length..].TrimEnd('\n', ';') : null;
}
