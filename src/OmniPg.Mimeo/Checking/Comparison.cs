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
        var there = await run.Source.AskAsync(run.Spec.Source, source => PartsAsync(source, validation.Source, validation, digits, here: false)).ConfigureAwait(false);
        var here = await PartsAsync(run.Destination, validation.Destination, validation, digits, here: true).ConfigureAwait(false);
        string[] differing = [.. there.Keys.Union(here.Keys).Where(part => there.GetValueOrDefault(part) != here.GetValueOrDefault(part)).Order(StringComparer.Ordinal)];

        var (counts, rows) = (new long[3], (IReadOnlyList<RowDifference>)[]);
        if (differing.Length > 0)
        {
            string Chosen(bool here) => $"{PartOf(validation, digits, here)} = ANY ('{{{string.Join(',', differing)}}}')";
            await FindAsync(validation, Chosen(here: false), Chosen(here: true)).ConfigureAwait(false);
            if (run.Spec.IgnoreDeletes)
                await run.Destination.Unlimited.ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $"DELETE FROM {Wrong.Quoted} WHERE kind = {(int)RowDifferenceKind.MissingAtSource}")).ConfigureAwait(false);
            foreach (var (kind, count) in await run.Destination.Unlimited.RowsAsync($"SELECT kind, count(*) FROM {Wrong.Quoted} GROUP BY 1", row => (row.GetInt32(0), row.GetInt64(1))).ConfigureAwait(false))
                counts[kind] = count;
            rows = await run.Destination.Unlimited.RowsAsync(string.Create(CultureInfo.InvariantCulture, $"SELECT key, kind FROM {Wrong.Quoted} ORDER BY key COLLATE \"C\" LIMIT {options.MaxRows}"),
                row => new RowDifference(row.GetString(0), (RowDifferenceKind)row.GetInt32(1))).ConfigureAwait(false);
            if (counts[(int)RowDifferenceKind.OtherValues] > 0)
                validation.WarnOfOthers();
            if (repair && counts.Sum() > 0)
                await RepairAsync(validation, Chosen(here: false)).ConfigureAwait(false);
        }
        if (!repair)
            await validation.PutBackAsync().ConfigureAwait(false);
        return new ComparisonResult(run.Spec.Target, there.Values.Sum(p => p.Rows), here.Values.Sum(p => p.Rows), counts[(int)RowDifferenceKind.MissingHere], counts[(int)RowDifferenceKind.MissingAtSource],
            counts[(int)RowDifferenceKind.OtherValues], rows, repair && counts.Sum() > 0, run.Warnings);
    }

    // With a prefix that says of which row; the text alone is the same on both sides, whatever their collations are.
    private string KeyOf(string row) => $"ROW({string.Join(", ", _key.Select(k => $"{row}.{k}"))})::text";

    private string PartOf(Validation validation, int digits, bool here) =>
        string.Create(CultureInfo.InvariantCulture, $"substr({Validation.Hash(validation.Text(run.Spec.Key.Select(PgIdentifier.Create), "r", here))}, 1, {digits})");

    private async Task<Dictionary<string, (long Rows, string Sum)>> PartsAsync(PgSession session, string rows, Validation validation, int digits, bool here) => (await session.Unlimited.RowsAsync(
        $"SELECT part, count(*), {Validation.Sum("h")} FROM (SELECT {PartOf(validation, digits, here)} AS part, {validation.HashOfRow("r", here)} AS h FROM ({rows}) AS r) hashed GROUP BY part",
        row => (Part: row.GetString(0), Rows: row.GetInt64(1), Sum: row.GetString(2))).ConfigureAwait(false)).ToDictionary(p => p.Part, p => (p.Rows, p.Sum), StringComparer.Ordinal);

    private async Task FindAsync(Validation validation, string chosenThere, string chosenHere)
    {
        var session = run.Destination.Unlimited;
        var (key, hash) = (string.Join(", ", _key), KeyedRows.Beside(run.Columns, "omnipg_hash"));
        string Keys(string rows, string hashed) => $"SELECT {string.Join(", ", _key.Select(k => "r." + k))}, {hashed} FROM ({rows}) AS r";
        // As values, for the destination may write them in another way: with its own length or precision.
        await session.ExecuteAsync($"CREATE TEMP TABLE {There.Name.Quoted} ON COMMIT DROP AS SELECT {key}, ''::text AS {hash} FROM {run.Spec.Target.Quoted} WITH NO DATA").ConfigureAwait(false);
        // A row that has lost its cursor value is out of sight for an updater, and not away: its key comes without a hash, and is passed over.
        // All of them come: the parts, of keys as they are written there, do not count them.
        var unseen = run.Spec.Cursor is { } cursor ? $" UNION ALL {Keys(run.Query($"{PgIdentifier.Create(cursor.Column).Quoted} IS NULL"), "''")}" : "";
        await run.CopyAsync($"{Keys(validation.Source, validation.HashOfRow("r", here: false))} WHERE {chosenThere}{unseen}", There, freeze: false, $"{key}, {hash}").ConfigureAwait(false);
        // All rows of a key together: a key that was given, and is no primary one, may hold a null, and then several rows have it.
        string Hashes(string rows, string hashed) => $"(SELECT {KeyOf("r")} AS key, string_agg({hashed}, '' ORDER BY {hashed}) AS hash FROM {rows} GROUP BY 1)";
        await session.ExecuteAsync(string.Create(CultureInfo.InvariantCulture,
            $"""
            CREATE TEMP TABLE {Wrong.Name.Quoted} ON COMMIT DROP AS
            SELECT key, CASE WHEN h.hash IS NULL THEN {(int)RowDifferenceKind.MissingHere} WHEN t.hash IS NULL THEN {(int)RowDifferenceKind.MissingAtSource} ELSE {(int)RowDifferenceKind.OtherValues} END AS kind
            FROM {Hashes($"{There.Quoted} r", "r." + hash)} t FULL JOIN {Hashes($"({validation.Destination}) AS r WHERE {chosenHere}", validation.HashOfRow("r", here: true))} h USING (key)
            WHERE t.hash IS DISTINCT FROM h.hash AND t.hash IS DISTINCT FROM ''
            """)).ConfigureAwait(false);
        await session.ExecuteAsync($"ANALYZE {Wrong.Quoted}").ConfigureAwait(false);
    }

    private async Task RepairAsync(Validation validation, string chosen)
    {
        var session = run.Destination.Unlimited;
        var table = (await RelationInfo.FindAsync(run.Destination, run.Spec.Target).ConfigureAwait(false))!;
        // First, for what they hold may come back in other rows.
        var gone = string.Create(CultureInfo.InvariantCulture, $"w.kind = {(int)RowDifferenceKind.MissingAtSource} AND w.key = {KeyOf("d")}");
        var deleted = await session.ExecuteAsync(run.Spec.Kind == ReplicationKind.Logdel
            ? $"UPDATE {table.Name.Quoted} d SET {TableRun.Deleted.Quoted} = pg_catalog.clock_timestamp() FROM {Wrong.Quoted} w WHERE d.{TableRun.Deleted.Quoted} IS NULL AND {gone}"
            : $"DELETE FROM {table.Name.Quoted} d USING {Wrong.Quoted} w WHERE {gone}").ConfigureAwait(false) > 0;
        if (deleted && run.Spec.Kind != ReplicationKind.Logdel)
            await Followers.WarnOfDeleteAsync(run, table).ConfigureAwait(false);
        // Nothing takes the place of a row whose key has a null; it would stay beside the new one.
        var live = run.Spec.Kind == ReplicationKind.Logdel ? $" AND d.{TableRun.Deleted.Quoted} IS NULL" : "";
        await session.ExecuteAsync(string.Create(CultureInfo.InvariantCulture,
            $"DELETE FROM {table.Name.Quoted} d USING {Wrong.Quoted} w WHERE w.kind = {(int)RowDifferenceKind.OtherValues} AND num_nulls({string.Join(", ", _key.Select(k => "d." + k))}) > 0 AND w.key = {KeyOf("d")}{live}")).ConfigureAwait(false);
        await KeyedRows.ReplaceAsync(run, table, null, "", async (_, _) =>
        {
            var rows = await run.CopyAsync($"SELECT * FROM ({validation.Source}) AS r WHERE {chosen}", KeyedRows.Stage, freeze: false).ConfigureAwait(false);
            return rows - await session.ExecuteAsync($"DELETE FROM {KeyedRows.Stage.Quoted} s WHERE NOT EXISTS (SELECT FROM {Wrong.Quoted} w WHERE w.key = {KeyOf("s")})").ConfigureAwait(false);
        }).ConfigureAwait(false);
        if (run.Spec.HasCursor)
            await new CursorMethod(run).GoBackAsync().ConfigureAwait(false);
    }
}
