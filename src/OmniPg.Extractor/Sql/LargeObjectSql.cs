using System.Buffers;
using System.Text;

namespace OmniPg.Extractor;

/// <summary>Large objects as SQL: their contents, and statements that stand once per object of a group (pg_backup_archiver.c).</summary>
internal static class LargeObjectSql
{
    public const string UnlinkIfExists = "SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata WHERE oid = '";

    private const string Marker = "LARGE OBJECT ";

    // INV_WRITE of libpq-fs.h, and the piece size of pg_restore (LOBBUFSIZE).
    private const int ForWriting = 0x20000;
    private const int PieceBytes = 16 * 1024;

    /// <summary>One statement per OID that the group (BLOB METADATA, pg_dump 17 and newer) lists in its definition, one OID a line (IssueCommandPerBlob).</summary>
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

    public static ValueTask BeginAsync(IScript script, CancellationToken cancellationToken) =>
        script.WriteAsync(new StringBuilder("BEGIN;\n\n"), cancellationToken);

    public static ValueTask EndAsync(IScript script, CancellationToken cancellationToken) =>
        script.WriteAsync(new StringBuilder("COMMIT;\n\n"), cancellationToken);

    /// <summary>The content as calls of lo_open, lowrite and lo_close, within one transaction (StartRestoreLO, dump_lo_buf).</summary>
    public static async Task WriteAsync(IScript script, ArchiveDataBlock block, bool standardStrings, CancellationToken cancellationToken)
    {
        var sql = new StringBuilder().Append("SELECT pg_catalog.lo_open('").Append(block.LargeObjectOid!.Value).Append("', ").Append(ForWriting).Append(");\n");
        // Without standard strings the backslash of the bytea literal must be doubled.
        var start = standardStrings ? "SELECT pg_catalog.lowrite(0, '\\x" : "SELECT pg_catalog.lowrite(0, '\\\\x";
        var piece = ArrayPool<byte>.Shared.Rent(PieceBytes);
        try
        {
            var content = block.OpenRead();
            await using (content.ConfigureAwait(false))
            {
                while (await content.ReadAtLeastAsync(piece.AsMemory(0, PieceBytes), PieceBytes, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false) is > 0 and var length)
                {
                    sql.Append(start).Append(Convert.ToHexStringLower(piece.AsSpan(0, length))).Append("');\n");
                    await script.WriteAsync(sql, cancellationToken).ConfigureAwait(false);
                    sql.Clear();
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(piece);
        }
        await script.WriteAsync(sql.Append("SELECT pg_catalog.lo_close(0);\n\n"), cancellationToken).ConfigureAwait(false);
    }
}
