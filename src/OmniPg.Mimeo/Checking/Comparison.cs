using System.Globalization;

namespace OmniPg.Mimeo;

/// <summary>Finds the rows by which a table with a key differs from its source, and puts the source's in their place.</summary>
/// <remarks>
/// <para>Keys are divided into parts by a hash, which needs no order that both servers share. Count and sums of each part tell which parts differ; of those alone the keys come
/// to the destination, each with a hash of its row.</para>
/// <para>A row is taken away only for a key that the source, asked for all keys of its part in one snapshot, did not have, and that no queue speaks of: the stream of those keys
/// ended with its proof (<see cref="CopyPipe"/>), or there is an error instead. A logdel keeps even such a row, as one that was deleted.</para>
/// </remarks>
internal sealed class Comparison(TableRun run)
{
    private static readonly QualifiedName There = QualifiedName.Create("pg_temp", "omnipg_there");

    private static readonly QualifiedName Wrong = QualifiedName.Create("pg_temp", "omnipg_wrong");

    private readonly string[] _key = [.. run.Spec.Key.Select(k => PgIdentifier.Create(k).Quoted)];

    /// <summary>Compares, and repairs in the destination's transaction.</summary>
    public async Task<ComparisonResult> RunAsync(ComparisonOptions options, bool repair)
    {
        var validation = new Validation(run);
        await validation.AlignAsync(null, null).ConfigureAwait(false);
        // About 64 rows to a part, as far as a list of all parts is not large itself.
        var digits = run.Relation.EstimatedRows is < 16 * 1024 ? 2 : run.Relation.EstimatedRows is < 256 * 1024 ? 3 : 4;
        var there = await run.Source.AskAsync(run.Spec.Source, source => PartsAsync(source, validation.Source, digits)).ConfigureAwait(false);
        var here = await PartsAsync(run.Destination, validation.Destination, digits).ConfigureAwait(false);
        string[] differing = [.. there.Keys.Union(here.Keys).Where(part => there.GetValueOrDefault(part) != here.GetValueOrDefault(part)).Order(StringComparer.Ordinal)];

        var (counts, rows) = (new long[3], (IReadOnlyList<RowDifference>)[]);
        if (differing.Length > 0)
        {
            var chosen = string.Create(CultureInfo.InvariantCulture, $"substr(pg_catalog.md5({KeyOf("r")}), 1, {digits}) = ANY ('{{{string.Join(',', differing)}}}')");
            await FindAsync(validation, chosen).ConfigureAwait(false);
            foreach (var (kind, count) in await run.Destination.Unlimited.RowsAsync($"SELECT kind, count(*) FROM {Wrong.Quoted} GROUP BY 1", row => (row.GetInt32(0), row.GetInt64(1))).ConfigureAwait(false))
                counts[kind] = count;
            rows = await run.Destination.Unlimited.RowsAsync(string.Create(CultureInfo.InvariantCulture, $"SELECT key, kind FROM {Wrong.Quoted} ORDER BY key COLLATE \"C\" LIMIT {options.MaxRows}"),
                row => new RowDifference(row.GetString(0), (RowDifferenceKind)row.GetInt32(1))).ConfigureAwait(false);
            if (repair && counts.Sum() > 0)
                await RepairAsync(validation, chosen).ConfigureAwait(false);
        }
        if (!repair)
            await validation.PutBackAsync().ConfigureAwait(false);
        return new ComparisonResult(run.Spec.Target, there.Values.Sum(p => p.Rows), here.Values.Sum(p => p.Rows), counts[(int)RowDifferenceKind.MissingHere], counts[(int)RowDifferenceKind.MissingAtSource],
            counts[(int)RowDifferenceKind.OtherValues], rows, repair && counts.Sum() > 0, run.Warnings);
    }

    // With a prefix that says of which row; the text alone is the same on both sides, whatever their collations are.
    private string KeyOf(string row) => $"ROW({string.Join(", ", _key.Select(k => $"{row}.{k}"))})::text";

