using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>What collects the keys of changed rows at the source for one destination: a queue table, a trigger function and a trigger, named as the original names them.</summary>
/// <remarks>A writer adds to the queue in its own transaction, so that a snapshot sees a change exactly when it sees the entry.</remarks>
internal sealed partial class SourceQueue
{
    private const int Most = 99;

    private const string Missing =
        """
        SELECT 1, format('GRANT TRIGGER ON %I.%I TO %I;', n.nspname, c.relname, current_user)
        FROM (SELECT $1 UNION SELECT relid FROM pg_catalog.pg_partition_tree($1)) t (oid) JOIN pg_catalog.pg_class c ON c.oid = t.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT pg_catalog.has_table_privilege(c.oid, 'TRIGGER')
        UNION ALL
        SELECT 2, format('CREATE SCHEMA %I AUTHORIZATION %I;', $2, current_user)
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $2) AND NOT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
        UNION ALL
        SELECT 3, format('GRANT USAGE, CREATE ON SCHEMA %I TO %I;', nspname, current_user)
        FROM pg_catalog.pg_namespace WHERE nspname = $2 AND NOT (pg_catalog.has_schema_privilege(oid, 'USAGE') AND pg_catalog.has_schema_privilege(oid, 'CREATE'))
        ORDER BY 1, 2
        """;

    private const string Taken =
        """
        SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2)
            OR EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1 AND p.proname = $3)
            OR EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = $4 AND tgname = $5)
        """;

    private const string Triggers =
        """
        SELECT format('DROP TRIGGER %I ON %I.%I', t.tgname, n.nspname, c.relname), pg_catalog.pg_has_role(c.relowner, 'USAGE')
        FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid JOIN pg_catalog.pg_namespace pn ON pn.oid = p.pronamespace
        JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE pn.nspname = $1 AND p.proname = $2 AND t.tgparentid = 0
        """;

    // What the role lacks to replace the function. $1 schema, $2 name, $3 what the text should be, $4 number of the queue, whose comment says that this package has made it (MimeoStore).
    private const string Outdated =
        """
        SELECT concat_ws(' ', CASE WHEN NOT pg_catalog.pg_has_role(p.proowner, 'USAGE') THEN format('ALTER FUNCTION %I.%I() OWNER TO %I;', n.nspname, p.proname, current_user) END,
            CASE WHEN NOT pg_catalog.has_schema_privilege(n.oid, 'CREATE') THEN format('GRANT CREATE ON SCHEMA %I TO %I;', n.nspname, current_user) END,
            CASE WHEN NOT pg_catalog.has_language_privilege('plpgsql', 'USAGE') THEN format('GRANT USAGE ON LANGUAGE plpgsql TO %I;', current_user) END)
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = $1 AND p.proname = $2 AND p.pronargs = 0 AND p.prosrc <> $3 AND starts_with(pg_catalog.obj_description($4, 'pg_class'), 'OmniPg.Mimeo: ')
        """;

    private readonly PgIdentifier _trigger;

    private SourceQueue(PgIdentifier schema, QualifiedName source, string number)
    {
        var name = $"{source.Schema!.Value.Value}_{source.Name.Value}";
        Table = new QualifiedName(schema, SourceIndexes.Cut(name, "_q" + number));
        Function = new QualifiedName(schema, SourceIndexes.Cut(name, "_mimeo_queue" + number));
        _trigger = SourceIndexes.Cut(name, "_mimeo_trig" + number);
    }

    public QualifiedName Table { get; }

    private QualifiedName Function { get; }

    /// <summary>Makes all three in one transaction, which waits for writers of the table: what they wrote is in every later snapshot, what comes after them in the queue.</summary>
    /// <param name="run">The table, its columns read.</param>
    /// <param name="key">Columns that tell rows apart.</param>
    /// <param name="owner">Text by which a queue of the same destination is known again, whose set-up died: it is dropped first.</param>
    /// <returns>The name of the queue.</returns>
    public static async Task<QualifiedName> CreateAsync(TableRun run, IReadOnlyList<ColumnInfo> key, string owner)
    {
        var (source, spec, schema) = (run.Source, run.Spec, run.Store.Schema);
        await RequireAsync(run, key).ConfigureAwait(false);
        var missing = await source.AskAsync(spec.Source, at => MissingAsync(at, run.Relation.Oid, schema)).ConfigureAwait(false);
        if (missing.Count > 0)
            throw new MimeoPermissionException(source.Name, $"make a queue for '{spec.Source}'", string.Join(' ', missing), null);
        var (isSubscribed, isOwned) = await SubscriptionAsync(run).ConfigureAwait(false);
        foreach (var left in await LeftQueue.FindAsync(run, owner).ConfigureAwait(false))
            await left.DropAsync(run).ConfigureAwait(false);

        foreach (var queue in Candidates(run))
        {
            if (await queue.IsTakenAsync(run).ConfigureAwait(false))
                continue;
            if (!await source.ChangeAsync(spec.Source, run.Options.LockTimeout, at => queue.MakeAsync(at, run, key, owner, isSubscribed && isOwned)).ConfigureAwait(false))
                continue;
            if (isSubscribed && !isOwned)
            {
                run.Warnings.Add($"'{spec.Source}' is written by a subscription, whose changes fire no trigger of this role. Its owner has to run: "
                    + $"ALTER TABLE {spec.Source.Quoted} ENABLE ALWAYS TRIGGER {queue._trigger.Quoted};");
            }
            return queue.Table;
        }
        throw new QueueLimitException(spec.Source);
    }

