using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>Brings gathered changes into the destination: staged by COPY, values that were left out filled in from the rows that are there, then applied as a set.</summary>
internal sealed class ChangeApply(TableRun run, RelationInfo table, ChangeSet set)
{
    private readonly string _flag = KeyedRows.FlagBeside(run.Columns);
    private readonly string _left = KeyedRows.Beside(run.Columns, "omnipg_left");
    private readonly string[] _from = [.. run.Spec.Key.Select((_, n) => KeyedRows.Beside(run.Columns, string.Create(CultureInfo.InvariantCulture, $"omnipg_from_{n}")))];
    private readonly string[] _key = [.. run.Spec.Key.Select(k => PgIdentifier.Create(k).Quoted)];
    private readonly int[] _places = [.. run.Spec.Key.Select(k => run.Columns.TakeWhile(c => c.Name.Value != k).Count())];

    // Of a set in which each row has all of its values nothing more is staged than those.
    private bool _isPartial;

    /// <summary>Applies what is gathered and forgets it.</summary>
    public async Task RunAsync()
    {
        if (set.IsTruncated && !run.Spec.IgnoreDeletes)
            await run.Destination.Unlimited.ExecuteAsync($"TRUNCATE {table.Name.Quoted}").ConfigureAwait(false);
        if (set.Rows.Count > 0)
        {
            _isPartial = set.Rows.Any(IsPartial);
            var more = _isPartial ? $"NULL::text AS {_left}, {string.Concat(_key.Zip(_from, (k, f) => $"{k} AS {f}, "))}" : "";
            await KeyedRows.ReplaceAsync(run, table, _flag, more, (written, _) => StageAsync(written)).ConfigureAwait(false);
            run.Count(set.Rows.Count, 0);
        }
        set.Clear();
    }

    private static bool IsPartial(ChangeSet.Row row) => !row.IsDeleted && Array.Exists(row.Cells, c => c.IsLeft);

    private async Task<long> StageAsync(string written)
    {
        var partial = new Dictionary<string, (ChangeSet.Row Sample, long Rows)>(StringComparer.Ordinal);
        var into = $"COPY {KeyedRows.Stage.Quoted} ({_flag}, {(_isPartial ? $"{_left}, {string.Join(", ", _from)}, " : "")}{written}) FROM STDIN";
        var (connection, cancellation) = (run.Destination.Connection, run.Destination.CancellationToken);
        var stream = set.IsBinary ? await connection.BeginRawBinaryCopyAsync(into + " (FORMAT binary)", cancellation).ConfigureAwait(false)
            : (NpgsqlRawCopyStream)((StreamWriter)await connection.BeginTextImportAsync(into, cancellation).ConfigureAwait(false)).BaseStream;
        await using var closing = stream.ConfigureAwait(false);
        (stream.ReadTimeout, stream.WriteTimeout) = (0, 0);
        try
        {
            var buffer = new ArrayBufferWriter<byte>(128 * 1024);
            if (set.IsBinary)
                buffer.Write(CopyPipe.Header);
            foreach (var row in set.Rows)
            {
                Write(buffer, row, partial);
                if (buffer.WrittenCount < 64 * 1024)
                    continue;
                await stream.WriteAsync(buffer.WrittenMemory, cancellation).ConfigureAwait(false);
                buffer.ResetWrittenCount();
            }
            if (set.IsBinary)
                buffer.Write(CopyPipe.Trailer);
            await stream.WriteAsync(buffer.WrittenMemory, cancellation).ConfigureAwait(false);
        }
        catch
        {
            // Disposed of as it is, it would keep the rows.
            await stream.CancelAsync().ConfigureAwait(false);
            throw;
        }
        await stream.DisposeAsync().ConfigureAwait(false);
        foreach (var (left, (sample, rows)) in partial)
            await FillAsync(left, sample, rows).ConfigureAwait(false);
        return set.Rows.Count;
    }