    private async Task<Dictionary<string, (long Rows, string Sum)>> PartsAsync(PgSession session, string rows, int digits) => (await session.Unlimited.RowsAsync(
        string.Create(CultureInfo.InvariantCulture, $"SELECT part, count(*), {Validation.Sum("h")} FROM (SELECT substr(pg_catalog.md5({KeyOf("r")}), 1, {digits}) AS part, pg_catalog.md5(r::text) AS h FROM ({rows}) AS r) hashed GROUP BY part"),
        row => (Part: row.GetString(0), Rows: row.GetInt64(1), Sum: row.GetString(2))).ConfigureAwait(false)).ToDictionary(p => p.Part, p => (p.Rows, p.Sum), StringComparer.Ordinal);

    private async Task FindAsync(Validation validation, string chosen)
    {
        var session = run.Destination.Unlimited;
        string Keys(string rows) => $"SELECT {KeyOf("r")} AS key, pg_catalog.md5(r::text) AS hash FROM ({rows}) AS r WHERE {chosen}";
        await session.ExecuteAsync($"CREATE TEMP TABLE {There.Name.Quoted} (key text, hash text) ON COMMIT DROP").ConfigureAwait(false);
        // A row that has lost its cursor value is out of sight for an updater, and not away: its key comes without a hash, and is passed over.
        var unseen = run.Spec.Cursor is { } cursor ? $" UNION ALL SELECT {KeyOf("r")}, '' FROM ({run.Query($"{PgIdentifier.Create(cursor.Column).Quoted} IS NULL")}) AS r WHERE {chosen}" : "";
        await run.CopyAsync(Keys(validation.Source) + unseen, There, freeze: false, "key, hash").ConfigureAwait(false);
        await session.ExecuteAsync(string.Create(CultureInfo.InvariantCulture,
            $"""
            CREATE TEMP TABLE {Wrong.Name.Quoted} ON COMMIT DROP AS
            SELECT key, CASE WHEN h.hash IS NULL THEN {(int)RowDifferenceKind.MissingHere} WHEN t.hash IS NULL THEN {(int)RowDifferenceKind.MissingAtSource} ELSE {(int)RowDifferenceKind.OtherValues} END AS kind
            FROM {There.Quoted} t FULL JOIN (SELECT key, min(hash) AS hash, count(*) AS rows FROM ({Keys(validation.Destination)}) k GROUP BY key) h USING (key)
            WHERE (t.hash IS DISTINCT FROM h.hash OR h.rows > 1) AND t.hash IS DISTINCT FROM ''
            """)).ConfigureAwait(false);
        await session.ExecuteAsync($"ANALYZE {Wrong.Quoted}").ConfigureAwait(false);
    }

    private async Task RepairAsync(Validation validation, string chosen)
    {
        var session = run.Destination.Unlimited;
        var table = (await RelationInfo.FindAsync(run.Destination, run.Spec.Target).ConfigureAwait(false))!;
        // First, for what they hold may come back in other rows.
        var gone = string.Create(CultureInfo.InvariantCulture, $"w.kind = {(int)RowDifferenceKind.MissingAtSource} AND w.key = {KeyOf("d")}");
        await session.ExecuteAsync(run.Spec.Kind == ReplicationKind.Logdel
            ? $"UPDATE {table.Name.Quoted} d SET {TableRun.Deleted.Quoted} = pg_catalog.clock_timestamp() FROM {Wrong.Quoted} w WHERE d.{TableRun.Deleted.Quoted} IS NULL AND {gone}"
            : $"DELETE FROM {table.Name.Quoted} d USING {Wrong.Quoted} w WHERE {gone}").ConfigureAwait(false);
        await KeyedRows.ReplaceAsync(run, table, null, "", async _ =>
        {
            var rows = await run.CopyAsync($"SELECT * FROM ({validation.Source}) AS r WHERE {chosen}", KeyedRows.Stage, freeze: false).ConfigureAwait(false);
            return rows - await session.ExecuteAsync($"DELETE FROM {KeyedRows.Stage.Quoted} s WHERE NOT EXISTS (SELECT FROM {Wrong.Quoted} w WHERE w.key = {KeyOf("s")})").ConfigureAwait(false);
        }).ConfigureAwait(false);
    }
}
