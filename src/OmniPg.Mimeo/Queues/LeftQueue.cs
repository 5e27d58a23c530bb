namespace OmniPg.Mimeo;

/// <summary>A queue that a set-up of the same destination has left when it died, perhaps at another table of the source.</summary>
/// <remarks>Function and triggers are those that fill it: names that are made of the table of the next set-up may be those of a queue that feeds somebody else.</remarks>
internal sealed class LeftQueue
{
    // $1 schema, $2 comment of the queue. The function's text names the queue in quotes, which stand twice inside of any other name (QueueFunction).
    private const string Sql =
        """
        SELECT c.relname::text, format('%I.%I', n.nspname, p.proname), format('%I', g.tgname), tn.nspname::text, t.relname::text,
            pg_catalog.pg_has_role(c.relowner, 'USAGE') AND coalesce(pg_catalog.pg_has_role(p.proowner, 'USAGE') AND coalesce(pg_catalog.pg_has_role(t.relowner, 'USAGE'), true), true)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid AND p.pronargs = 0 AND p.prorettype = 'pg_catalog.trigger'::pg_catalog.regtype
            AND strpos(p.prosrc, format('INSERT INTO "%s"."%s" (', replace(n.nspname, '"', '""'), replace(c.relname, '"', '""'))) > 0
        LEFT JOIN pg_catalog.pg_trigger g ON g.tgfoid = p.oid AND g.tgparentid = 0
        LEFT JOIN pg_catalog.pg_class t ON t.oid = g.tgrelid LEFT JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
        WHERE n.nspname = $1 AND c.relkind = 'r' AND pg_catalog.obj_description(c.oid, 'pg_class') = $2 ORDER BY c.relname, p.proname, tn.nspname, t.relname, g.tgname
        """;

    private readonly IReadOnlyList<Trigger> _triggers;
    private readonly IReadOnlyList<string> _functions;

    private LeftQueue(QualifiedName table, IReadOnlyList<Trigger> triggers, IReadOnlyList<string> functions, bool isOwned) => (Table, _triggers, _functions, IsOwned) = (table, triggers, functions, isOwned);

    public QualifiedName Table { get; }

    /// <summary>Whether the role may drop all of it.</summary>
    public bool IsOwned { get; }

    private IReadOnlyList<string> Rest => [.. _functions.Select(f => $"DROP FUNCTION IF EXISTS {f}()"), $"DROP TABLE IF EXISTS {Table.Quoted}"];

    private string Warning => $"Queue '{Table}' of a former set-up fills on at the source. Let its owner and that of the table run there: {string.Concat(_triggers.Select(t => t.Statement + "; "))}{string.Join(' ', Rest.Select(r => r + ";"))}";

    /// <summary>Finds those whose comment names the destination.</summary>
    /// <param name="run">The table that is set up.</param>
    /// <param name="owner">The comment.</param>
    public static async Task<IReadOnlyList<LeftQueue>> FindAsync(TableRun run, string owner)
    {
        var rows = await run.Source.AskAsync(run.Spec.Source, at => at.RowsAsync(Sql, row => (Queue: row.GetString(0), Function: row.Text(1),
            Trigger: row.Text(2) is { } name ? new Trigger(name, QualifiedName.Create(row.GetString(3), row.GetString(4))) : null, IsOwned: row.GetBoolean(5)),
            PgParameter.Text(run.Store.Schema.Value), PgParameter.Text(owner))).ConfigureAwait(false);
        return [.. rows.GroupBy(r => r.Queue, StringComparer.Ordinal).Select(queue => new LeftQueue(new QualifiedName(run.Store.Schema, PgIdentifier.Create(queue.Key)),
            [.. queue.Select(r => r.Trigger).OfType<Trigger>()], [.. queue.Select(r => r.Function).OfType<string>().Distinct(StringComparer.Ordinal)], queue.All(r => r.IsOwned)))];
    }

    /// <summary>Drops it in a transaction of its own; where something of it belongs to another role, warns.</summary>
    public async Task DropAsync(TableRun run)
    {
        if (!IsOwned)
        {
            run.Warnings.Add(Warning);
            return;
        }
        await run.Source.ChangeAsync(run.Spec.Source, run.Options.LockTimeout, at =>
            PlainStatements.ExecuteAsync(at.Connection, [.. _triggers.Select(t => t.Statement), .. Rest], 0, at.CancellationToken)).ConfigureAwait(false);
    }

    /// <summary>The same as steps of a plan.</summary>
    public IEnumerable<SqlPlanStep> Steps(TableRun run)
    {
        if (!IsOwned)
        {
            run.Warnings.Add(Warning);
            return [];
        }
        return _triggers.Select(t => Step(run, t.Statement) with { Locks = [new SqlPlanLock(t.Table, PgLockMode.AccessExclusive)] })
            .Concat(Rest.Select(sql => Step(run, sql) with { DestroysData = sql.StartsWith("DROP TABLE", StringComparison.Ordinal) }));
    }

    private static SqlPlanStep Step(TableRun run, string sql) => new() { Server = run.Spec.From, Kind = "queue", Reason = "A set-up of the same destination that died has left it.", Sql = sql };

    private sealed record Trigger(string Name, QualifiedName Table)
    {
        public string Statement => $"DROP TRIGGER IF EXISTS {Name} ON {Table.Quoted}";
    }
}
