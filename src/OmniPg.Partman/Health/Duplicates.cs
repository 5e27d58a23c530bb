using System.Globalization;

namespace OmniPg.Partman;

/// <summary>Finds values that stand in a set more than once, where no unique index can hold over all partitions.</summary>
internal static class Duplicates
{
    /// <summary>The most keys that a result names.</summary>
    public const int MostNamed = 1000;

    // $1 the table, $2 columns: those that it does not have.
    private const string Missing =
        "SELECT c.c FROM unnest($2) AS c (c) WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attname = c.c AND a.attnum > 0 AND NOT a.attisdropped)";

    /// <exception cref="InvalidPartitionDefinitionException">The table lacks a column.</exception>
    public static async Task<DuplicatesResult> FindAsync(PgSession session, SetState state, IReadOnlyList<string> columns)
    {
        var missing = await session.RowsAsync(Missing, row => row.GetString(0), PgParameter.Of(state.Oid, NpgsqlTypes.NpgsqlDbType.Oid), PgParameter.Texts(columns)).ConfigureAwait(false);
        if (missing.Count > 0)
            throw new InvalidPartitionDefinitionException(state.Table, [.. missing.Select(m => new InvalidDefinition(InvalidDefinitionReason.ControlMismatch, $"There is no column '{m}'."))], "be searched for duplicates");
        // A policy must not hide half of a pair.
        await session.ExecuteAsync(PartmanDatabase.AllRows).ConfigureAwait(false);
        var names = columns.Select(c => $"s.{PgIdentifier.Create(c).Quoted}").ToList();
        var found = await session.Unlimited.RowsAsync(
            $"""
             WITH d AS MATERIALIZED (
                 SELECT ARRAY[{string.Join(", ", names.Select(n => $"min({n}::text)"))}] AS k, count(*) AS n, array_agg(DISTINCT s.tableoid) AS t
                 FROM {state.Table.Quoted} AS s WHERE {string.Join(" AND ", names.Select(n => $"{n} IS NOT NULL"))} GROUP BY {string.Join(", ", names)} HAVING count(*) > 1)
             SELECT d.k, d.n, ARRAY(SELECT format('%I.%I', m.nspname, c.relname) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace m ON m.oid = c.relnamespace WHERE c.oid = ANY (d.t) ORDER BY 1),
                 count(*) OVER (), (sum(d.n) OVER ())::bigint
             FROM d ORDER BY d.n DESC, d.k LIMIT {MostNamed.ToString(CultureInfo.InvariantCulture)}
             """,
            row => (Key: new DuplicateKey(row.GetFieldValue<string[]>(0), row.GetInt64(1), [.. row.GetFieldValue<string[]>(2).Select(n => QualifiedName.Parse(n))]), Keys: row.GetInt64(3), Rows: row.GetInt64(4))).ConfigureAwait(false);
        return found is [var first, ..] ? new DuplicatesResult(first.Keys, first.Rows, [.. found.Select(f => f.Key)]) : new DuplicatesResult(0, 0, []);
    }
}
