using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>Rows that take the place of those of the same key: staged at the destination, then applied as a set.</summary>
internal static class KeyedRows
{
    /// <summary>Where rows are staged.</summary>
    public static readonly QualifiedName Stage = QualifiedName.Create("pg_temp", "omnipg_stage");

    private const string Domains =
        """
        WITH RECURSIVE part AS (
            SELECT a.attname, t.typbasetype AS type, t.typtypmod AS mod FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
            WHERE a.attrelid = $1::pg_catalog.regclass AND a.attnum > 0 AND t.typtype = 'd'
            UNION ALL SELECT p.attname, t.typbasetype, t.typtypmod FROM part p JOIN pg_catalog.pg_type t ON t.oid = p.type WHERE t.typtype = 'd')
        SELECT p.attname::text, pg_catalog.format_type(p.type, p.mod) FROM part p JOIN pg_catalog.pg_type t ON t.oid = p.type WHERE t.typtype <> 'd'
        """;

    /// <summary>Gives the columns of a temporary table the types that their domains are made of.</summary>
    /// <remarks>A row that is gone has no values, which a domain may refuse even there; the table that the rows go to checks what comes into it.</remarks>
    public static async Task RelaxAsync(PgSession session, QualifiedName table)
    {
        foreach (var (column, type) in await session.RowsAsync(Domains, row => (PgIdentifier.Create(row.GetString(0)), row.GetString(1)), PgParameter.Text(table.Quoted)).ConfigureAwait(false))
            await session.ExecuteAsync($"ALTER TABLE {table.Quoted} ALTER COLUMN {column.Quoted} TYPE {type}").ConfigureAwait(false);
    }

    /// <summary>Name of a column that says whether a row is there, quoted; none of the columns has it.</summary>
    public static string FlagBeside(IReadOnlyList<ColumnInfo> columns) => Beside(columns, "omnipg_there");

    /// <summary>A name that none of the columns has, quoted.</summary>
    public static string Beside(IReadOnlyList<ColumnInfo> columns, string name)
    {
        while (columns.Any(c => c.Name.Value == name))
            name += "_";
        return PgIdentifier.Create(name).Quoted;
    }

    /// <summary>Reads and applies.</summary>
    /// <param name="run">The table.</param>
    /// <param name="query">The rows, of the copied columns.</param>
    /// <param name="table">The destination.</param>
    /// <returns>Number of rows that came.</returns>
    /// <exception cref="NoReplicationKeyException">A row has no value in a column of its key, so that no former one gives way to it.</exception>
    public static Task<long> ReplaceAsync(TableRun run, string query, RelationInfo table) => ReplaceAsync(run, table, null, "", async (_, _) =>
    {
        var rows = await run.CopyAsync(query, Stage, freeze: false).ConfigureAwait(false);
        var nullable = await run.Source.AskAsync(run.Spec.Source, source => source.RowsAsync(
            "SELECT attname::text FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attname = ANY ($2) AND NOT attnotnull ORDER BY attnum", row => row.GetString(0),
            PgParameter.Of(run.Relation.Oid, NpgsqlTypes.NpgsqlDbType.Oid), PgParameter.Texts(run.Spec.Key))).ConfigureAwait(false);
        await RequireKeysAsync(run, run.Destination, Stage.Quoted, nullable).ConfigureAwait(false);
        return rows;
    });

    /// <summary>Refuses rows, or entries of a queue, that no key tells apart: one that was given may have columns that are null.</summary>
    /// <param name="run">The table.</param>
    /// <param name="session">Where they are.</param>
    /// <param name="rows">The relation, quoted.</param>
    /// <param name="columns">Columns of the key that may be null there.</param>
    public static async Task RequireKeysAsync(TableRun run, PgSession session, string rows, IReadOnlyList<string> columns)
    {
        var nullable = columns.Select(c => PgIdentifier.Create(c)).ToArray();
        if (nullable.Length == 0 || await session.Unlimited.ScalarAsync($"SELECT EXISTS (SELECT FROM {rows} WHERE {string.Join(" OR ", nullable.Select(c => c.Quoted + " IS NULL"))})").ConfigureAwait(false) is not true)
            return;
        throw new NoReplicationKeyException(run.Spec.Source, $"has changed rows without a value in the key ({string.Join(", ", run.Spec.Key)}), of which '{run.Spec.Target}' could only keep the former ones besides",
            $"Give {string.Join(", ", nullable.Select(c => $"'{c.Value}'"))} a value in each of them, then refresh the table with Repull.All.");
    }

