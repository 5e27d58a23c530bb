namespace OmniPg.Mimeo;

/// <summary>What stands at a source for a table that is not managed here: a queue with its trigger, which every write of the source's table fills on, or a slot, which keeps the source's log.</summary>
/// <param name="Name">Name of the queue, or of slot and publication.</param>
/// <param name="Table">The table there that it belongs to; null where nothing tells.</param>
/// <param name="IsMadeHere">
/// Whether this database made it, so that nobody needs it any more. False for what another destination or the extension made, and for every slot, whose name does not tell: look there first.
/// </param>
/// <param name="Statements">What takes it away, to be run at the source; empty where the function that fills a queue was not found.</param>
/// <remarks>A table that is being set up at this moment has its queue already, and is told; and a copy of this database's files takes what the original made for its own.</remarks>
public sealed record SourceOrphan(string Name, QualifiedName? Table, bool IsMadeHere, IReadOnlyList<string> Statements)
{
    // A queue says in its comment who made it, or is known by its name and its column. The trigger's function of this package's own says what it fills word for word (LeftQueue); that of the extension names it behind the schema.
    private const string Queues =
        """
        SELECT format('%I.%I', n.nspname, c.relname), n.nspname || '.' || c.relname, min(tn.nspname)::text, min(t.relname)::text,
            starts_with(pg_catalog.obj_description(c.oid, 'pg_class'), $1),
            CASE WHEN count(p.oid) = 0 THEN '{}'::pg_catalog.text[] ELSE array_remove(array_agg(DISTINCT format('DROP TRIGGER %I ON %I.%I;', g.tgname, tn.nspname, t.relname)) FILTER (WHERE g.oid IS NOT NULL), NULL)
                || array_agg(DISTINCT format('DROP FUNCTION %I.%I();', n.nspname, p.proname)) FILTER (WHERE p.oid IS NOT NULL) || format('DROP TABLE %I.%I;', n.nspname, c.relname) END
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid AND p.prorettype = 'pg_catalog.trigger'::pg_catalog.regtype AND p.proname ~ '_mimeo_queue([0-9]{2})?$'
            AND CASE WHEN pg_catalog.obj_description(c.oid, 'pg_class') LIKE 'OmniPg.Mimeo: %' THEN strpos(p.prosrc, format('INSERT INTO "%s"."%s" (', replace(n.nspname, '"', '""'), replace(c.relname, '"', '""'))) > 0
                ELSE strpos(p.prosrc, format('"%s"', replace(c.relname, '"', '""'))) > 0 OR strpos(p.prosrc, format('.%s ', c.relname)) > 0 END
        LEFT JOIN pg_catalog.pg_trigger g ON g.tgfoid = p.oid AND g.tgparentid = 0
        LEFT JOIN pg_catalog.pg_class t ON t.oid = g.tgrelid LEFT JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
        WHERE c.relkind = 'r' AND (pg_catalog.obj_description(c.oid, 'pg_class') LIKE 'OmniPg.Mimeo: %' OR c.relname ~ '_q([0-9]{2})?$' AND p.oid IS NOT NULL
            AND EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'processed' AND NOT a.attisdropped))
        GROUP BY c.oid, n.nspname, c.relname ORDER BY 1
        """;

    private const string Slots =
        """
        SELECT name, min(t.schemaname)::text, min(t.tablename)::text, array_remove(ARRAY[CASE WHEN bool_or(is_slot) THEN format('SELECT pg_drop_replication_slot(%L);', name) END,
            CASE WHEN NOT bool_and(is_slot) THEN format('DROP PUBLICATION %I;', name) END], NULL)
        FROM (SELECT slot_name::text AS name, true AS is_slot FROM pg_catalog.pg_replication_slots WHERE database = pg_catalog.current_database() AND plugin = 'pgoutput'
            UNION ALL SELECT pubname, false FROM pg_catalog.pg_publication) found LEFT JOIN pg_catalog.pg_publication_tables t ON t.pubname = name
        WHERE name ~ '^omnipg_[0-9a-f]{32}$' GROUP BY name ORDER BY 1
        """;

    /// <summary>Finds all of a source.</summary>
    internal static async Task<IReadOnlyList<SourceOrphan>> FindAsync(PgSession session, MimeoStore store, SourcePools pools, string name)
    {
        var (_, source) = await SourceRegistry.OpenAsync(session, store, pools, name).ConfigureAwait(false);
        await using var closing = source.ConfigureAwait(false);
        var owner = await store.OwnerTextAsync(session, "").ConfigureAwait(false);
        var (queues, slots) = await source.AskAsync(QualifiedName.Create("pg_catalog", "pg_class"), async at =>
        {
            var queues = await at.RowsAsync(Queues, row => (Key: row.GetString(1), Orphan: new SourceOrphan(row.GetString(0), TableOf(row, 2), row.IsTrue(4), row.GetFieldValue<string[]>(5))), PgParameter.Text(owner)).ConfigureAwait(false);
            var slots = await at.RowsAsync(Slots, row => (Key: row.GetString(0), Orphan: new SourceOrphan(row.GetString(0), TableOf(row, 1), false, row.GetFieldValue<string[]>(3)))).ConfigureAwait(false);
            return (queues, slots);
        }).ConfigureAwait(false);
        // Behind the answer: a table whose set-up has ended since is known now.
        var known = (await SpecTable.ReadAsync(session, store, null).ConfigureAwait(false)).SelectMany(s => (string?[])[s.Queue is { } queue ? SpecTable.Text(queue) : null, s.Slot]).ToHashSet(StringComparer.Ordinal);
        return [.. queues.Concat(slots).Where(o => !known.Contains(o.Key)).Select(o => o.Orphan)];

        static QualifiedName? TableOf(Npgsql.NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : QualifiedName.Create(row.GetString(column), row.GetString(column + 1));
    }
}
