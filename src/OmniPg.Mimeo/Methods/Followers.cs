namespace OmniPg.Mimeo;

/// <summary>Foreign keys of other tables by which a DELETE at the destination takes or changes their rows as well, which rows that come again do not bring back.</summary>
internal static class Followers
{
    // $1 the table.
    private const string Sql =
        """
        WITH own AS (SELECT $1 AS oid UNION SELECT relid::oid FROM pg_catalog.pg_partition_tree($1::regclass))
        SELECT format('foreign key %I of %s', f.conname, f.conrelid::regclass) FROM pg_catalog.pg_constraint f
        WHERE f.contype = 'f' AND f.confdeltype IN ('c', 'n', 'd') AND f.confrelid IN (SELECT oid FROM own) AND f.conrelid NOT IN (SELECT oid FROM own) ORDER BY 1 LIMIT 1
        """;

    // By size, which needs no right: of an emptied table it is none.
    private const string Truncated =
        """
        WITH RECURSIVE own AS (SELECT $1 AS oid UNION SELECT i.inhrelid FROM own o JOIN pg_catalog.pg_inherits i ON i.inhparent = o.oid),
        gone AS (SELECT oid FROM own UNION SELECT n.oid FROM gone g CROSS JOIN LATERAL (
            SELECT conrelid FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confrelid = g.oid UNION ALL SELECT inhrelid FROM pg_catalog.pg_inherits WHERE inhparent = g.oid) n (oid))
        SELECT string_agg(oid::regclass::text, ', ' ORDER BY oid::regclass::text) FROM gone WHERE oid NOT IN (SELECT oid FROM own) AND pg_catalog.pg_relation_size(oid) > 0
        """;

    /// <summary>Refuses to empty the table, or a part of it, by DELETE. Called behind one, whose lock lets no further key come.</summary>
    /// <exception cref="DependentObjectsException">There is one; the caller rolls back.</exception>
    public static async Task RefuseAsync(TableRun run, RelationInfo table)
    {
        if (await FindAsync(run, table).ConfigureAwait(false) is { } key)
            throw new DependentObjectsException(run.Spec.Target, key, mayCascade: run.Spec.Kind == ReplicationKind.Table);
    }

    /// <summary>Why the rows of a table are never updated.</summary>
    public const string Always = "for it has no unique index of the key that an update could go by, or an identity column";

    /// <summary>Warns where changed rows are replaced by DELETE and INSERT.</summary>
    /// <param name="run">The table.</param>
    /// <param name="table">The destination.</param>
    /// <param name="why">The reason.</param>
    public static async Task WarnAsync(TableRun run, RelationInfo table, string why)
    {
        if (await FindAsync(run, table).ConfigureAwait(false) is { } key)
        {
            run.Warnings.Add($"Rows of '{run.Spec.Target}' that were changed are deleted and inserted here, {why}, and {key} deletes or changes rows of another table with them. "
                + "Make that key NO ACTION DEFERRABLE INITIALLY DEFERRED.");
        }
    }

    /// <summary>Warns where rows were deleted that the source does not have.</summary>
    public static async Task WarnOfDeleteAsync(TableRun run, RelationInfo table)
    {
        if (await FindAsync(run, table).ConfigureAwait(false) is { } key)
            run.Warnings.Add($"Rows of '{run.Spec.Target}' that its source does not have were deleted, and {key} deletes or changes rows of another table with them.");
    }

    /// <summary>Tells which tables TRUNCATE CASCADE empties besides, of those that are not empty already. Called before it.</summary>
    public static async Task WarnOfTruncateAsync(TableRun run, RelationInfo table)
    {
        if (await TruncatedAsync(run, table).ConfigureAwait(false) is { } emptied)
            run.Warnings.Add($"TruncateCascade of '{run.Spec.Target}' has emptied as well: {emptied}.");
    }

    /// <summary>Those tables, joined by commas; null for none.</summary>
    public static async Task<string?> TruncatedAsync(TableRun run, RelationInfo table) =>
        await run.Destination.ScalarAsync(Truncated, PgParameter.Of(table.Oid, NpgsqlTypes.NpgsqlDbType.Oid)).ConfigureAwait(false) as string;

    private static async Task<string?> FindAsync(TableRun run, RelationInfo table) =>
        await run.Destination.ScalarAsync(Sql, PgParameter.Of(table.Oid, NpgsqlTypes.NpgsqlDbType.Oid)).ConfigureAwait(false) as string;
}