    /// <summary>The same with rows that the caller stages.</summary>
    /// <param name="run">The table.</param>
    /// <param name="table">The destination.</param>
    /// <param name="flag">Name of the flag, which is false for a key whose row has to go; null where there is none.</param>
    /// <param name="more">More columns of the stage, each with a comma behind it; of a query over the destination.</param>
    /// <param name="stage">
    /// Fills the stage, given the list of columns that are written, and statements that apply what is there already and empty it, of which no two slices may have the same key; null where all rows have to
    /// be there first. Returns the number of rows.
    /// </param>
    public static async Task<long> ReplaceAsync(TableRun run, RelationInfo table, string? flag, string more, Func<string, IReadOnlyList<string>?, Task<long>> stage)
    {
        var session = run.Destination.Unlimited;
        var written = string.Join(", ", run.Written.Select(c => c.Quoted));
        await session.ExecuteAsync($"CREATE TEMP TABLE omnipg_stage ON COMMIT DROP AS SELECT {(flag is null ? "" : $"true AS {flag}, ")}{more}{written} FROM {table.Name.Quoted} WITH NO DATA").ConfigureAwait(false);
        await RelaxAsync(session, Stage).ConfigureAwait(false);
        var (way, isOneByOne) = await WayAsync(run, table, run.Spec.Key).ConfigureAwait(false);
        // By the key alone it is joined, and rows that go are few or many.
        var analyze = $"ANALYZE pg_temp.omnipg_stage ({string.Join(", ", run.Spec.Key.Select(k => PgIdentifier.Create(k).Quoted).Concat(flag is null ? [] : [flag]))})";
        string[] ahead = await DeletedHistory.OfAsync(run, table).ConfigureAwait(false) is { } history ? [analyze, history.KeepDisplaced()] : [analyze];
        var rows = await stage(written, isOneByOne ? [.. ahead, .. UpsertStatements(run, table, written, flag), "TRUNCATE pg_temp.omnipg_stage"] : null).ConfigureAwait(false);
        if (rows > 0)
        {
            foreach (var sql in ahead)
                await session.ExecuteAsync(sql).ConfigureAwait(false);
            await ApplyAsync(run, table, way, written, flag).ConfigureAwait(false);
        }
        await session.ExecuteAsync("DROP TABLE pg_temp.omnipg_stage").ConfigureAwait(false);
        return rows;
    }

    private static async Task ApplyAsync(TableRun run, RelationInfo table, Way way, string written, string? flag)
    {
        var session = run.Destination.Unlimited;
        if (way != Way.Replace)
        {
            if (way == Way.Update)
            {
                await UpsertAsync(run, table, written, flag).ConfigureAwait(false);
                return;
            }
            await session.ExecuteAsync("SAVEPOINT omnipg_rows").ConfigureAwait(false);
            try
            {
                await UpsertAsync(run, table, written, flag).ConfigureAwait(false);
                await session.ExecuteAsync("RELEASE SAVEPOINT omnipg_rows").ConfigureAwait(false);
                return;
            }
            catch (PostgresException error) when (error.SqlState is PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.ExclusionViolation)
            {
                await session.ExecuteAsync("ROLLBACK TO SAVEPOINT omnipg_rows").ConfigureAwait(false);
            }
        }
        await Followers.WarnAsync(run, table, way == Way.Replace ? Followers.Always : "for two of them have exchanged the values of a further unique index").ConfigureAwait(false);
        await session.ExecuteAsync($"DELETE FROM {table.Name.Quoted} d USING pg_temp.omnipg_stage s WHERE {Same(run)}{(flag is not null && run.Spec.IgnoreDeletes ? $" AND s.{flag}" : "")}").ConfigureAwait(false);
        await session.ExecuteAsync($"INSERT INTO {table.Name.Quoted} ({written}) OVERRIDING SYSTEM VALUE SELECT {written} FROM pg_temp.omnipg_stage{(flag is null ? "" : $" WHERE {flag}")}").ConfigureAwait(false);
    }