    private void Write(ArrayBufferWriter<byte> buffer, ChangeSet.Row row, Dictionary<string, (ChangeSet.Row Sample, long Rows)> partial)
    {
        if (set.IsBinary)
        {
            BinaryPrimitives.WriteInt16BigEndian(buffer.GetSpan(sizeof(short)), (short)(1 + (_isPartial ? 1 + _places.Length : 0) + row.Cells.Length));
            buffer.Advance(sizeof(short));
            Put(buffer, false, [row.IsDeleted ? (byte)0 : (byte)1]);
        }
        else
        {
            buffer.Write(row.IsDeleted ? "f"u8 : "t"u8);
        }
        if (_isPartial)
        {
            var left = !IsPartial(row) ? null : (row.From is null ? "new " : "old ") + string.Join(' ', row.Cells.Index().Where(c => c.Item.IsLeft).Select(c => c.Index.ToString(CultureInfo.InvariantCulture)));
            if (left is not null)
                partial[left] = (row, partial.TryGetValue(left, out var held) ? held.Rows + 1 : 1);
            Put(buffer, left is null, left is null ? [] : Encoding.ASCII.GetBytes(left));
            foreach (var place in _places)
                Put(buffer, row.From?[place] ?? ChangeSet.Cell.Null);
        }
        foreach (var cell in row.Cells)
            Put(buffer, cell);
        if (!set.IsBinary)
            buffer.Write("\n"u8);
    }

    private void Put(ArrayBufferWriter<byte> buffer, ChangeSet.Cell cell) => Put(buffer, cell.Length < 0, cell.Span);

    private void Put(ArrayBufferWriter<byte> buffer, bool isNull, ReadOnlySpan<byte> value)
    {
        if (set.IsBinary)
        {
            BinaryPrimitives.WriteInt32BigEndian(buffer.GetSpan(sizeof(int)), isNull ? -1 : value.Length);
            buffer.Advance(sizeof(int));
            buffer.Write(value);
            return;
        }
        buffer.Write("\t"u8);
        if (isNull)
            buffer.Write("\\N"u8);
        else
            PutText(buffer, value);
    }

    // src/backend/commands/copyto.c, CopyAttributeOutText: what has a meaning in the text form.
    private static void PutText(ArrayBufferWriter<byte> buffer, ReadOnlySpan<byte> value)
    {
        var rest = value;
        for (int next; (next = rest.IndexOfAny("\\\t\n\r"u8)) >= 0; rest = rest[(next + 1)..])
        {
            buffer.Write(rest[..next]);
            buffer.Write(rest[next] switch { (byte)'\t' => "\\t"u8, (byte)'\n' => "\\n"u8, (byte)'\r' => "\\r"u8, _ => "\\\\"u8 });
        }
        buffer.Write(rest);
    }

    // From the row that stands at the destination under the former key; a column that is newer than a row takes the destination's default.
    private async Task FillAsync(string left, ChangeSet.Row sample, long rows)
    {
        var session = run.Destination.Unlimited;
        var columns = run.Columns.Where((_, n) => sample.Cells[n].IsLeft).Select(c => c.Name).ToArray();
        if (sample.From is null)
        {
            var defaults = (await session.RowsAsync("SELECT a.attname::text, pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE d.adrelid = $1",
                row => (Name: row.GetString(0), Sql: row.GetString(1)), PgParameter.Of(table.Oid, NpgsqlTypes.NpgsqlDbType.Oid)).ConfigureAwait(false)).ToDictionary(d => d.Name, d => d.Sql, StringComparer.Ordinal);
            if (columns.Any(c => defaults.ContainsKey(c.Value)))
                await session.ExecuteAsync($"UPDATE {KeyedRows.Stage.Quoted} SET {string.Join(", ", columns.Select(c => $"{c.Quoted} = {defaults.GetValueOrDefault(c.Value, "NULL")}"))} WHERE {_left} = {PgLiteral.Quote(left)}").ConfigureAwait(false);
            return;
        }
        var found = await session.ExecuteAsync(
            $"UPDATE {KeyedRows.Stage.Quoted} s SET {string.Join(", ", columns.Select(c => $"{c.Quoted} = d.{c.Quoted}"))} FROM {table.Name.Quoted} d WHERE s.{_left} = {PgLiteral.Quote(left)} AND {string.Join(" AND ", _key.Zip(_from, (k, f) => $"d.{k} = s.{f}"))}")
            .ConfigureAwait(false);
        if (found < rows)
            throw new RowMissingException(run.Spec.Target, rows - found);
    }
}
