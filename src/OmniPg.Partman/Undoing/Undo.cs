using System.Globalization;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace OmniPg.Partman;

/// <summary>
/// Moves the rows of a set into a plain table, partition by partition, and takes each out once it is empty. Every batch is a transaction in which rows leave
/// one table for the other, so that whoever comes later, after a crash or a pause, finds each row once and goes on with what is left.
/// </summary>
internal sealed class Undo(PartmanDatabase database, PartmanOptions options, ILogger logger, TimeProvider time, QualifiedName table, QualifiedName target, UndoOptions wish)
{
    private const string FirstPlace = "(0,0)";

    // What is done behind the locks that readers and writers wait for: the look for late rows above all, which a partition of emptied pages makes long.
    private static readonly TimeSpan LongestHold = TimeSpan.FromSeconds(1);

    // Less than this is looked through in no time.
    private const long WorthSweeping = 1 << 20;

    private readonly UnitRunner _runner = new(database, options, time);

    /// <summary>A set on its way out.</summary>
    /// <param name="Server">The database.</param>
    /// <param name="State">The set; null where it is undone already.</param>
    /// <param name="Columns">Columns that take values, quoted.</param>
    /// <param name="Target">The table that rows go to.</param>
    /// <param name="IsBegun">Whether an undo into it is under way.</param>
    /// <param name="Rows">Rows moved so far.</param>
    /// <param name="Partitions">Partitions taken out so far.</param>
    private sealed record Look(PartmanServer Server, SetState? State, IReadOnlyList<string> Columns, uint Target, bool IsBegun, long Rows, int Partitions)
    {
        /// <summary>By their bounds. The default comes last: until then it takes what writers still send to ranges that are gone.</summary>
        public IReadOnlyList<Partition> Left => [.. State!.Partitions, .. State.Default is { } rest ? [rest] : Array.Empty<Partition>()];
    }

    /// <summary>What would be done.</summary>
    public async Task<SqlPlan> PlanAsync(CancellationToken cancellationToken)
    {
        var look = await LookAsync(cancellationToken).ConfigureAwait(false);
        if (look.State is not { } state)
            return new SqlPlan();
        IEnumerable<SqlPlanStep> Steps(params IEnumerable<PlanUnit> units) => units.Select(u => u.ToStep(state, options.LockTimeout));
        var moves = Steps(look.Left.SelectMany(p => new[] { Batch(look, p, FirstPlace), Swept(p), TakenOut(look, p) }));
        return new SqlPlan(
        [
            .. look.IsBegun ? [] : Steps(Begin(look)),
            .. wish.SuspendAutovacuum ? new AutovacuumPause(database, options, logger, time, table).Around(moves, $"the partitions of '{table}' and '{target}'") : moves,
            .. Steps(End(look)),
        ]);
    }

    public Task<UndoResult> RunAsync(IProgress<UndoProgress>? progress, CancellationToken working)
    {
        var quiet = new AutovacuumPause(database, options, logger, time, table);
        return quiet.AroundAsync(() => MoveAllAsync(quiet, progress, working), working);
    }