    private static async Task UpsertAsync(TableRun run, RelationInfo table, string written, string? flag)
    {
        foreach (var sql in UpsertStatements(run, table, written, flag))
            await run.Destination.Unlimited.ExecuteAsync(sql).ConfigureAwait(false);
    }

    private static IEnumerable<string> UpsertStatements(TableRun run, RelationInfo table, string written, string? flag)
    {
        var key = string.Join(", ", run.Spec.Key.Select(k => PgIdentifier.Create(k).Quoted));
        // Deletes first: their unique values may come back in other rows.
        if (flag is not null && !run.Spec.IgnoreDeletes)
            yield return $"DELETE FROM {table.Name.Quoted} d USING pg_temp.omnipg_stage s WHERE {Same(run)} AND NOT s.{flag}";
        // In the order of the index that each row is looked up in: changes come in an order of their own, and would read and write its pages, and the table's, again and again.
        var rows = $"SELECT {written} FROM pg_temp.omnipg_stage{(flag is null ? "" : $" WHERE {flag}")} ORDER BY {key}";
        // What a queue or the log tells of has changed, unless that is known of some of its columns only. Other rows may be as they are here.
        var others = run.Written.Where(c => !run.Spec.Key.Contains(c.Value)).Select(c => c.Quoted).ToArray();
        var onConflict = others.Length == 0 ? "NOTHING"
            : $"UPDATE SET {string.Join(", ", others.Select(c => $"{c} = excluded.{c}"))}" + (flag is not null && run.Spec is { Condition: null, Expressions.Count: 0 } ? "" : $" WHERE ROW({string.Join(", ", others.Select(c => "d." + c))})::record OPERATOR(pg_catalog.*<>) ROW({string.Join(", ", others.Select(c => "excluded." + c))})::record");
        yield return $"INSERT INTO {table.Name.Quoted} AS d ({written}) OVERRIDING SYSTEM VALUE {rows} ON CONFLICT ({key}) DO {onConflict}";
    }

    private static string Same(TableRun run) => string.Join(" AND ", run.Spec.Key.Select(k => PgIdentifier.Create(k).Quoted).Select(k => $"d.{k} = s.{k}"));

    /// <summary>How changed rows come into a table, and whether any of them may come before the others: no row of it asks for another one.</summary>
    /// <remarks>An identity column may be written by INSERT, which has to say so, and by UPDATE never. A deferrable index finds no row to update, nor may one be there for the same columns.</remarks>
    public static async Task<(Way Way, bool IsOneByOne)> WayAsync(TableRun run, RelationInfo table, IEnumerable<string> key)
    {
        var (mayUpdate, isAlone, asksItself) = await run.Destination.RowAsync(
            """
            SELECT coalesce(bool_or(same AND indimmediate) AND NOT bool_or(same AND NOT indimmediate), false)
                AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attidentity = 'a' AND a.attname <> ALL ($2)), count(*) = 1,
                EXISTS (SELECT FROM pg_catalog.pg_constraint f WHERE f.contype = 'f' AND f.conrelid = $1 AND f.confrelid = $1)
            FROM (SELECT i.indimmediate, i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
                    AND ARRAY(SELECT a.attname::text FROM unnest(i.indkey[0:i.indnkeyatts - 1]) k (num) JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num ORDER BY 1)
                    = ARRAY(SELECT unnest($2) ORDER BY 1)
                FROM pg_catalog.pg_index i WHERE i.indrelid = $1 AND (i.indisunique OR i.indisexclusion)) i (indimmediate, same)
            """,
            row => (row.GetBoolean(0), row.GetBoolean(1), row.GetBoolean(2)), PgParameter.Of(table.Oid, NpgsqlTypes.NpgsqlDbType.Oid), PgParameter.Texts(key)).ConfigureAwait(false);
        return (!mayUpdate ? Way.Replace : isAlone ? Way.Update : Way.UpdateOrReplace, mayUpdate && isAlone && !asksItself);
    }

    /// <summary>How changed rows come into a table.</summary>
    public enum Way
    {
        /// <summary>Where they stand; unchanged ones are left alone.</summary>
        Update,

        /// <summary>The same; but where two rows exchange the values of a further unique index, which no update does one row after the other, all are deleted and inserted.</summary>
        UpdateOrReplace,

        /// <summary>They are deleted and inserted.</summary>
        Replace,
    }
}
