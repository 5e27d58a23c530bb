using System.Text;

namespace OmniPg.Extractor.Composing;

/// <summary>The comment block above each entry (_printTocEntry in pg_backup_archiver.c).</summary>
internal static class EntryHeader
{
    public static void Append(StringBuilder sql, TocEntry entry, ComposeOptions options, bool isData)
    {
        sql.Append("--\n-- ").Append(Prefix(entry, isData)).Append("Name: ");
        AppendOnOneLine(sql, entry.Tag ?? "");
        sql.Append("; Type: ").Append(entry.Desc).Append("; Schema: ");
        AppendOnOneLine(sql, entry.Namespace ?? "-");
        sql.Append("; Owner: ");
        AppendOnOneLine(sql, (options.NoOwner ? null : entry.Owner) ?? "-");
        if (!string.IsNullOrEmpty(entry.Tablespace) && !options.NoTablespaces)
        {
            sql.Append("; Tablespace: ");
            AppendOnOneLine(sql, entry.Tablespace);
        }
        sql.Append("\n--\n\n");
    }

    private static string Prefix(TocEntry entry, bool isData) => (entry.Kind, isData) switch
    {
        (TocKind.StatisticsData or TocKind.ExtendedStatisticsData, _) => "Statistics for ",
        (_, true) => "Data for ",
        _ => "",
    };

    // A line end in a name would end the comment and let the rest of the name be executed (CVE-2025-8714 and its relatives).
    private static void AppendOnOneLine(StringBuilder sql, string name)
    {
        var start = sql.Length;
        sql.Append(name).Replace('\n', ' ', start, name.Length).Replace('\r', ' ', start, name.Length);
    }
}
