using System.Diagnostics;
using System.Globalization;
using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Mimeo;

/// <summary>What feeds one logical table at its source: a publication of that table alone, and a slot; both have one name, made of the destination's.</summary>
/// <remarks>
/// The publication comes first, because the log is decoded with the catalog of each moment. Then the slot; a transaction whose commit is in the log before the slot's begin may not be
/// visible yet, so those that write the table at that moment have to end before the snapshot of the copy is taken.
/// </remarks>
internal static class SourceSlot
{
    private const string Server =
        """
        SELECT pg_catalog.current_setting('wal_level'), pg_catalog.pg_is_in_recovery(), (SELECT rolreplication OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),
            pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AND pg_catalog.pg_has_role(c.relowner, 'USAGE'), pg_catalog.quote_ident(current_user), c.relpersistence,
            c.relkind = 'r' AND EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = c.oid)
        FROM pg_catalog.pg_class c WHERE c.oid = $1
        """;

    // Each table that has rows: of a partitioned one the leaves.
    private const string Identities =
        """
        SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), c.relreplident, (SELECT pg_catalog.array_agg(a.attname::text ORDER BY a.attname::text)
            FROM pg_catalog.pg_index i CROSS JOIN pg_catalog.unnest(i.indkey[0:i.indnkeyatts - 1]) k (num) JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num
            WHERE i.indrelid = c.oid AND i.indisvalid AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END)
        FROM (SELECT $1 UNION SELECT relid FROM pg_catalog.pg_partition_tree($1)) t (oid) JOIN pg_catalog.pg_class c ON c.oid = t.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' ORDER BY 1
        """;

    private const string Writers =
        """
        SELECT DISTINCT virtualtransaction FROM pg_catalog.pg_locks
        WHERE locktype = 'relation' AND granted AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
            AND relation IN (SELECT $1 UNION SELECT relid FROM pg_catalog.pg_partition_tree($1)) AND mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
            AND ($2::text[] IS NULL OR virtualtransaction = ANY ($2))
        """;

