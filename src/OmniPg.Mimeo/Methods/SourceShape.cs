namespace OmniPg.Mimeo;

/// <summary>What a source's table was like when all of its rows were read: what no change of a row tells, neither by a trigger nor in the log.</summary>
/// <remarks>
/// Its files, and those of its leaves, are others after a TRUNCATE or a rewrite, and leaves come and go. A column that was dropped and made anew under its name has another number, and
/// rows that nobody has changed since then are not told of. Remembered from a load of all rows to the next one: until then the warning stands, whoever overlooked it.
/// </remarks>
internal static class SourceShape
{
    // Files, a bar, and the number of each copied column. $1 the table, $2 the columns.
    private const string Sql =
        """
        WITH RECURSIVE leaf AS (
            SELECT $1 AS oid
            UNION ALL
            SELECT i.inhrelid FROM leaf l JOIN pg_catalog.pg_inherits i ON i.inhparent = l.oid)
        SELECT (SELECT pg_catalog.md5(string_agg(concat_ws(' ', oid, pg_catalog.pg_relation_filenode(oid)), ';' ORDER BY oid)) FROM leaf) || '|'
            || (SELECT pg_catalog.jsonb_object_agg(attname, attnum) FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attname = ANY ($2))
        """;

    // Whether the files are others, a column whose number is another, and what to remember from now on: a column that is new, or gone for now, stays known by its number.
    private const string Comparison =
        """
        SELECT split_part(change_token, '|', 1) <> split_part($2, '|', 1),
            (SELECT min(k.key) FROM pg_catalog.jsonb_each_text(columns) k JOIN pg_catalog.jsonb_each_text(now) n USING (key) WHERE k.value <> n.value),
            split_part(change_token, '|', 1) || '|' || (now || columns)
        FROM @state s CROSS JOIN LATERAL (SELECT coalesce(substr(change_token, nullif(strpos(change_token, '|'), 0) + 1), '{}')::jsonb, substr($2, strpos($2, '|') + 1)::jsonb) j (columns, now)
        WHERE dest_table = $1 AND change_token IS NOT NULL
        """;

    /// <summary>Reads it, as it is stored.</summary>
    public static async Task<string?> ReadAsync(TableRun run) => await run.Source.AskAsync(run.Spec.Source, source => source.ScalarAsync(Sql,
        PgParameter.Of(run.Relation.Oid, NpgsqlTypes.NpgsqlDbType.Oid), PgParameter.Texts(run.Columns.Select(c => c.Name.Value)))).ConfigureAwait(false) as string;

    /// <summary>Warns of what has changed, or remembers what is.</summary>
    /// <param name="run">The table.</param>
    /// <param name="all">Whether all of its rows were read now.</param>
    /// <param name="files">Whether files count: the log tells of them where it is that of a plain table.</param>
    /// <exception cref="ColumnDriftException">A column was made anew, and the changes of a logical table may be of either.</exception>
    public static async Task CompareAsync(TableRun run, bool all, bool files)
    {
        var (source, target) = (run.Spec.Source, run.Spec.Target);
        var now = await ReadAsync(run).ConfigureAwait(false);
        var found = await run.Destination.RowAsync(Comparison.Replace("@state", run.Store.Beside("table_state"), StringComparison.Ordinal), row => new Change(row.GetBoolean(0), row.Text(1), row.GetString(2)),
            PgParameter.Text(SpecTable.Text(target)), PgParameter.Text(now)).ConfigureAwait(false);
        if (!all && found?.Column is { } column)
        {
            if (run.Spec.Kind == ReplicationKind.Logical)
                throw new ColumnDriftException(target, [$"column '{column}' of source '{source}' was made anew since all rows were read"], "Make it anew at the destination, too, then refresh the table with Repull.All.");
            run.Warnings.Add($"Column '{column}' of source '{source}' was made anew since all rows were read, and rows that were not changed since have its former values here. Repull the table.");
        }
        if (!all && files && found is { Files: true })
        {
            run.Warnings.Add($"Source '{source}' was truncated or rewritten, or partitions came or went, since all of its rows were read: a queue is not told of such rows. "
                + $"{(run.Spec.Kind == ReplicationKind.Logdel ? "Repair the table, which keeps rows that are gone as deleted ones, then repull it" : "Repull the table")}, unless they are to stay as they are.");
        }
        await SpecTable.StoreTokenAsync(run.Destination, run.Store, target, all || found is null ? now : found.Remembered, 0).ConfigureAwait(false);
    }

    private sealed record Change(bool Files, string? Column, string Remembered);
}