    /// <summary>Steps of <see cref="CreateAsync"/>; those that take away what a set-up that died has left are the first.</summary>
    /// <exception cref="SourceKindException">The source cannot have a queue.</exception>
    /// <exception cref="QueueLimitException">It has as many as it can.</exception>
    public static async Task<IReadOnlyList<SqlPlanStep>> PlanAsync(TableRun run, IReadOnlyList<ColumnInfo> key, string owner)
    {
        await RequireAsync(run, key).ConfigureAwait(false);
        var (isSubscribed, isOwned) = await SubscriptionAsync(run).ConfigureAwait(false);
        var left = await LeftQueue.FindAsync(run, owner).ConfigureAwait(false);
        foreach (var queue in Candidates(run))
        {
            if (left.All(l => l.Table != queue.Table || !l.IsOwned) && await queue.IsTakenAsync(run).ConfigureAwait(false))
                continue;
            var makes = await run.Source.AskAsync(run.Spec.Source, at => queue.MakeStatementsAsync(at, run, key, owner, isSubscribed && isOwned)).ConfigureAwait(false);
            return
            [
                .. left.SelectMany(l => l.Steps(run)),
                .. makes.Select(sql => new SqlPlanStep
                {
                    Server = run.Spec.From, Kind = "queue", Reason = "The keys of changed rows have to be collected for this destination.", Sql = sql,
                    Locks = sql.StartsWith("CREATE TRIGGER", StringComparison.Ordinal) || sql.StartsWith("ALTER TABLE", StringComparison.Ordinal) ? [new SqlPlanLock(run.Spec.Source, PgLockMode.ShareRowExclusive)] : [],
                }),
            ];
        }
        throw new QueueLimitException(run.Spec.Source);
    }

    private static async Task RequireAsync(TableRun run, IReadOnlyList<ColumnInfo> key)
    {
        var (source, spec) = (run.Source, run.Spec);
        run.RequireTable();
        if (await source.AskAsync(spec.Source, at => at.ScalarAsync("SELECT pg_catalog.pg_is_in_recovery()")).ConfigureAwait(false) is true)
            throw new SourceKindException(spec.Source, source.Name, "Pull from its primary, or choose another method.");
        TableRun.RequireFree(spec, key.Select(k => k.Name));
    }

