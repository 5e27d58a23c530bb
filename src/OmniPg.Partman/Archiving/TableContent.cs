using System.Buffers.Binary;
using System.Security.Cryptography;
using Npgsql;

namespace OmniPg.Partman;

/// <summary>The rows of a table as text of COPY, counted and hashed while they pass.</summary>
/// <param name="Rows">Rows.</param>
/// <param name="Bytes">Bytes of the text.</param>
/// <param name="Sha256">Hash of the text as it came.</param>
internal sealed record TableContent(long Rows, long Bytes, string Sha256)
{
    // The text of a value depends on these, the order of rows on the last but one; row-level security shall refuse, and not leave out.
    private const string Settings =
        """
        SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL extra_float_digits = 3;
        SET LOCAL bytea_output = 'hex'; SET LOCAL lc_monetary = 'C'; SET LOCAL synchronize_seqscans = off; SET LOCAL row_security = off
        """;

    private const int BufferBytes = 256 * 1024;

    /// <summary>Reads a table within the session's transaction; its settings stand until the end of that.</summary>
    /// <param name="session">A session in a transaction.</param>
    /// <param name="table">The table.</param>
    /// <param name="columns">Its columns, quoted.</param>
    /// <param name="sink">Takes the text; null for nobody.</param>
    /// <param name="sum">Takes the rows, whatever their order; null for nobody.</param>
    public static async Task<TableContent> ReadAsync(PgSession session, QualifiedName table, IEnumerable<string> columns, Stream? sink, RowSum? sum = null)
    {
        await session.ExecuteAsync(Settings).ConfigureAwait(false);
        var text = await session.Connection.BeginTextExportAsync($"COPY {table.Quoted} ({string.Join(", ", columns)}) TO STDOUT", session.CancellationToken).ConfigureAwait(false);
        var rows = ((StreamReader)text).BaseStream;
        await using var closing = rows.ConfigureAwait(false);
        (rows.ReadTimeout, rows.WriteTimeout) = (0, 0);
        return await PassAsync(rows, sink, session.CancellationToken, sum).ConfigureAwait(false);
    }

    /// <summary>Writes rows into a table within the session's transaction.</summary>
    /// <param name="session">A session in a transaction.</param>
    /// <param name="table">The table.</param>
    /// <param name="columns">Its columns, quoted.</param>
    /// <param name="rows">The text of COPY.</param>
    /// <param name="sum">Takes the rows as well.</param>
    public static async Task<TableContent> WriteAsync(PgSession session, QualifiedName table, IEnumerable<string> columns, Stream rows, RowSum sum)
    {
        await session.ExecuteAsync(Settings).ConfigureAwait(false);
        var text = await session.Connection.BeginTextImportAsync($"COPY {table.Quoted} ({string.Join(", ", columns)}) FROM STDIN", session.CancellationToken).ConfigureAwait(false);
        var copy = (NpgsqlRawCopyStream)((StreamWriter)text).BaseStream;
        (copy.ReadTimeout, copy.WriteTimeout) = (0, 0);
        var isDone = false;
        try
        {
            var content = await PassAsync(rows, copy, session.CancellationToken, sum).ConfigureAwait(false);
            isDone = true;
            return content;
        }
        finally
        {
            // Closing is what confirms the rows.
            if (!isDone)
                await copy.CancelAsync().ConfigureAwait(false);
            await copy.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Passes the text on, or only counts and hashes it.</summary>
    /// <param name="rows">The text.</param>
    /// <param name="sink">Takes it; null for nobody.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <param name="sum">Takes the rows; null for nobody.</param>
    public static async Task<TableContent> PassAsync(Stream rows, Stream? sink, CancellationToken cancellationToken, RowSum? sum = null)
    {
        using var whole = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var (bytes, lines) = (0L, 0L);
        // COPY comes row by row. What is compressed and hashed are larger pieces, and one is hashed and passed on while the next one is read.
        var (piece, following) = (new byte[BufferBytes], new byte[BufferBytes]);
        for (var count = await FillAsync(piece).ConfigureAwait(false); count > 0;)
        {
            var now = piece.AsMemory(0, count);
            var passing = Task.WhenAll(
                Task.Run(() => Hash(now.Span), CancellationToken.None), sink is null ? Task.CompletedTask : Task.Run(() => sink.WriteAsync(now, cancellationToken).AsTask(), CancellationToken.None));
            try
            {
                count = await FillAsync(following).ConfigureAwait(false);
            }
            finally
            {
                // Before anything that it works on is gone.
                await passing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            await passing.ConfigureAwait(false);
            (piece, following) = (following, piece);
        }
        return new TableContent(lines, bytes, Convert.ToHexStringLower(whole.GetHashAndReset()));

        ValueTask<int> FillAsync(byte[] buffer) => rows.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken);

        void Hash(ReadOnlySpan<byte> text)
        {
            bytes += text.Length;
            lines += text.Count((byte)'\n');
            whole.AppendData(text);
            sum?.Append(text);
        }
    }
}

/// <summary>The sum of the hashes of rows, modulo 2²⁵⁶: the same for the same rows in any order.</summary>
/// <remarks>Costs more than the text of COPY itself, and so it is only made where two tables are compared.</remarks>
internal sealed class RowSum : IDisposable
{
    // A line end of the text is always the end of a row: one inside a value is written as \n (CopyAttributeOutText, src/backend/commands/copyto.c).
    private readonly IncrementalHash _row = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly ulong[] _sum = new ulong[SHA256.HashSizeInBytes / sizeof(ulong)];
    private bool _isWithin;
    private long _rows;

    public void Append(ReadOnlySpan<byte> text)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        while (text.IndexOf((byte)'\n') is >= 0 and var end)
        {
            if (_isWithin)
            {
                _row.AppendData(text[..end]);
                _row.GetHashAndReset(hash);
            }
            else
            {
                SHA256.HashData(text[..end], hash);
            }
            _isWithin = false;
            _rows++;
            Add(hash);
            text = text[(end + 1)..];
        }
        if (text.IsEmpty)
            return;
        _row.AppendData(text);
        _isWithin = true;
    }

    // A row that was cut off counts as a part of one, so that no cut text equals a whole one.
    public override string ToString() => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{_rows} ") + string.Concat(_sum.Reverse().Select(n => n.ToString("x16", System.Globalization.CultureInfo.InvariantCulture))) + (_isWithin ? "+" : "");

    public void Dispose() => _row.Dispose();

    private void Add(ReadOnlySpan<byte> hash)
    {
        UInt128 carry = 0;
        for (var i = 0; i < _sum.Length; i++)
        {
            carry += (UInt128)_sum[i] + BinaryPrimitives.ReadUInt64LittleEndian(hash[(i * sizeof(ulong))..]);
            _sum[i] = (ulong)carry;
            carry >>= 64;
        }
    }
}
