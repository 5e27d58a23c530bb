using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>Rows that take the place of those of the same key: staged at the destination, then applied as a set.</summary>
internal static class KeyedRows
{
    /// <summary>Where rows are staged.</summary>
    public static readonly QualifiedName Stage = QualifiedName.Create("pg_temp", "omnipg_stage");

    private const string DropStatement = "DROP TABLE pg_temp.omnipg_stage";

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
        await session.ExecuteAsync(StageStatement(table, flag, more, written)).ConfigureAwait(false);
        await RelationInfo.RelaxAsync(session, Stage).ConfigureAwait(false);
        var (way, isOneByOne, others, forms) = await WayAsync(run, table, run.Spec.Key).ConfigureAwait(false);
        WarnOfUnique(run, others);
        string[] ahead = await DeletedHistory.OfAsync(run, table).ConfigureAwait(false) is { } history ? [AnalyzeStatement(run, flag), history.KeepDisplaced()] : [AnalyzeStatement(run, flag)];
        string[] upsert = [.. UpsertStatements(run, table, forms, written, flag)];
        var rows = await stage(written, isOneByOne ? [.. ahead, .. upsert, "TRUNCATE pg_temp.omnipg_stage"] : null).ConfigureAwait(false);
        if (rows > 0)
        {
            foreach (var sql in ahead)
                await session.ExecuteAsync(sql).ConfigureAwait(false);
            await ApplyAsync(run, table, way, upsert, written, flag).ConfigureAwait(false);
        }
        await session.ExecuteAsync(DropStatement).ConfigureAwait(false);
        return rows;
    }

    /// <summary>Steps that bring all rows again: over those that are there where deleted ones stay, else in place of them.</summary>
    public static async Task PlanWholeAsync(TableRun run, PlanSteps steps, RelationInfo table)
    {
        if (run.Spec.IgnoreDeletes)
        {
            await PlanAsync(run, steps, table, run.Query(), null).ConfigureAwait(false);
            return;
        }

        steps.Alone("empty", "All rows come again.", $"TRUNCATE {table.Name.Quoted}", table.Name);
        steps.Copy(run, run.Query(), table.Name, freeze: table.Kind == 'r');
    }

    /// <summary>Steps of <see cref="ReplaceAsync(TableRun, RelationInfo, string, string, Func{string, IReadOnlyList{string}, Task{long}})"/>, by the indexes and foreign keys that are there now.</summary>
    /// <param name="run">The table.</param>
    /// <param name="steps">Gets them.</param>
    /// <param name="table">The destination.</param>
    /// <param name="query">The rows; null where they come by no query, which <paramref name="tell"/> says.</param>
    /// <param name="flag">As there.</param>
    /// <param name="history">Statement that keeps what is pushed out; null for none.</param>
    /// <param name="tell">How rows come that no query brings.</param>
    public static async Task PlanAsync(TableRun run, PlanSteps steps, RelationInfo table, string? query, string? flag, string? history = null, string? tell = null)
    {
        var written = string.Join(", ", run.Written.Select(c => c.Quoted));
        steps.Here("stage", "The rows come here first.", StageStatement(table, flag, "", written));
        if (RelationInfo.RelaxStatement(Stage, table.Columns.Where(c => run.Written.Contains(c.Name))) is { } relax)
            steps.Here("stage", "A row that is gone has no values, which a domain may refuse.", relax);
        if (query is null)
            steps.TellHere("copy", "They arrive.", tell!);
        else
            steps.Copy(run, query, Stage, freeze: false, flag is null ? null : $"{flag}, {written}");
        var (way, _, others, forms) = await WayAsync(run, table, run.Spec.Key).ConfigureAwait(false);
        WarnOfUnique(run, others);
        steps.Here("stage", "The planner has to know the keys.", AnalyzeStatement(run, flag));
        if (history is not null)
            steps.Here("history", "Images of deleted rows that have to make room stay.", history);
        if (way == Way.Replace)
        {
            await Followers.WarnAsync(run, table, Followers.Always).ConfigureAwait(false);
            steps.AllHere("apply", "Changed rows are deleted and inserted.", ReplaceStatements(run, table, written, flag));
        }
        else
        {
            steps.AllHere("apply", $"{(flag is null ? "Changed rows" : "Rows that are gone go, and changed rows")} change where they stand"
                + (way == Way.Update ? "." : "; only where two of them exchange values of a further unique index, they are deleted and inserted."), UpsertStatements(run, table, forms, written, flag));
        }
        steps.Here("stage", "It is not needed any more.", DropStatement);
    }

    private static string StageStatement(RelationInfo table, string? flag, string more, string written) =>
        $"CREATE TEMP TABLE omnipg_stage ON COMMIT DROP AS SELECT {(flag is null ? "" : $"true AS {flag}, ")}{more}{written} FROM {table.Name.Quoted} WITH NO DATA";

    // By the key alone it is joined, and rows that go are few or many.
    private static string AnalyzeStatement(TableRun run, string? flag) =>
        $"ANALYZE pg_temp.omnipg_stage ({string.Join(", ", run.Spec.Key.Select(k => PgIdentifier.Create(k).Quoted).Concat(flag is null ? [] : [flag]))})";

    private static async Task ApplyAsync(TableRun run, RelationInfo table, Way way, string[] upsert, string written, string? flag)
    {
        var session = run.Destination.Unlimited;
        if (way != Way.Replace)
        {
            string[] statements = way == Way.Update ? upsert : ["SAVEPOINT omnipg_rows", .. upsert, "RELEASE SAVEPOINT omnipg_rows"];
            try
            {
                foreach (var sql in statements)
                    await session.ExecuteAsync(sql).ConfigureAwait(false);
                return;
            }
            catch (PostgresException error) when (way == Way.UpdateOrReplace && error.SqlState is PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.ExclusionViolation)
            {
                await session.ExecuteAsync("ROLLBACK TO SAVEPOINT omnipg_rows").ConfigureAwait(false);
            }
        }
        await Followers.WarnAsync(run, table, way == Way.Replace ? Followers.Always : "for two of them have exchanged the values of a further unique index").ConfigureAwait(false);
        foreach (var sql in ReplaceStatements(run, table, written, flag))
            await session.ExecuteAsync(sql).ConfigureAwait(false);
    }

    private static string[] ReplaceStatements(TableRun run, RelationInfo table, string written, string? flag) =>
    [
        $"DELETE FROM {table.Name.Quoted} d USING pg_temp.omnipg_stage s WHERE {Same(run)}{(flag is not null && run.Spec.IgnoreDeletes ? $" AND s.{flag}" : "")}",
        $"INSERT INTO {table.Name.Quoted} ({written}) OVERRIDING SYSTEM VALUE SELECT {written} FROM pg_temp.omnipg_stage{(flag is null ? "" : $" WHERE {flag}")}",
    ];

    private static IEnumerable<string> UpsertStatements(TableRun run, RelationInfo table, IReadOnlyCollection<string> forms, string written, string? flag)
    {
        var key = string.Join(", ", run.Spec.Key.Select(k => PgIdentifier.Create(k).Quoted));
        // Deletes first: their unique values may come back in other rows.
        if (flag is not null && !run.Spec.IgnoreDeletes)
            yield return $"DELETE FROM {table.Name.Quoted} d USING pg_temp.omnipg_stage s WHERE {Same(run)} AND NOT s.{flag}";
        // In the order of the index that each row is looked up in: changes come in an order of their own, and would read and write its pages, and the table's, again and again.
        var rows = $"SELECT {written} FROM pg_temp.omnipg_stage{(flag is null ? "" : $" WHERE {flag}")} ORDER BY {key}";
        // What a queue or the log tells of has changed, unless that is known of some of its columns only. Other rows may be as they are here.
        // Columns of the key only where one value has several forms: whoever asks for the row by a foreign key has to wait for an update of them.
        var others = run.Written.Where(c => !run.Spec.Key.Contains(c.Value) || forms.Contains(c.Value)).Select(c => c.Quoted).ToArray();
        var onConflict = others.Length == 0 ? "NOTHING"
            : $"UPDATE SET {string.Join(", ", others.Select(c => $"{c} = excluded.{c}"))}" + (flag is not null && run.Spec is { Condition: null, Expressions.Count: 0 } ? "" : $" WHERE ROW({string.Join(", ", others.Select(c => "d." + c))})::record OPERATOR(pg_catalog.*<>) ROW({string.Join(", ", others.Select(c => "excluded." + c))})::record");
        yield return $"INSERT INTO {table.Name.Quoted} AS d ({written}) OVERRIDING SYSTEM VALUE {rows} ON CONFLICT ({key}) DO {onConflict}";
    }

    private static string Same(TableRun run) => string.Join(" AND ", run.Spec.Key.Select(k => PgIdentifier.Create(k).Quoted).Select(k => $"d.{k} = s.{k}"));

    /// <summary>
    /// How changed rows come into a table; whether any of them may come before the others, for no row of it asks for another one; which of its indexes want more to be unique than the key; and which
    /// columns of the key have values of several forms, as the numeric 1.5 and 1.50.
    /// </summary>
    /// <remarks>
    /// An identity column may be written by INSERT, which has to say so, and by UPDATE never. A deferrable index finds no row to update, nor may one be there for the same columns. Where equal values are
    /// equal bytes a B-tree's operator class says so by its fourth function (BTEQUALIMAGE_PROC, src/include/access/nbtree.h), but for two types in clusters that older versions made. Whose rows ask for
    /// this table's ON UPDATE RESTRICT, none of that is changed.
    /// </remarks>
    public static async Task<(Way Way, bool IsOneByOne, string? Others, IReadOnlyCollection<string> Forms)> WayAsync(TableRun run, RelationInfo table, IEnumerable<string> key)
    {
        var (mayUpdate, isAlone, asksItself, others, forms) = await run.Destination.RowAsync(
            """
            SELECT coalesce(bool_or(same AND indimmediate) AND NOT bool_or(same AND NOT indimmediate), false)
                AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attidentity = 'a' AND a.attname <> ALL ($2)), count(*) = 1,
                EXISTS (SELECT FROM pg_catalog.pg_constraint f WHERE f.contype = 'f' AND f.conrelid = $1 AND f.confrelid = $1),
                string_agg(name, ', ' ORDER BY name) FILTER (WHERE indpred IS NULL AND NOT columns @> $2),
                ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
                    CROSS JOIN LATERAL (WITH RECURSIVE b (oid, typmod) AS (SELECT a.atttypid, a.atttypmod
                            UNION ALL SELECT t.typbasetype, t.typtypmod FROM b JOIN pg_catalog.pg_type t ON t.oid = b.oid WHERE t.typtype = 'd')
                        SELECT t.oid, b.typmod, CASE WHEN t.typtype = 'e' THEN 'anyenum'::regtype WHEN t.oid = 'varchar'::regtype THEN 'text'::regtype WHEN t.oid = 'cidr'::regtype THEN 'inet'::regtype ELSE t.oid END
                        FROM b JOIN pg_catalog.pg_type t ON t.oid = b.oid WHERE t.typtype <> 'd') y (oid, typmod, class)
                    WHERE a.attrelid = $1 AND a.attname = ANY ($2) AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint f WHERE f.contype = 'f' AND f.confrelid = $1 AND f.confupdtype = 'r')
                        AND CASE WHEN NOT coalesce(l.collisdeterministic, true) OR y.oid = 'interval'::regtype THEN true WHEN y.oid = 'bpchar'::regtype THEN y.typmod < 0
                            ELSE NOT EXISTS (SELECT FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod AND m.amname = 'btree'
                                JOIN pg_catalog.pg_amproc p ON p.amprocfamily = o.opcfamily AND p.amproclefttype = o.opcintype AND p.amprocnum = 4 WHERE o.opcdefault AND o.opcintype = y.class) END)
            FROM (SELECT i.indimmediate, i.indpred, i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND columns @> $2 AND columns <@ $2, columns, quote_ident(c.relname)
                FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid CROSS JOIN LATERAL (
                    SELECT ARRAY(SELECT a.attname::text FROM unnest(i.indkey[0:i.indnkeyatts - 1]) k (num) JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num)) k (columns)
                WHERE i.indrelid = $1 AND (i.indisunique OR i.indisexclusion)) i (indimmediate, indpred, same, columns, name)
            """,
            row => (row.GetBoolean(0), row.GetBoolean(1), row.GetBoolean(2), row.Text(3), row.GetFieldValue<string[]>(4)), PgParameter.Of(table.Oid, NpgsqlTypes.NpgsqlDbType.Oid), PgParameter.Texts(key)).ConfigureAwait(false);
        return (!mayUpdate ? Way.Replace : isAlone ? Way.Update : Way.UpdateOrReplace, mayUpdate && isAlone && !asksItself, others, forms);
    }

    /// <summary>Warns of indexes that refuse a value which a deleted row has still.</summary>
    /// <param name="run">The table.</param>
    /// <param name="others">Unique indexes of the destination that the key does not make unique; null for none.</param>
    public static void WarnOfUnique(TableRun run, string? others)
    {
        var text = $"'{run.Spec.Target}' keeps rows that its source has deleted, and its index {others} is unique: a value of such a row that comes again stops every refresh. Drop the index, or make it one of the rows that are live.";
        if (others is not null && run.Spec.KeepsDeleted && !run.Warnings.Contains(text))
            run.Warnings.Add(text);
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