    private const string Published =
        """
        SELECT pr.oid, p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate AND p.pubviaroot AND NOT p.puballtables
            AND (SELECT count(*) FROM pg_catalog.pg_publication_rel o WHERE o.prpubid = p.oid) = 1, pg_catalog.pg_has_role(p.pubowner, 'USAGE')
        FROM pg_catalog.pg_publication p LEFT JOIN pg_catalog.pg_publication_rel pr ON pr.prpubid = p.oid AND pr.prrelid = $2 WHERE p.pubname = $1
        """;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Name of both.</summary>
    /// <param name="owner">Text that no other destination has.</param>
    public static string NameOf(string owner) =>
        "omnipg_" + Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(owner)))[..32];

    /// <summary>Makes both, in place of what a set-up that died has left.</summary>
    /// <param name="run">The table, its columns read; no snapshot is open.</param>
    /// <param name="key">Columns that tell rows apart.</param>
    /// <param name="name">Their name.</param>
    /// <exception cref="LogicalSourceException">Server or table cannot be followed.</exception>
    public static async Task CreateAsync(TableRun run, IReadOnlyList<ColumnInfo> key, string name)
    {
        var (server, filter) = await RequireAsync(run, key).ConfigureAwait(false);
        if (!server.MayDecode)
            throw new MimeoPermissionException(run.Source.Name, $"follow '{run.Spec.Source}'", $"ALTER ROLE {server.Role} REPLICATION;", null);
        await DropSlotAsync(run.Source, run.Spec, name).ConfigureAwait(false);
        await PublishAsync(run, key, name, filter, server.MayPublish).ConfigureAwait(false);
        await MakeSlotAsync(run, name).ConfigureAwait(false);
        await WaitForWritersAsync(run, PgParameter.Of(run.Relation.Oid, NpgsqlDbType.Oid)).ConfigureAwait(false);
    }

    /// <summary>Steps of <see cref="CreateAsync"/>, each in a transaction of its own: a slot is made in one that has written nothing. Which columns a condition reads is known only once there is a publication.</summary>
    /// <exception cref="LogicalSourceException">Server or table cannot be followed.</exception>
    public static async Task<IReadOnlyList<SqlPlanStep>> PlanAsync(TableRun run, IReadOnlyList<ColumnInfo> key, string name)
    {
        const string Left = "A set-up of the same destination that died has left it.";
        var (_, filter) = await RequireAsync(run, key).ConfigureAwait(false);
        var found = await FindAsync(run.Source, run.Spec, run.Relation.Oid, name).ConfigureAwait(false);
        var steps = new List<SqlPlanStep>();
        if (await ReadAsync(run, name).ConfigureAwait(false) is not null)
            steps.Add(Step(DropStatement(name), Left) with { DestroysData = true });
        if (found is { Mine: true })
            steps.Add(Step($"DROP PUBLICATION IF EXISTS {name}", Left));
        // What another role has made serves, or is told among the rights that are missing.
        if (found is not { Mine: false })
            steps.Add(Step(Statement(run.Spec, run.Columns, name, filter, PgServerVersion.Of(run.Source.Session.Connection).Major)));
        steps.Add(Step($"SELECT lsn FROM pg_catalog.pg_create_logical_replication_slot({PgLiteral.Quote(name)}, 'pgoutput')"));
        return steps;

        SqlPlanStep Step(string sql, string why = "The log of the source has to be kept and decoded for this destination.") =>
            new() { Server = run.Spec.From, Kind = "slot", Reason = why, Sql = sql, OwnTransaction = true };
    }

    private static async Task<(ServerFacts Server, string? Filter)> RequireAsync(TableRun run, IReadOnlyList<ColumnInfo> key)
    {
        var (spec, source) = (run.Spec, run.Source);
        run.RequireTable();
        var server = await ServerAsync(source, spec, run.Relation.Oid).ConfigureAwait(false);
        var major = PgServerVersion.Of(source.Session.Connection).Major;
        // Since 19 decoding switches itself on where wal_level is replica.
        if (server.WalLevel != "logical" && (major < 19 || server.WalLevel == "minimal"))
            throw new LogicalSourceException(spec.Source, $"wal_level of source '{source.Name}' is '{server.WalLevel}', and 'logical' is needed", "Set it and restart the server, or choose dml.");
        if (server.IsStandby)
            throw new LogicalSourceException(spec.Source, $"source '{source.Name}' is a standby", "Pull from its primary.");
        if (server.Persistence != 'p' || server.HasChildren)
            throw new LogicalSourceException(spec.Source, server.HasChildren ? "tables inherit from it, whose changes come under their own names" : "it is not logged", "Choose another method.");
        if (run.Columns.FirstOrDefault(c => c.IsGenerated) is { } generated)
            throw new LogicalSourceException(spec.Source, $"column '{generated.Name}' is generated, which the log does not hold", "Leave it out of the columns.");
        await RequireIdentityAsync(run, key).ConfigureAwait(false);
        return (server, Filter(spec, major));
    }

    /// <summary>Statements that give the role what it lacks to follow the table.</summary>
    public static async Task<IReadOnlyList<string>> MissingAsync(SourceSession source, ReplicationSpec spec, RelationInfo table, IReadOnlyList<ColumnInfo> columns, string name)
    {
        var server = await ServerAsync(source, spec, table.Oid).ConfigureAwait(false);
        var found = await FindAsync(source, spec, table.Oid, name).ConfigureAwait(false);
        string[] decode = server.MayDecode ? [] : [$"ALTER ROLE {server.Role} REPLICATION;"];
        // A refresh goes on with the publication that serves; one made anew would break with it (its entry's number is the table's).
        if (spec.Slot is not null && found is { IsRight: true, Rel: not null })
            return decode;
        var major = PgServerVersion.Of(source.Session.Connection).Major;
        return OfAnother(found, server.MayPublish, name, Statement(spec, columns, name, Filter(spec, major), major)) is { } publish ? [.. decode, publish] : decode;
    }

    /// <summary>Where the slot stands, and the number of the table's entry in the publication.</summary>
    /// <exception cref="SlotLostException">One of them is gone or does not serve any more.</exception>
    public static async Task<(NpgsqlLogSequenceNumber Confirmed, uint Publication)> CheckAsync(TableRun run)
    {
        var (name, target) = (run.Spec.Slot!, run.Spec.Target);
        var published = await FindAsync(run.Source, run.Spec, run.Relation.Oid, name).ConfigureAwait(false);
        if (published is not { Rel: { } rel, IsRight: true })
            throw new SlotLostException(target, $"publication '{name}' of source '{run.Source.Name}' {(published is null ? "is gone" : "does not hold the table alone, with all of its changes")}");
        var clock = Stopwatch.StartNew();
        var slot = await ReadAsync(run, name).ConfigureAwait(false);
        // The session of a refresh that died ends when its server tells it something.
        for (; slot is { IsActive: true } && clock.Elapsed < run.Options.LockTimeout; slot = await ReadAsync(run, name).ConfigureAwait(false))
            await Task.Delay(Pause, TimeProvider.System, run.Destination.CancellationToken).ConfigureAwait(false);
        return slot switch
        {
            null => throw new SlotLostException(target, $"slot '{name}' of source '{run.Source.Name}' is gone"),
            { IsLost: true } => throw new SlotLostException(target, $"source '{run.Source.Name}' has removed the log that slot '{name}' needs (max_slot_wal_keep_size)"),
            { IsOurs: false } => throw new SlotLostException(target, $"slot '{name}' of source '{run.Source.Name}' is of another database or plugin"),
            { Confirmed: var confirmed } => (confirmed, rel),
        };
    }

    /// <summary>Drops both; what is gone already is passed over.</summary>
    /// <returns>Statements for what belongs to another role; empty for nothing.</returns>
    public static async Task<IReadOnlyList<string>> DropAsync(SourceSession source, ReplicationSpec spec)
    {
        await DropSlotAsync(source, spec, spec.Slot!).ConfigureAwait(false);
        return await source.AskAsync(spec.Source, async at =>
        {
            if (await at.ScalarAsync("SELECT pg_catalog.pg_has_role(pubowner, 'USAGE') FROM pg_catalog.pg_publication WHERE pubname = $1", PgParameter.Text(spec.Slot)).ConfigureAwait(false) is not bool mine)
                return (IReadOnlyList<string>)[];
            if (mine)
                await at.ExecuteAsync($"DROP PUBLICATION IF EXISTS {spec.Slot}").ConfigureAwait(false);
            return mine ? [] : [$"DROP PUBLICATION IF EXISTS {spec.Slot};"];
        }).ConfigureAwait(false);
    }

    /// <summary>The same as statements to run at the source.</summary>
    public static IReadOnlyList<string> Statements(ReplicationSpec spec) =>
        [$"{DropStatement(spec.Slot!)};", $"DROP PUBLICATION IF EXISTS {spec.Slot};"];

    private static string DropStatement(string name) => $"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = {PgLiteral.Quote(name)}";

    // Without an identity, or with a filter or columns beyond it, the source's own UPDATE fails from the moment the table is published.
    private static async Task RequireIdentityAsync(TableRun run, IReadOnlyList<ColumnInfo> key)
    {
        var spec = run.Spec;
        var wanted = key.Select(k => k.Name.Value).Order(StringComparer.Ordinal).ToArray();
        var tables = await run.Source.AskAsync(spec.Source, at => at.RowsAsync(Identities,
            row => (Name: row.GetString(0), Kind: row.GetFieldValue<char>(1), Columns: row.IsDBNull(2) ? [] : row.GetFieldValue<string[]>(2)), PgParameter.Of(run.Relation.Oid, NpgsqlDbType.Oid))).ConfigureAwait(false);
        foreach (var table in tables)
        {
            if (table.Kind == 'f' ? spec.Columns.Count > 0 : table.Columns.Length == 0)
            {
                throw new LogicalSourceException(spec.Source, table.Kind == 'f' ? $"table '{table.Name}' has REPLICA IDENTITY FULL, which no list of columns covers" : $"table '{table.Name}' has no replica identity, and would refuse UPDATE and DELETE once it is published",
                    table.Kind == 'f' ? "Copy all columns, or choose an index as its replica identity." : $"Give it a primary key, or let its owner run: ALTER TABLE {table.Name} REPLICA IDENTITY USING INDEX …;");
            }
            if (table.Kind != 'f' && !table.Columns.Order(StringComparer.Ordinal).SequenceEqual(wanted))
                throw new LogicalSourceException(spec.Source, $"the replica identity of table '{table.Name}' is ({string.Join(", ", table.Columns)}), and the key is ({string.Join(", ", wanted)})", "Name the columns of the replica identity as the key.");
        }
    }

    private static string? Filter(ReplicationSpec spec, int major)
    {
        if (spec.Condition?.Trim() is not { Length: > 0 } condition)
            return null;
        if (major < 15)
            throw new LogicalSourceException(spec.Source, "publications have conditions since 15 only", "Leave the condition out, or choose dml.");
        return condition.StartsWith("WHERE", StringComparison.OrdinalIgnoreCase) && condition.Length > 5 && !char.IsLetterOrDigit(condition[5]) ? $" WHERE ({condition[5..]}\n)"
            : throw new LogicalSourceException(spec.Source, "a publication's condition reads no further tables", "Begin it with WHERE, or choose dml.");
    }

    private static async Task PublishAsync(TableRun run, IReadOnlyList<ColumnInfo> key, string name, string? filter, bool may)
    {
        var (spec, source) = (run.Spec, run.Source);
        var statement = Statement(spec, run.Columns, name, filter, PgServerVersion.Of(source.Session.Connection).Major);
        var found = await FindAsync(source, spec, run.Relation.Oid, name).ConfigureAwait(false);
        if (OfAnother(found, may, name, statement) is { } missing)
            throw new MimeoPermissionException(source.Name, $"publish '{spec.Source}'", missing, null);
        if (found is { Mine: false })
            return;
        try
        {
            await source.ChangeAsync(spec.Source, run.Options.LockTimeout, async at =>
            {
                await at.ExecuteAsync($"DROP PUBLICATION IF EXISTS {name}").ConfigureAwait(false);
                if (filter is not null)
                    await RequireNarrowAsync(at, run, key, name, filter).ConfigureAwait(false);
                return await PlainStatements.ExecuteAsync(at.Connection, [statement], at.CommandTimeoutSeconds, at.CancellationToken).ConfigureAwait(false);
            }).ConfigureAwait(false);
        }
        // Of the text itself: names, types, functions that a publication does not take.
        catch (SourceConnectionException error) when (filter is not null && error.SqlState is { } state && state[..2] is "42" or "22" or "0A")
        {
            throw new InvalidConditionException(spec.Condition!, ((PostgresException)error.InnerException!).MessageText, error.InnerException!);
        }
    }

    private static string Statement(ReplicationSpec spec, IReadOnlyList<ColumnInfo> all, string name, string? filter, int major)
    {
        // Before 15 all columns are sent, and those that are not copied are passed over.
        var columns = spec.Columns.Count > 0 && major >= 15 ? $" ({string.Join(", ", all.Select(c => c.Name.Quoted))})" : "";
        return $"CREATE PUBLICATION {name} FOR TABLE {spec.Source.Quoted}{columns}{filter} WITH (publish_via_partition_root = true)";
    }

    // What another role has to run; null where this one can, or where a publication is there that serves.
    private static string? OfAnother(Publication? found, bool may, string name, string statement) => found switch
    {
        { Mine: false, IsRight: true, Rel: not null } => null,
        { Mine: false } => $"DROP PUBLICATION {name}; {statement};",
        _ => may ? null : $"{(found is null ? "" : $"DROP PUBLICATION {name}; ")}{statement};",
    };

    private static async Task<ServerFacts> ServerAsync(SourceSession source, ReplicationSpec spec, uint table) => (await source.AskAsync(spec.Source, at => at.RowAsync(Server,
        row => new ServerFacts(row.GetString(0), row.GetBoolean(1), row.GetBoolean(2), row.GetBoolean(3), row.GetString(4), row.GetFieldValue<char>(5), row.GetBoolean(6)),
        PgParameter.Of(table, NpgsqlDbType.Oid))).ConfigureAwait(false))!;

    // The catalog says which columns a condition reads, once there is a publication with it; nobody sees this one.
    private static async Task RequireNarrowAsync(PgSession at, TableRun run, IReadOnlyList<ColumnInfo> key, string name, string filter)
    {
        await at.ExecuteAsync("SAVEPOINT omnipg_filter").ConfigureAwait(false);
        await PlainStatements.ExecuteAsync(at.Connection, [$"CREATE PUBLICATION {name} FOR TABLE {run.Spec.Source.Quoted}{filter}"], at.CommandTimeoutSeconds, at.CancellationToken).ConfigureAwait(false);
        var beyond = await at.RowsAsync(
            """
            SELECT DISTINCT a.attname::text FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_publication_rel pr ON pr.prrelid = c.oid JOIN pg_catalog.pg_publication p ON p.oid = pr.prpubid AND p.pubname = $1
            JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_publication_rel'::regclass AND d.objid = pr.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid
            JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
            WHERE c.oid = $2 AND c.relreplident <> 'f' AND a.attname <> ALL ($3) ORDER BY 1
            """,
            row => row.GetString(0), PgParameter.Text(name), PgParameter.Of(run.Relation.Oid, NpgsqlDbType.Oid), PgParameter.Texts(key.Select(k => k.Name.Value))).ConfigureAwait(false);
        if (beyond.Count > 0)
        {
            throw new LogicalSourceException(run.Spec.Source, $"the condition reads '{string.Join("', '", beyond)}', which {(beyond.Count == 1 ? "is" : "are")} not in the replica identity: the table would refuse UPDATE and DELETE once it is published",
                "Let the condition read columns of the key only, set REPLICA IDENTITY FULL, or choose dml.");
        }
        await at.ExecuteAsync("ROLLBACK TO SAVEPOINT omnipg_filter").ConfigureAwait(false);
    }

    private static Task<Slot?> ReadAsync(TableRun run, string name) => run.Source.AskAsync(run.Spec.Source, at => at.RowAsync(
        """
        SELECT coalesce(confirmed_flush_lsn, '0/0'), coalesce(wal_status, '') = 'lost', plugin = 'pgoutput' AND database = pg_catalog.current_database(), active
        FROM pg_catalog.pg_replication_slots WHERE slot_name = $1
        """,
        row => new Slot(row.GetFieldValue<NpgsqlLogSequenceNumber>(0), row.GetBoolean(1), row.IsTrue(2), row.GetBoolean(3)), PgParameter.Text(name)));

    private static Task<Publication?> FindAsync(SourceSession source, ReplicationSpec spec, uint table, string name) => source.AskAsync(spec.Source, at => at.RowAsync(Published,
        row => new Publication(row.IsDBNull(0) ? null : row.GetFieldValue<uint>(0), row.GetBoolean(1), row.GetBoolean(2)), PgParameter.Text(name), PgParameter.Of(table, NpgsqlDbType.Oid)));

    // Waits for the end of each transaction that is open (src/backend/replication/logical/snapbuild.c, SnapBuildWaitSnapshot), which is the wait for a lock.
    private static async Task MakeSlotAsync(TableRun run, string name)
    {
        try
        {
            await run.Source.ChangeAsync(run.Spec.Source, run.Options.LockTimeout, at =>
                at.ScalarAsync("SELECT lsn FROM pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput')", PgParameter.Text(name))).ConfigureAwait(false);
        }
        catch (MimeoLockException error)
        {
            throw new MimeoLockException(run.Spec.Source, $"make its slot at source '{run.Source.Name}', which waits for every transaction that is open there", error.InnerException);
        }
    }

    private static Task<object?> DropSlotAsync(SourceSession source, ReplicationSpec spec, string name) => source.AskAsync(spec.Source, at =>
        at.ScalarAsync("SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots WHERE slot_name = $1", PgParameter.Text(name)));

    private static async Task WaitForWritersAsync(TableRun run, NpgsqlParameter oid)
    {
        var clock = Stopwatch.StartNew();
        string[]? writers = null;
        do
        {
            if (writers is not null)
                await Task.Delay(Pause, TimeProvider.System, run.Destination.CancellationToken).ConfigureAwait(false);
            var known = writers is null ? PgParameter.Of(null, NpgsqlDbType.Array | NpgsqlDbType.Text) : PgParameter.Texts(writers);
            writers = [.. await run.Source.AskAsync(run.Spec.Source, at => at.RowsAsync(Writers, row => row.GetString(0), oid.Clone(), known)).ConfigureAwait(false)];
            if (writers.Length > 0 && clock.Elapsed > run.Options.LockTimeout)
                throw new MimeoLockException(run.Spec.Source, string.Create(CultureInfo.InvariantCulture, $"copy it, for {writers.Length} transactions write it"), null);
        }
        while (writers.Length > 0);
    }

    private sealed record ServerFacts(string WalLevel, bool IsStandby, bool MayDecode, bool MayPublish, string Role, char Persistence, bool HasChildren);

    private sealed record Slot(NpgsqlLogSequenceNumber Confirmed, bool IsLost, bool IsOurs, bool IsActive);

    private sealed record Publication(uint? Rel, bool IsRight, bool Mine);
}