    // A subscription's worker fires only triggers that are marked so.
    private static Task<(bool IsSubscribed, bool IsOwned)> SubscriptionAsync(TableRun run) => run.Source.AskAsync(run.Spec.Source, at => at.RowAsync(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_subscription_rel WHERE srrelid = $1), pg_catalog.pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class WHERE oid = $1",
        row => (row.GetBoolean(0), row.GetBoolean(1)), PgParameter.Of(run.Relation.Oid, NpgsqlTypes.NpgsqlDbType.Oid)));

    private static IEnumerable<SourceQueue> Candidates(TableRun run) =>
        Enumerable.Range(0, Most + 1).Select(number => new SourceQueue(run.Store.Schema, run.Spec.Source, number == 0 ? "" : number.ToString("00", CultureInfo.InvariantCulture)));

    private async Task<bool> IsTakenAsync(TableRun run) => await run.Source.AskAsync(run.Spec.Source, at => at.ScalarAsync(
        Taken, PgParameter.Text(Table.Schema!.Value.Value), PgParameter.Text(Table.Name.Value), PgParameter.Text(Function.Name.Value),
        PgParameter.Of(run.Relation.Oid, NpgsqlTypes.NpgsqlDbType.Oid), PgParameter.Text(_trigger.Value))).ConfigureAwait(false) is true;

    /// <summary>Statements that give the role what it lacks for a queue of the table.</summary>
    public static Task<IReadOnlyList<string>> MissingAsync(PgSession source, uint table, PgIdentifier schema) =>
        source.RowsAsync(Missing, row => row.GetString(1), PgParameter.Of(table, NpgsqlTypes.NpgsqlDbType.Oid), PgParameter.Text(schema.Value));

    /// <summary>Drops what belongs to one queue and nothing else; what is gone already is passed over.</summary>
    /// <param name="source">The source, outside of any snapshot.</param>
    /// <param name="spec">Whose queue.</param>
    /// <param name="lockTimeout">Longest wait for a lock.</param>
    /// <exception cref="MimeoPermissionException">The trigger stands on a table of another owner.</exception>
    public static Task DropAsync(SourceSession source, ReplicationSpec spec, TimeSpan lockTimeout) => source.ChangeAsync(spec.Source, lockTimeout, async at =>
    {
        var queue = Of(spec);
        var triggers = await at.RowsAsync(Triggers, row => (Statement: row.GetString(0), IsOwned: row.GetBoolean(1)),
            PgParameter.Text(queue.Function.Schema!.Value.Value), PgParameter.Text(queue.Function.Name.Value)).ConfigureAwait(false);
        if (triggers.Any(t => !t.IsOwned))
        {
            throw new MimeoPermissionException(source.Name, $"drop the trigger on '{spec.Source}'", string.Join(' ', triggers.Where(t => !t.IsOwned).Select(t => t.Statement + ";"))
                + " Then drop the table here again; or leave the source out, and run what is printed there", null);
        }
        var statements = triggers.Select(t => t.Statement).Concat(queue.Rest());
        return await PlainStatements.ExecuteAsync(at.Connection, statements, 0, at.CancellationToken).ConfigureAwait(false);
    });

    /// <summary>The same as statements to run at the source.</summary>
    public static IReadOnlyList<string> Statements(ReplicationSpec spec)
    {
        var queue = Of(spec);
        return [$"DROP TRIGGER IF EXISTS {queue._trigger.Quoted} ON {spec.Source.Quoted};", .. queue.Rest().Select(s => s + ";")];
    }

    /// <summary>Brings the queue of a logdel to the columns that its source has by now, where the table is to get them.</summary>
    /// <remarks>In a transaction of its own, outside of any snapshot: writers of the source wait for it.</remarks>
    public static async Task AddColumnsAsync(SourceSession source, ReplicationSpec spec, TimeSpan lockTimeout)
    {
        if (spec is not { Kind: ReplicationKind.Logdel, Drift: DriftPolicy.AddColumns })
            return;
        var (table, queue) = await source.AskAsync(spec.Source, async at => (await RelationInfo.FindAsync(at, spec.Source).ConfigureAwait(false), await RelationInfo.FindAsync(at, spec.Queue!.Value).ConfigureAwait(false)))
            .ConfigureAwait(false);
        // What is not there is told by the refresh.
        if (table is null || queue is null || Added(spec, table, queue).Count == 0)
            return;
        await source.ChangeAsync(spec.Source, lockTimeout, async at =>
        {
            // Types are named with their schema then.
            await at.ExecuteAsync("SET LOCAL search_path = pg_catalog").ConfigureAwait(false);
            var (now, had) = ((await RelationInfo.FindAsync(at, spec.Source).ConfigureAwait(false))!, (await RelationInfo.FindAsync(at, spec.Queue!.Value).ConfigureAwait(false))!);
            // Somebody may have added them while this waited.
            if (Added(spec, now, had) is not { Count: > 0 } added)
                return 0L;
            return await PlainStatements.ExecuteAsync(at.Connection, [.. AddStatements(spec, added), AddedFunction(spec, now, had, added)], at.CommandTimeoutSeconds, at.CancellationToken).ConfigureAwait(false);
        }).ConfigureAwait(false);
    }

    /// <summary>Steps of <see cref="AddColumnsAsync"/>.</summary>
    /// <returns>The queue as it is behind them.</returns>
    public static RelationInfo PlanColumns(TableRun run, PlanSteps steps, RelationInfo queue)
    {
        if (run.Spec is not { Kind: ReplicationKind.Logdel, Drift: DriftPolicy.AddColumns } || Added(run.Spec, run.Relation, queue) is not { Count: > 0 } added)
            return queue;
        foreach (var sql in AddStatements(run.Spec, added))
            steps.AloneThere("queue", "The source has columns that are new; its writers wait.", sql, run.Spec.Queue!.Value);
        steps.There("queue", "The trigger has to fill them.", AddedFunction(run.Spec, run.Relation, queue, added));
        return queue with { Columns = [.. queue.Columns, .. added] };
    }

    /// <summary>Statement that makes the trigger's function anew where it is not what this version makes for the columns that are there by now; null for none.</summary>
    /// <remarks>Of the transaction that takes the entries out. A function that the extension has made stays; one that the role may not replace is told.</remarks>
    public static async Task<string?> RenewalAsync(TableRun run, RelationInfo queue)
    {
        var (spec, own) = (run.Spec, Of(run.Spec));
        var body = own.BodyOf(spec, run.Relation, queue.Columns);
        var missing = await run.Source.AskAsync(spec.Source, at => at.ScalarAsync(Outdated, PgParameter.Text(own.Function.Schema!.Value.Value), PgParameter.Text(own.Function.Name.Value),
            PgParameter.Text(body), PgParameter.Of(queue.Oid, NpgsqlTypes.NpgsqlDbType.Oid))).ConfigureAwait(false) as string;
        if (missing is { Length: > 0 })
            run.Warnings.Add($"Function '{own.Function}' of source '{run.Source.Name}', which fills the queue, is not the one that the columns of '{spec.Source}' need by now, and the role may not replace it. Let its owner run there: {missing}");
        return missing is "" ? own.FunctionStatement("CREATE OR REPLACE", body) : null;
    }

    /// <summary>Tells of columns that the queue alone has.</summary>
    public static void WarnOfGone(TableRun run, RelationInfo queue)
    {
        var spec = run.Spec;
        if (Gone(spec, run.Relation, queue) is { Count: > 0 } gone)
        {
            run.Warnings.Add($"Source '{spec.Source}' has no column '{string.Join("', '", gone.Select(c => c.Name.Value))}' any more, which queue '{spec.Queue}' has: rows that are deleted from now on bring no value for it. "
                + "The statements of the column drift take it away.");
        }
    }

    /// <summary>What brings a queue and its trigger's function to the source's columns; empty for nothing.</summary>
    /// <param name="spec">The table.</param>
    /// <param name="table">The source.</param>
    /// <param name="queue">The queue.</param>
    /// <remarks>The function first gets what it can fill, and no column goes before the function knows nothing of it: the application writes meanwhile.</remarks>
    public static IReadOnlyList<string> ColumnStatements(ReplicationSpec spec, RelationInfo table, RelationInfo queue)
    {
        var (added, gone) = (Added(spec, table, queue), Gone(spec, table, queue));
        // A queue of the extension has lengths, precisions and domains.
        var retyped = table.Columns.Where(c => queue.Columns.FirstOrDefault(q => q.Name == c.Name) is { } there && IsQueued(spec, there)
            && (c.OpenType != there.OpenType || there.Under is not null || ColumnInfo.IsNarrower(there.Type, c.Under ?? c.Type))).ToArray();
        if (added.Count + gone.Count + retyped.Length == 0)
            return [];
        var own = Of(spec);
        return
        [
            .. AddStatements(spec, added), .. retyped.Select(c => $"ALTER TABLE {spec.Queue!.Value.Quoted} ALTER COLUMN {c.Name.Quoted} TYPE {c.OpenType}{c.Collate} USING {c.Name.Quoted}::{c.OpenType}"),
            own.FunctionStatement("CREATE OR REPLACE", own.BodyOf(spec, table, queue.Columns.Except(gone).Concat(added))), .. gone.Select(c => $"ALTER TABLE {spec.Queue!.Value.Quoted} DROP COLUMN {c.Name.Quoted}"),
        ];
    }

    /// <summary>Columns of the queue of a logdel that the source does not have any more.</summary>
    public static IReadOnlyList<ColumnInfo> Gone(ReplicationSpec spec, RelationInfo table, RelationInfo queue) =>
        [.. queue.Columns.Where(q => IsQueued(spec, q) && table.Columns.All(c => c.Name != q.Name))];

    private static bool IsQueued(ReplicationSpec spec, ColumnInfo column) =>
        spec.Key.Contains(column.Name.Value) || (spec.Kind == ReplicationKind.Logdel && !TableRun.IsOfQueue(spec, column.Name));

    private static IReadOnlyList<ColumnInfo> Added(ReplicationSpec spec, RelationInfo table, RelationInfo queue) => spec.Kind != ReplicationKind.Logdel || spec.Drift == DriftPolicy.Ignore ? []
        : [.. table.Columns.Where(c => (spec.Columns.Count == 0 || spec.Columns.Contains(c.Name.Value)) && queue.Columns.All(q => q.Name != c.Name))];

    private static IEnumerable<string> AddStatements(ReplicationSpec spec, IReadOnlyList<ColumnInfo> added) => added.Select(c => $"ALTER TABLE {spec.Queue!.Value.Quoted} ADD COLUMN {c.Name.Quoted} {c.OpenType}{c.Collate}");

    private static string AddedFunction(ReplicationSpec spec, RelationInfo table, RelationInfo queue, IReadOnlyList<ColumnInfo> added)
    {
        var own = Of(spec);
        return own.FunctionStatement("CREATE OR REPLACE", own.BodyOf(spec, table, queue.Columns.Concat(added)));
    }

    private string BodyOf(ReplicationSpec spec, RelationInfo table, IEnumerable<ColumnInfo> queued) => new QueueFunction(Table, [.. queued.Select(c => c.Name)], table, spec).Body();

    private string FunctionStatement(string verb, string body) =>
        $"{verb} FUNCTION {Function.Quoted}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS {PgLiteral.Quote(body)}";

    private static SourceQueue Of(ReplicationSpec spec)
    {
        var table = spec.Queue!.Value;
        return new SourceQueue(table.Schema!.Value, spec.Source, Number().Match(table.Name.Value).Groups[1].Value);
    }

    private string[] Rest() => [$"DROP FUNCTION IF EXISTS {Function.Quoted}()", $"DROP TABLE IF EXISTS {Table.Quoted}"];

    private async Task<IReadOnlyList<string>> MakeStatementsAsync(PgSession at, TableRun run, IReadOnlyList<ColumnInfo> key, string owner, bool always)
    {
        var spec = run.Spec;
        var logdel = spec.Kind == ReplicationKind.Logdel;
        var queued = logdel ? run.Columns : key;
        var columns = string.Concat(queued.Select(c => $"{c.Name.Quoted} {c.OpenType}{c.Collate}, ")) + (logdel ? $"{TableRun.Deleted.Quoted} timestamptz, " : "");
        List<string> statements =
        [
            $"CREATE SCHEMA IF NOT EXISTS {Table.Schema!.Value.Quoted}",
            $"CREATE TABLE {Table.Quoted} ({columns}{TableRun.Processed.Value} boolean)",
            $"COMMENT ON TABLE {Table.Quoted} IS {PgLiteral.Quote(owner)}",
            $"CREATE INDEX ON {Table.Quoted} ({string.Join(", ", key.Select(k => k.Name.Quoted))})",
            FunctionStatement("CREATE", BodyOf(spec with { Key = [.. key.Select(k => k.Name.Value)] }, run.Relation, queued)),
            $"REVOKE ALL ON FUNCTION {Function.Quoted}() FROM PUBLIC",
            $"CREATE TRIGGER {_trigger.Quoted} AFTER INSERT OR DELETE OR UPDATE ON {spec.Source.Quoted} FOR EACH ROW EXECUTE FUNCTION {Function.Quoted}()",
        ];
        if (logdel)
            statements.Insert(4, $"CREATE INDEX ON {Table.Quoted} (processed, {TableRun.Deleted.Quoted})");
        if (always)
            statements.Add($"ALTER TABLE {spec.Source.Quoted} ENABLE ALWAYS TRIGGER {_trigger.Quoted}");
        // CREATE SCHEMA asks for the right even where the schema exists.
        if (await at.ScalarAsync("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1", PgParameter.Text(Table.Schema!.Value.Value)).ConfigureAwait(false) is not null)
            statements.RemoveAt(0);
        return statements;
    }

    // False where somebody else took the names meanwhile.
    private async Task<bool> MakeAsync(PgSession at, TableRun run, IReadOnlyList<ColumnInfo> key, string owner, bool always)
    {
        var statements = await MakeStatementsAsync(at, run, key, owner, always).ConfigureAwait(false);
        await at.ExecuteAsync("SAVEPOINT omnipg_queue").ConfigureAwait(false);
        try
        {
            await PlainStatements.ExecuteAsync(at.Connection, statements, 0, at.CancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (PostgresException error) when (error.SqlState is PostgresErrorCodes.DuplicateTable or PostgresErrorCodes.DuplicateFunction or PostgresErrorCodes.DuplicateObject
            or PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.DuplicateSchema)
        {
            await at.ExecuteAsync("ROLLBACK TO SAVEPOINT omnipg_queue").ConfigureAwait(false);
            return false;
        }
    }

    [GeneratedRegex("_q([0-9]{2})?$")]
    private static partial Regex Number();
}
