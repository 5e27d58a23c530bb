using System.Buffers;
using System.Text;

namespace OmniPg.Extractor.Composing;

/// <summary>Large objects as calls of lo_open, lowrite and lo_close within one transaction (StartRestoreLO, dump_lo_buf).</summary>
internal static class LargeObjectScript
{
    // INV_WRITE of libpq-fs.h, and the piece size of pg_restore (LOBBUFSIZE).
    private const int ForWriting = 0x20000;
    private const int PieceBytes = 16 * 1024;

    public static ValueTask BeginAsync(IScript script, CancellationToken cancellationToken) =>
        script.WriteAsync(new StringBuilder("BEGIN;\n\n"), cancellationToken);

    public static ValueTask EndAsync(IScript script, CancellationToken cancellationToken) =>
        script.WriteAsync(new StringBuilder("COMMIT;\n\n"), cancellationToken);

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
