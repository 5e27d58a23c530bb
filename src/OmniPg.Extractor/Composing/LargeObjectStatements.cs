using System.Text;

namespace OmniPg.Extractor.Composing;

/// <summary>Statements that stand once per large object of a group (BLOB METADATA, pg_dump 17 and newer; IssueCommandPerBlob).</summary>
internal static class LargeObjectStatements
{
    public const string UnlinkIfExists = "SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata WHERE oid = '";

    private const string Marker = "LARGE OBJECT ";

    /// <summary>One statement per OID that the group's definition lists, one OID a line.</summary>
    public static void Append(StringBuilder sql, TocEntry group, string before, string after)
    {
        for (var rest = (group.Definition ?? "").AsSpan(); rest.IndexOf('\n') is >= 0 and var end; rest = rest[(end + 1)..])
            sql.Append(before).Append(rest[..end]).Append(after).Append(";\n");
        sql.Append('\n');
    }

    /// <summary>Grants on a group: the text names the first object only and is repeated for each (IssueACLPerBlob).</summary>
    public static void AppendAcl(StringBuilder sql, TocEntry group, string acl)
    {
        var start = 0;
        var head = -1;
        var tail = 0;
        var isQuoted = false;
        for (var i = 0; i < acl.Length; i++)
        {
            if (acl[i] == '"')
                isQuoted = !isQuoted;
            if (isQuoted)
                continue;
            if (head < 0 && acl.AsSpan(i).StartsWith(Marker, StringComparison.Ordinal))
            {
                head = i + Marker.Length;
                for (tail = head; tail < acl.Length && char.IsAsciiDigit(acl[tail]); tail++)
                {
                }
                i = tail - 1;
            }
            else if (acl[i] == ';' && head >= 0)
            {
                Append(sql, group, acl[start..head], acl[tail..i]);
                for (start = i + 1; start < acl.Length && char.IsWhiteSpace(acl[start]); start++)
                {
                }
                head = -1;
                i = start - 1;
            }
        }
    }
}