    private async Task<UndoResult> MoveAllAsync(AutovacuumPause quiet, IProgress<UndoProgress>? progress, CancellationToken working)
    {
        for (var failures = 0; ;)
        {
            try
            {
                var look = await LookAsync(working).ConfigureAwait(false);
                if (look.State is not { } state)
                    return new UndoResult(look.Rows, look.Partitions);
                if (!look.IsBegun)
                {
                    await _runner.RunAsync(state, Begin(look), working).ConfigureAwait(false);
                    database.Forget();
                }
                else if (look.Left is [var next, ..])
                {
                    if (wish.SuspendAutovacuum)
                        await quiet.BeginAsync(look.Left.Select(p => p.Oid).Append(look.Target), working).ConfigureAwait(false);
                    for (var attempt = 1; !await EmptyAsync(look, next, attempt, progress, working).ConfigureAwait(false); attempt++)
                        look = look with { Rows = (await MovedAsync(look, next, working).ConfigureAwait(false)).Rows };
                }
                else
                {
                    await _runner.RunAsync(state, End(look), working).ConfigureAwait(false);
                }
                failures = 0;
            }
            catch (PartmanServerException error) when (error.SqlState?.StartsWith("23", StringComparison.Ordinal) == true)
            {
                throw new InvalidPartitionDefinitionException(
                    table, [new(InvalidDefinitionReason.Target, $"'{target}' refuses a row: {(error.InnerException as PostgresException)?.MessageText}. Correct the row, or drop the constraint; the same call goes on.")], What, error);
            }
            catch (PartmanServerException error) when (error.IsTransient && ++failures < options.LockAttempts)
            {
                // Whether the last transaction was committed says the next look.
                await Task.Delay(options.MaxBackoff / options.LockAttempts, time, working).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Empties a partition and takes it out; false where a look through it took too long, and another attempt is due.</summary>
    private async Task<bool> EmptyAsync(Look look, Partition partition, int attempt, IProgress<UndoProgress>? progress, CancellationToken working)
    {
        var (rows, place, bytes) = (look.Rows, FirstPlace, 0L);
        for (var moved = (long)wish.BatchSize; moved >= wish.BatchSize;)
        {
            await _runner.RunAsync(look.State!, Batch(look, partition, place), working).ConfigureAwait(false);
            var now = await MovedAsync(look, partition, working).ConfigureAwait(false);
            moved = now.Rows - rows;
            (rows, place, bytes) = (now.Rows, now.Place ?? FirstPlace, now.Bytes);
            progress?.Report(new UndoProgress(partition.Name, rows, look.Left.Count));
            if (wish.PauseBetweenBatches > TimeSpan.Zero)
                await Task.Delay(wish.PauseBetweenBatches, time, working).ConfigureAwait(false);
        }
        try
        {
            if (bytes >= WorthSweeping)
                await _runner.RunAsync(look.State!, Swept(partition), working).ConfigureAwait(false);
        }
        catch (PartmanServerException error) when (error.SqlState == PostgresErrorCodes.QueryCanceled)
        {
            // It took longer than the role may. Whether that matters says the look through the partition.
        }
        catch (PartitionLockTimeoutException)
        {
            // Somebody holds its indexes. The same.
        }
        try
        {
            await _runner.RunAsync(look.State!, TakenOut(look, partition), working).ConfigureAwait(false);
            PartmanTelemetry.Retired.Add(1, new KeyValuePair<string, object?>("omnipg.partman.fate", PartmanTelemetry.Of(wish.KeepTables ? PartitionFate.Detach : PartitionFate.Drop)));
        }
        catch (PartmanServerException error) when (error.SqlState == RowSync.TooEarly)
        {
            // Writers have put more there than may move under the lock: once more in batches.
        }
        catch (PartmanServerException error) when (error.SqlState == PostgresErrorCodes.QueryCanceled)
        {
            if (attempt < options.LockAttempts)
                return false;
            throw new PartmanServerException(table, $"Taking '{partition.Name}' out of", database.Name, error.InnerException!,
                $"A look through '{partition.Name}' takes longer than '{table}' may be locked for it ({LongestHold.TotalSeconds:0} s): its emptied pages could not be given back, or many rows come in. "
                + "End old transactions (backend_xmin in pg_stat_activity, xmin in pg_replication_slots) or wait for less load, then call again.");
        }
        return true;
    }

    private Task<(long Rows, string? Place, long Bytes)> MovedAsync(Look look, Partition partition, CancellationToken working) => database.RunAsync("undo", (session, server) => session.RowAsync(
        $"SELECT (o.detail ->> 'rows')::int8, o.detail ->> 'place', COALESCE(pg_catalog.pg_relation_size({Number(partition.Oid)}), 0) FROM {server.OwnSchema.Quoted}.operation o WHERE {Mine(look)}",
        row => (row.GetInt64(0), row.Text(1), row.GetInt64(2))), working);

    private Task<Look> LookAsync(CancellationToken cancellationToken) => database.RunAsync("undo", async (session, server) =>
    {
        if (server.IsReadOnly)
            throw Refusal.ReadOnly(server);
        var to = await session.ScalarAsync("SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2",
            PgParameter.Text(target.Schema!.Value.Value), PgParameter.Text(target.Name.Value)).ConfigureAwait(false) as uint? ?? 0;
        var configured = await SetReader.ConfiguredAsync(session, server, table).ConfigureAwait(false);
        var last = !server.HasOwn ? null : await session.RowAsync(
            $"""
             SELECT o.child, o.child_name, (o.detail ->> 'parent')::int8, o.finished_at IS NOT NULL, (o.detail ->> 'rows')::int8, (o.detail ->> 'partitions')::int4,
                 (o.detail ->> 'parent')::int8 = pg_catalog.to_regclass($2)::oid::int8
             FROM {server.OwnSchema.Quoted}.operation o WHERE o.kind = '{OperationKind.Undo}' AND o.parent_table = $1 ORDER BY o.id DESC LIMIT 1
             """,
            row => new { Target = row.GetFieldValue<uint>(0), Name = row.GetString(1), Parent = (uint)row.GetInt64(2), IsFinished = row.GetBoolean(3), Rows = row.GetInt64(4), Partitions = row.GetInt32(5), IsThere = row.IsTrue(6) },
            PgParameter.Text(Key), PgParameter.Text(table.Quoted)).ConfigureAwait(false);
        if (configured is not [var set, ..])
            return last is { IsFinished: true, IsThere: true } && last.Target == to ? new Look(server, null, [], to, IsBegun: true, last.Rows, last.Partitions) : throw Refusal.NotFound(table, server);
        if (set.Error is { } error)
            throw error;
        await session.ExecuteAsync(PartmanDatabase.ReadableText).ConfigureAwait(false);
        var state = (await SetReader.StatesAsync(session, [set]).ConfigureAwait(false))[0];
        var open = last is { IsFinished: false } && last.Parent == state.Oid ? last : null;
        if (state.Set.InProgress is { } what && open is null)
            throw new PartmanBusyException(table, what);
        var reasons = (await session.RowsAsync(RowMoves.WhyNotInto(state.Oid, 0, to, target), row => new InvalidDefinition(Enum.Parse<InvalidDefinitionReason>(row.GetString(0)), row.GetString(1))).ConfigureAwait(false)).ToList();
        if (!state.IsOwned)
            reasons.Add(new InvalidDefinition(InvalidDefinitionReason.NotOwned, $"Role '{server.Role}' does not own it."));
        // No maintenance comes to it any more then, and its rows are in neither table.
        if (open is null)
            reasons.AddRange((await Retirement.UnfinishedAsync(session, server, state.Set.ConfigKey).ConfigureAwait(false)).Select(u => new InvalidDefinition(InvalidDefinitionReason.Unsupported, $"The retirement of '{u.Before}' was interrupted: let a maintenance finish it first.")));
        if (open is not null && open.Target != to)
            reasons.Add(new InvalidDefinition(InvalidDefinitionReason.Target, $"It is being undone into '{QualifiedName.Parse(open.Name)}', which '{target}' is not: go on with that table, or forget the set and adopt what is left of it."));
        if (open is null && reasons.Count == 0)
            reasons.AddRange(await TargetConstraints.RefusingAsync(session, table, state.Oid, target, to).ConfigureAwait(false));
        if (reasons.Count > 0)
            throw new InvalidPartitionDefinitionException(table, reasons, What);
        var shape = await ParentShape.ReadAsync(session, table, state.Oid, null).ConfigureAwait(false);
        return new Look(server, state, shape.Columns, to, open is not null && state.Set.InProgress is not null, open?.Rows ?? 0, open?.Partitions ?? 0);
    }, cancellationToken);

    private PlanUnit Begin(Look look) => new()
    {
        Kind = "begin-undo",
        Reason = $"No maintenance touches '{table}' while its rows go to '{target}'.",
        Statements =
        [
            $"LOCK TABLE ONLY {table.Quoted} IN SHARE UPDATE EXCLUSIVE MODE",
            .. look.Server.HasOwn ? [] : SetConfiguration.Install(look.Server.OwnSchema),
            // Row-level security of the extension's table may hide the row, and then its maintenance would go on.
            "DO " + PgLiteral.Quote($"BEGIN UPDATE {look.Server.ConfigSchema.Quoted}.part_config SET undo_in_progress = true WHERE parent_table = {PgLiteral.Quote(Key)}; "
                + $"IF NOT FOUND THEN RAISE EXCEPTION USING ERRCODE = '{Refusal.Overtaken}', MESSAGE = 'the configuration is gone'; END IF; END"),
            $"INSERT INTO {Operations(look)} (parent_table, child, child_name, kind, phase, detail) SELECT {PgLiteral.Quote(Key)}, {Number(look.Target)}, {PgLiteral.Quote(target.Quoted)}, '{OperationKind.Undo}', 'Moving', "
                + $"pg_catalog.jsonb_build_object('parent', {Number(look.State!.Oid)}, 'rows', 0, 'partitions', 0) WHERE NOT EXISTS (SELECT FROM {Operations(look)} o WHERE {Mine(look)})",
        ],
        Locks = [new SqlPlanLock(table, PgLockMode.ShareUpdateExclusive)],
        Holds = $"SELECT NOT EXISTS ({RowMoves.WhyNotInto(look.State.Oid, 0, look.Target, target)})",
    };

    private PlanUnit Batch(Look look, Partition partition, string place) => Of(look, partition) with
    {
        Kind = "move-rows",
        Reason = $"Rows of '{partition.Name}' go to '{target}', {Number(wish.BatchSize)} at a time, over and over while so many are found.",
        Statements =
        [
            $"LOCK TABLE ONLY {partition.Name.Quoted} IN ROW EXCLUSIVE MODE", $"LOCK TABLE ONLY {target.Quoted} IN ROW EXCLUSIVE MODE", PartmanDatabase.AllRows,
            Move(look, partition, place),
        ],
        Locks = [new SqlPlanLock(partition.Name, PgLockMode.RowExclusive), new SqlPlanLock(target, PgLockMode.RowExclusive)],
    };

    // With its pages gone there is nothing to look through while everybody waits. Where an old snapshot keeps them, it changes nothing.
    private static PlanUnit Swept(Partition partition) => new()
    {
        Kind = "vacuum-emptied",
        Child = partition.Name,
        Reason = $"The emptied pages of '{partition.Name}' are given back, where they are a MiB and more, so that nobody waits for a look through them.",
        Statements = [$"VACUUM (SKIP_LOCKED, INDEX_CLEANUP ON, TRUNCATE ON) {partition.Name.Quoted}"],
        Locks = [new SqlPlanLock(partition.Name, PgLockMode.ShareUpdateExclusive)],
        IsOutside = true,
    };

    private PlanUnit TakenOut(Look look, Partition partition)
    {
        var (state, child) = (look.State!, partition.Name.Quoted);
        var rest = state.Default is { } other && other.Oid != partition.Oid ? other : null;
        return Of(look, partition) with
        {
            Kind = wish.KeepTables ? "detach-emptied" : "drop-emptied",
            Reason = $"'{partition.Name}' is taken out of '{table}', with the rows that came last.",
            Statements =
            [
                .. wish.KeepTables ? PartitionDdl.LockReferences(state, "SHARE ROW EXCLUSIVE") : [], $"LOCK TABLE ONLY {table.Quoted} IN ACCESS EXCLUSIVE MODE",
                .. rest is null ? [] : new[] { $"LOCK TABLE ONLY {rest.Name.Quoted} IN ACCESS EXCLUSIVE MODE" },
                $"LOCK TABLE ONLY {child} IN ACCESS EXCLUSIVE MODE", $"LOCK TABLE ONLY {target.Quoted} IN ROW EXCLUSIVE MODE", PartmanDatabase.AllRows,
                $"SET LOCAL statement_timeout = {PlanUnit.Milliseconds(LongestHold)}", MoveRest(look, partition),
                // Where it stands: a table that was detached has the triggers of its foreign keys on the tables that they refer to, and with it they would be locked against readers.
                wish.KeepTables ? $"ALTER TABLE {table.Quoted} DETACH PARTITION {child}" : $"DROP TABLE {child}",
                $"UPDATE {Operations(look)} AS o SET detail = o.detail || pg_catalog.jsonb_build_object('partitions', (o.detail ->> 'partitions')::pg_catalog.int4 + 1) WHERE {Mine(look)}",
            ],
            Locks =
            [
                new SqlPlanLock(table, PgLockMode.AccessExclusive), new SqlPlanLock(partition.Name, PgLockMode.AccessExclusive), .. rest is null ? [] : new[] { new SqlPlanLock(rest.Name, PgLockMode.AccessExclusive) },
                .. wish.KeepTables ? state.References.Select(r => new SqlPlanLock(r, PgLockMode.ShareRowExclusive)) : [], new SqlPlanLock(target, PgLockMode.RowExclusive),
            ],
        };
    }

    private PlanUnit End(Look look) => new()
    {
        Kind = "end-undo",
        Reason = $"'{table}' has no partitions any more and is no set; the empty table stays.",
        Statements =
        [
            $"LOCK TABLE ONLY {table.Quoted} IN ACCESS EXCLUSIVE MODE",
            Numbers(look), .. Replacement.Forgotten(look.Server, table),
            $"UPDATE {Operations(look)} AS o SET phase = 'Finished', updated_at = pg_catalog.clock_timestamp(), finished_at = pg_catalog.clock_timestamp() WHERE {Mine(look)}",
        ],
        Locks = [new SqlPlanLock(table, PgLockMode.AccessExclusive)],
        Holds = $"SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = {Number(look.State!.Oid)}) AND {IsOpen(look)}",
    };

    // The partition as it was planned, and everything about it and the target still so that rows can move.
    private PlanUnit Of(Look look, Partition partition) => new()
    {
        Kind = "",
        Child = partition.Name,
        ChildOid = partition.Oid,
        Lower = partition.Lower,
        Upper = partition.Upper,
        Reason = "",
        Statements = [],
        Locks = [],
        Holds = $"SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = {Number(look.State!.Oid)} AND i.inhrelid = {Number(partition.Oid)}) AND {IsOpen(look)} "
            + $"AND NOT EXISTS ({RowMoves.WhyNotInto(look.State.Oid, partition.Oid, look.Target, target)}) AND {RowMoves.HasColumns(look.State.Oid, look.Columns)}",
    };

    // A row is counted where it leaves and where it arrives. Behind the places that were looked through nothing is looked for again until the end.
    private string Move(Look look, Partition partition, string place) => "DO " + PgLiteral.Quote(
        $"""
         DECLARE gone pg_catalog.int8; come pg_catalog.int8; last pg_catalog.tid; BEGIN
         WITH {Moving(look, partition, $"ARRAY(SELECT b.ctid FROM ONLY {partition.Name.Quoted} AS b WHERE b.ctid > {PgLiteral.Quote(place)}::pg_catalog.tid LIMIT {Number(wish.BatchSize)})")}
         SELECT (SELECT count(*) FROM moved), (SELECT count(*) FROM put), (SELECT max(m.place) FROM moved AS m) INTO gone, come, last;
         {Counted(look, "last::pg_catalog.text")}
         END
         """);

    // Nobody else is there any more: where fewer are found than looked for, and all of them leave, nothing is left behind. One look, and no second for the proof.
    private string MoveRest(Look look, Partition partition) => "DO " + PgLiteral.Quote(
        $"""
         DECLARE found pg_catalog.int8; gone pg_catalog.int8; come pg_catalog.int8; BEGIN
         WITH found AS MATERIALIZED (SELECT b.ctid AS place FROM ONLY {partition.Name.Quoted} AS b LIMIT {Number(wish.BatchSize + 1)}),
         {Moving(look, partition, "ARRAY(SELECT f.place FROM found AS f)")}
         SELECT (SELECT count(*) FROM found), (SELECT count(*) FROM moved), (SELECT count(*) FROM put) INTO found, gone, come;
         IF found > {Number(wish.BatchSize)} THEN RAISE EXCEPTION USING ERRCODE = '{RowSync.TooEarly}', MESSAGE = 'writers were faster'; END IF;
         IF gone <> found THEN RAISE EXCEPTION USING ERRCODE = '{Refusal.Overtaken}', MESSAGE = {PgLiteral.Quote($"'{partition.Name}' is not empty")}; END IF;
         {Counted(look, "NULL")}
         END
         """);

    private string Moving(Look look, Partition partition, string places)
    {
        var names = look.Columns.Select((_, i) => $"c{Number(i)}").ToList();
        return $"moved (place{string.Concat(names.Select(n => ", " + n))}) AS (DELETE FROM ONLY {partition.Name.Quoted} AS s WHERE s.ctid = ANY ({places}) RETURNING s.ctid{string.Concat(look.Columns.Select(c => ", s." + c))}), "
            + $"put AS (INSERT INTO {target.Quoted} ({string.Join(", ", look.Columns)}) OVERRIDING SYSTEM VALUE SELECT {string.Join(", ", names.Select(n => "m." + n))} FROM moved AS m RETURNING 1)";
    }

    private string Counted(Look look, string place) =>
        $"""
         IF gone <> come THEN RAISE EXCEPTION USING ERRCODE = '{Refusal.Overtaken}', MESSAGE = pg_catalog.format('%s rows left, and %s arrived', gone, come); END IF;
         UPDATE {Operations(look)} AS o SET updated_at = pg_catalog.clock_timestamp(),
             detail = o.detail || pg_catalog.jsonb_build_object('rows', (o.detail ->> 'rows')::pg_catalog.int8 + come, 'place', {place}) WHERE {Mine(look)};
         """;

    // The numbers of an identity or serial column go on where those of the set ended; a descending sequence is left as it is, and one that both draw from.
    private string Numbers(Look look)
    {
        static string Of(string table, string column) =>
            $"COALESCE(pg_catalog.pg_get_serial_sequence({PgLiteral.Quote(table)}, {column}.attname), (SELECT q.oid::pg_catalog.regclass::pg_catalog.text FROM pg_catalog.pg_attrdef e "
            + "JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = e.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass "
            + $"JOIN pg_catalog.pg_class q ON q.oid = d.refobjid AND q.relkind = 'S' WHERE e.adrelid = {column}.attrelid AND e.adnum = {column}.attnum LIMIT 1))";
        return "DO " + PgLiteral.Quote(
            $"""
             DECLARE f pg_catalog.text; t pg_catalog.text; BEGIN
             FOR f, t IN SELECT n.f, n.t FROM (SELECT {Of(table.Quoted, "a")}, {Of(target.Quoted, "b")}
                 FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_attribute b ON b.attrelid = {Number(look.Target)} AND b.attname = a.attname AND b.attnum > 0 AND NOT b.attisdropped
                 WHERE a.attrelid = {Number(look.State!.Oid)} AND a.attnum > 0 AND NOT a.attisdropped) AS n (f, t) WHERE n.f <> n.t LOOP
             EXECUTE pg_catalog.format('SELECT pg_catalog.setval(%L, l.last_value, l.is_called) FROM %s AS l, %s AS m, pg_catalog.pg_sequence AS q WHERE q.seqrelid = %L::pg_catalog.regclass AND q.seqincrement > 0 AND (l.last_value, l.is_called) > (m.last_value, m.is_called)', t, f, t, t);
             END LOOP; END
             """);
    }

    private string IsOpen(Look look) => $"EXISTS (SELECT FROM {Operations(look)} o WHERE {Mine(look)}) AND EXISTS (SELECT FROM {look.Server.ConfigSchema.Quoted}.part_config g WHERE g.parent_table = {PgLiteral.Quote(Key)} AND g.undo_in_progress) "
        + $"AND pg_catalog.to_regclass({PgLiteral.Quote(target.Quoted)})::pg_catalog.oid = {Number(look.Target)}";

    private string Mine(Look look) => $"o.kind = '{OperationKind.Undo}' AND o.parent_table = {PgLiteral.Quote(Key)} AND o.child = {Number(look.Target)} AND (o.detail ->> 'parent')::pg_catalog.int8 = {Number(look.State!.Oid)} AND o.finished_at IS NULL";

    private static string Operations(Look look) => look.Server.OwnSchema.Quoted + ".operation";

    private string What => $"be undone into '{target}'";

    private string Key => $"{table.Schema!.Value.Value}.{table.Name.Value}";

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
