using System.Globalization;
using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>
/// Makes one table equal to another that is written to, and proves it. Writers only note the keys of their rows (<see cref="KeyLog"/>); whoever reads a note reads
/// the row again from the source. A note is committed with the change that it tells of, so in one snapshot both tables are equal but for the keys in the log.
/// </summary>
/// <param name="from">The table that is written to.</param>
/// <param name="to">The table that becomes equal.</param>
/// <param name="log">The log.</param>
/// <param name="columns">Columns that take values, quoted.</param>
/// <param name="allColumns">Those that are compared: the generated ones as well.</param>
/// <param name="textColumns">Those of them that are compared by their text.</param>
/// <param name="unpacked">Columns, quoted, whose values are unpacked, and whether they hold arrays; null for none: values go on packed as they are.</param>
internal sealed class RowSync(
    QualifiedName from, QualifiedName to, KeyLog log, IReadOnlyList<string> columns, IReadOnlyList<string> allColumns, IReadOnlyList<string> textColumns, IReadOnlyDictionary<string, bool>? unpacked = null)
{
    /// <summary>SQLSTATE of a swap that comes too early: the log has grown too long to be applied under a lock, or tells of a TRUNCATE.</summary>
    public const string TooEarly = "OP002";

    /// <summary>SQLSTATE of a swap behind which the comparison would not hold any more: rows may have come or gone where no trigger saw it.</summary>
    public const string Outdated = "OP004";

    /// <summary>Most notes that are applied while writers wait.</summary>
    public const int NotesUnderLock = 1000;

    /// <summary>What of the source is in the copy.</summary>
    /// <param name="UpTo">The key that it has come to; null for its beginning.</param>
    /// <param name="Slices">What is there of that behind the key.</param>
    /// <param name="IsWhole">Whether it is at its end.</param>
    internal sealed record Copied(string[]? UpTo, IReadOnlyList<CopySlice> Slices, bool IsWhole);

    // As the server would send it, which costs less than its text and keeps what that keeps: the scale of a number, the zero that is negative. One value of bytes in
    // a record, whose hash is that of the bytes; the hashes of several are added up there, and rows that exchange values would look equal in a sum.
    // What it sends is in the encoding of the client, which need not hold what a database of another one holds: there it is the text, which nobody converts.
    private string HashOf(string alias) =>
        $"COALESCE(sum(CASE pg_catalog.getdatabaseencoding() WHEN 'UTF8' THEN pg_catalog.hash_record_extended(ROW(pg_catalog.record_send(ROW({string.Join(", ", allColumns.Select(c => $"{alias}.{c}{(textColumns.Contains(c) ? "::text" : "")}"))}))), 0) "
        + $"ELSE pg_catalog.hashtextextended(ROW({string.Join(", ", allColumns.Select(c => $"{alias}.{c}"))})::text, 0) END), 0)";

    private string Columns(string alias) => string.Join(", ", columns.Select(c => Value($"{alias}.{c}", c)));

    // A value that is an element of an array is unpacked there (construct_md_array, src/backend/utils/adt/arrayfuncs.c), and so is an array that another one is added to; a
    // null added to an array is not null.
    private string Value(string value, string column) => unpacked is null || !unpacked.TryGetValue(column, out var isArray) ? value
        : isArray ? $"CASE WHEN {value} IS NOT NULL THEN pg_catalog.array_cat({value}, '{{}}') END" : $"(ARRAY[{value}])[1]";

    /// <summary>The statement that empties the copy, because the source was emptied.</summary>
    public string Empty => $"TRUNCATE {to.Quoted}";

    /// <summary>The key that ends a slice of so many rows behind another; null when the rest is smaller.</summary>
    public async Task<string[]?> EndOfSliceAsync(PgSession session, string[]? after, int size) => await session.RowAsync(
        $"SELECT {string.Join(", ", log.Key.Select(k => $"s.{k.Name.Quoted}::text"))} FROM {from.Quoted} AS s WHERE {Beyond("s", after, 1)} ORDER BY {string.Join(", ", log.Key.Select(k => $"s.{k.Name.Quoted}"))} OFFSET {(size - 1).ToString(CultureInfo.InvariantCulture)} LIMIT 1",
        row => Enumerable.Range(0, log.Key.Count).Select(row.GetString).ToArray(), Parameters(after)).ConfigureAwait(false);

    /// <summary>Copies the rows behind one key up to another; returns how many.</summary>
    public Task<int> CopyAsync(PgSession session, string[]? after, string[]? upTo) => session.ExecuteAsync(
        $"INSERT INTO {to.Quoted} ({string.Join(", ", columns)}) OVERRIDING SYSTEM VALUE SELECT {Columns("s")} FROM {from.Quoted} AS s WHERE {Beyond("s", after, 1)} AND {UpTo("s", upTo, 1 + (after?.Length ?? 0))}",
        [.. Parameters(after), .. Parameters(upTo)]);

    /// <summary>Notes to be applied next, the oldest first, and whether a TRUNCATE is among them.</summary>
    public async Task<(long[] Ids, bool IsTruncated)> NotesAsync(PgSession session, int most)
    {
        var notes = await session.RowsAsync(
            $"SELECT l.id, l.truncated FROM {log.Table.Quoted} AS l ORDER BY l.id LIMIT {most.ToString(CultureInfo.InvariantCulture)}", row => (Id: row.GetInt64(0), IsTruncated: row.GetBoolean(1))).ConfigureAwait(false);
        return ([.. notes.Select(n => n.Id)], notes.Any(n => n.IsTruncated));
    }

    /// <summary>
    /// Reads the rows of some notes again and strikes these out. Rows that the copy has not come to yet are passed over: a later batch reads them later than now.
    /// </summary>
    /// <param name="session">A session in a transaction.</param>
    /// <param name="ids">The notes.</param>
    /// <param name="copied">How far the copy is; nobody copies meanwhile.</param>
    public async Task ApplyAsync(PgSession session, long[] ids, Copied copied)
    {
        await session.ExecuteAsync(ByIndex).ConfigureAwait(false);
        if (copied is not { UpTo: null, Slices: [], IsWhole: false })
        {
            var chosen = "WHERE l.id = ANY ($1)";
            await session.ExecuteAsync(Delete(chosen), PgParameter.BigInts(ids)).ConfigureAwait(false);
            var (isCopied, keys) = Within(copied, 2);
            await session.ExecuteAsync($"{Insert(chosen)} WHERE {isCopied} {Conflict}", [PgParameter.BigInts(ids), .. keys]).ConfigureAwait(false);
        }
        await session.ExecuteAsync($"DELETE FROM {log.Table.Quoted} WHERE id = ANY ($1)", PgParameter.BigInts(ids)).ConfigureAwait(false);
    }

    /// <summary>
    /// Statements that bring the copy to the end of the log and compare what they did, for a transaction that keeps writers of the source out.
    /// </summary>
    public IEnumerable<string> Finish()
    {
        yield return ByIndex;
        yield return Do($"IF EXISTS (SELECT FROM {log.Table.Quoted} WHERE truncated) OR (SELECT count(*) FROM (SELECT FROM {log.Table.Quoted} LIMIT {NotesUnderLock + 1}) AS n) > {NotesUnderLock} THEN "
            + $"RAISE EXCEPTION USING ERRCODE = '{TooEarly}', MESSAGE = 'writers were faster'; END IF;");
        yield return Delete("");
        yield return $"{Insert("")} {Conflict}";
        yield return Do($"IF (SELECT ROW(count(*), {HashOf("s")})::text FROM {Noted} AS l JOIN {from.Quoted} AS s ON {Same("s", "l")} AND s.{log.Control.Quoted} = l.c) IS DISTINCT FROM "
            + $"(SELECT ROW(count(*), {HashOf("s")})::text FROM {Noted} AS l JOIN {to.Quoted} AS s ON {Same("s", "l")} AND s.{log.Control.Quoted} = l.c) THEN "
            + $"RAISE EXCEPTION USING ERRCODE = '{Refusal.Different}', MESSAGE = 'rows that were copied last are not equal'; END IF;");
        yield return $"DELETE FROM {log.Table.Quoted}";
    }

    /// <summary>
    /// Compares the rows behind one key up to another, all in one snapshot, without those that the log names. Null where a TRUNCATE is noted.
    /// </summary>
    public Task<Comparison?> CompareAsync(PgSession session, string[]? after, string[]? upTo)
    {
        var next = 1 + (after?.Length ?? 0);
        string Side(QualifiedName table) =>
            $"SELECT count(*) AS n, {HashOf("s")} AS h FROM {table.Quoted} AS s WHERE {Beyond("s", after, 1)} AND {UpTo("s", upTo, next)} AND NOT EXISTS (SELECT FROM noted AS l WHERE {Same("s", "l")})";
        return session.RowAsync(
            $"WITH noted AS MATERIALIZED (SELECT DISTINCT {LogKey} FROM {log.Table.Quoted} AS l WHERE NOT l.truncated), a AS ({Side(from)}), b AS ({Side(to)}) "
                + $"SELECT a.n, b.n, a.h = b.h, EXISTS (SELECT FROM {log.Table.Quoted} WHERE truncated) FROM a, b",
            row => row.GetBoolean(3) ? null : new Comparison(row.GetInt64(0), row.GetInt64(1), row.GetBoolean(2)), [.. Parameters(after), .. Parameters(upTo)]);
    }

    /// <summary>The statement that ends a transaction in which the rows of a table lie in other files than when they were compared.</summary>
    /// <param name="table">The table.</param>
    /// <param name="oid">The table.</param>
    /// <param name="files">What <see cref="LiveTable.FilesOf"/> was answered with.</param>
    public static string Still(QualifiedName table, uint oid, string files) => Do(
        $"IF ({LiveTable.FilesOf(oid)}) IS DISTINCT FROM {PgLiteral.Quote(files)} THEN RAISE EXCEPTION USING ERRCODE = '{Outdated}', "
        + $"MESSAGE = {PgLiteral.Quote($"partitions of '{table}' were emptied, attached or taken away, or it was rewritten")}; END IF;");

    /// <summary>Rows on both sides of a comparison.</summary>
    /// <param name="Rows">Rows of the source.</param>
    /// <param name="Copied">Rows of the copy.</param>
    /// <param name="IsSame">Whether the sums of their hashes are equal.</param>
    internal sealed record Comparison(long Rows, long Copied, bool IsSame);

    // A few keys, by their indexes: on tables without statistics the server would rather read all of them. What is turned off here makes a plan over many partitions dear
    // (disable_cost, src/backend/optimizer/path/costsize.c), and what is dear would be compiled first, for seconds, while everybody waits.
    private const string ByIndex = "SELECT pg_catalog.set_config(n.n, 'off', true) FROM unnest(ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'jit']) AS n (n)";

    private string LogKey => string.Join(", ", log.Key.Select((_, i) => $"l.{KeyLog.Column(i)}"));

    private string Noted => $"(SELECT DISTINCT {LogKey}, l.c FROM {log.Table.Quoted} AS l WHERE NOT l.truncated)";

    // With the key of the partition beside that of the row, so that only one partition is looked into: a note tells both as they were and as they became.
    private string Delete(string chosen) =>
        $"DELETE FROM {to.Quoted} AS s USING (SELECT DISTINCT {LogKey}, l.c FROM {log.Table.Quoted} AS l {chosen}) AS l WHERE {Same("s", "l")} AND s.{log.Control.Quoted} = l.c";

    private string Insert(string chosen) =>
        $"INSERT INTO {to.Quoted} ({string.Join(", ", columns)}) OVERRIDING SYSTEM VALUE SELECT {Columns("s")} FROM (SELECT DISTINCT {LogKey} FROM {log.Table.Quoted} AS l {chosen}) AS l JOIN {from.Quoted} AS s ON {Same("s", "l")}";

    // Where a row was read behind changes whose notes are still to come, the row that stands is an older one of the same key; those notes replace it.
    private string Conflict => $"ON CONFLICT ({string.Join(", ", log.UniqueColumnsOf(to).Select(c => c.Quoted))}) DO NOTHING";

    private string Same(string row, string note) => string.Join(" AND ", log.Key.Select((k, i) => $"{row}.{k.Name.Quoted} = {note}.{KeyLog.Column(i)}"));

    private string Beyond(string alias, string[]? key, int first) => key is null ? "true" : $"{Row(alias)} > {Given(first)}";

    private string UpTo(string alias, string[]? key, int first) => key is null ? "true" : $"{Row(alias)} <= {Given(first)}";

    private (string Condition, IReadOnlyList<NpgsqlParameter> Keys) Within(Copied copied, int first)
    {
        if (copied.IsWhole)
            return ("true", []);
        List<string> parts = copied.UpTo is null ? [] : [UpTo("s", copied.UpTo, first)];
        List<NpgsqlParameter> keys = [.. Parameters(copied.UpTo)];
        foreach (var slice in copied.Slices)
        {
            var (lower, upper) = (first + keys.Count, first + keys.Count + (slice.After?.Length ?? 0));
            parts.Add($"{Beyond("s", slice.After, lower)} AND {UpTo("s", slice.UpTo, upper)}");
            keys.AddRange([.. Parameters(slice.After), .. Parameters(slice.UpTo)]);
        }
        return ($"({string.Join(" OR ", parts)})", keys);
    }

    private string Row(string alias) => $"({string.Join(", ", log.Key.Select(k => $"{alias}.{k.Name.Quoted}"))})";

    private string Given(int first) => $"({string.Join(", ", log.Key.Select((k, i) => $"CAST(${(first + i).ToString(CultureInfo.InvariantCulture)} AS {k.Type})"))})";

    private static NpgsqlParameter[] Parameters(string[]? key) => [.. (key ?? []).Select(k => PgParameter.Of(k, NpgsqlDbType.Text))];

    private static string Do(string body) => $"DO {PgLiteral.Quote($"BEGIN {body} END")}";
}
