namespace OmniPg.Mimeo;

/// <summary>A short text that changes whenever rows of a table may have changed since it was last asked for.</summary>
/// <remarks>
/// Counters of writes are summed over the leaves of a partitioned table; TRUNCATE and rewrites move no counter and show by the files of the leaves; restart and
/// reset of the counters show by their times. Where counters tell nothing (standby, counting turned off, view, a condition whose rows may change without a
/// write) there is no token, and the rows are read. It has to be read before the snapshot of the copy: a commit in between is then copied and shows as a change
/// next time, too.
/// </remarks>
internal static class ChangeToken
{
    private const string Sql =
        """
        WITH RECURSIVE leaf AS (
            SELECT c.oid, c.relkind, pg_catalog.pg_relation_filenode(c.oid) AS file FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relname = $2
            UNION ALL
            SELECT c.oid, c.relkind, pg_catalog.pg_relation_filenode(c.oid) FROM leaf l JOIN pg_catalog.pg_inherits i ON i.inhparent = l.oid JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid)
        SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() AND pg_catalog.current_setting('track_counts')::boolean AND count(*) > 0 AND bool_and(relkind IN ('r', 'p', 'm'))
            THEN pg_catalog.md5(concat_ws('|', pg_catalog.pg_postmaster_start_time(), (SELECT stats_reset FROM pg_catalog.pg_stat_database WHERE datname = pg_catalog.current_database()), $3, pg_catalog.current_setting('TimeZone'),
                string_agg(concat_ws(' ', oid, file, pg_catalog.pg_stat_get_tuples_inserted(oid), pg_catalog.pg_stat_get_tuples_updated(oid), pg_catalog.pg_stat_get_tuples_deleted(oid),
                    (SELECT string_agg(concat_ws(' ', a.attname, a.atttypid, a.atttypmod), ',' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = leaf.oid AND a.attnum > 0 AND NOT a.attisdropped)), ';' ORDER BY oid))) END
        FROM leaf
        """;

    /// <summary>Reads the token outside of any snapshot; null when there is none.</summary>
    public static async Task<string?> ReadAsync(PgSession source, ReplicationSpec spec)
    {
        if (spec.Condition is { } condition && !await FixedCondition.HoldsAsync(source, spec.Source, condition).ConfigureAwait(false))
            return null;
        var own = string.Join('|', (string?[])[spec.From, SpecTable.Text(spec.Source), spec.Condition, .. spec.Columns]);
        return await source.ScalarAsync(Sql, PgParameter.Text(spec.Source.Schema!.Value.Value), PgParameter.Text(spec.Source.Name.Value), PgParameter.Text(own)).ConfigureAwait(false) as string;
    }
}
