using System.Text;

namespace OmniPg.Extractor;

/// <summary>The DROP statement of an entry, with IF EXISTS put in where wanted (RestoreArchive in pg_backup_archiver.c).</summary>
internal static class DropStatement
{
    private const string AlterTable = "ALTER TABLE";

    public static void Append(StringBuilder sql, TocEntry entry, bool ifExists)
    {
        var drop = entry.DropStatement;
        if (string.IsNullOrEmpty(drop))
            return;
        if (entry.Kind == TocKind.BlobMetadata)
            AppendUnlink(sql, entry, ifExists);
        else if (!ifExists || drop.StartsWith("--", StringComparison.Ordinal))
            sql.Append(drop);
        else if (entry.Kind == TocKind.Blob)
            sql.Append(LargeObjectSql.UnlinkIfExists).Append(entry.CatalogOid).Append("';\n");
        else
            AppendIfExists(sql, entry, drop);
    }

    private static void AppendUnlink(StringBuilder sql, TocEntry entry, bool ifExists) =>
        LargeObjectSql.Append(sql, entry, ifExists ? LargeObjectSql.UnlinkIfExists : "SELECT pg_catalog.lo_unlink('", ifExists ? "'" : "')");

    private static void AppendIfExists(StringBuilder sql, TocEntry entry, string drop)
    {
        var rest = drop.AsSpan();
        if (rest.StartsWith(AlterTable, StringComparison.Ordinal))
        {
            sql.Append(AlterTable).Append(" IF EXISTS");
            rest = rest[AlterTable.Length..];
        }
        // DROP DEFAULT knows no IF EXISTS; a view that is replaced by a placeholder is not dropped.
        var isFixed = entry.Kind is TocKind.Default or TocKind.DatabaseProperties || rest.StartsWith("CREATE OR REPLACE VIEW", StringComparison.Ordinal);
        var command = Command(entry);
        var at = isFixed ? -1 : rest.IndexOf(command, StringComparison.Ordinal);
        if (at < 0)
            sql.Append(rest);
        else
            sql.Append(rest[..(at + command.Length)]).Append(" IF EXISTS").Append(rest[(at + command.Length)..]);
    }

    private static string Command(TocEntry entry) => entry.Kind switch
    {
        TocKind.Constraint or TocKind.CheckConstraint or TocKind.ForeignKey => "DROP CONSTRAINT",
        _ => "DROP " + entry.Desc,
    };
}
