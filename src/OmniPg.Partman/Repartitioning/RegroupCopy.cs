using System.Globalization;
using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>
/// Replaces partitions with rows by others: copied beside readers and writers, whose keys a log takes meanwhile, compared, and exchanged in one short transaction. The
/// rows that are copied are seen through a view, so that partitions that are merged or split look like one table.
/// </summary>
internal sealed class RegroupCopy(
    PartmanDatabase database, PartmanOptions options, TimeProvider time, SetState state, ParentShape shape, LiveTable live, Regroup group, RegroupCopy.Pace pace, IProgress<RepartitionProgress>? progress)
{
    private const int NotesAtOnce = 5000;
    private const int MostNotesAtOnce = 1_000_000;
    private const int MostCollisions = 20;
    private const int ComparedAtOnce = 50_000;
    private const int MostRounds = 100;
    public const string OldEnd = "_omnipg_old";

    /// <summary>How the rows are copied, and what becomes of the former partitions.</summary>
    /// <param name="BatchSize">Rows in a transaction.</param>
    /// <param name="Pause">Pause behind each.</param>
    /// <param name="KeepTables">Whether the former partitions stay as tables.</param>
    internal sealed record Pace(int BatchSize, TimeSpan Pause, bool KeepTables);

    private readonly UnitRunner _runner = new(database, options, time);
    private readonly QualifiedName _copy = RegroupLeftovers.Copy(state.Table);
    private readonly QualifiedName _window = RegroupLeftovers.Window(state.Table);

    private KeyLog Log(IReadOnlyList<string> types) => new(
        RegroupLeftovers.Log(state.Table), [.. live.Key!.Columns.Zip(types, (name, type) => new KeyLog.KeyColumn(PgIdentifier.Create(name!), type))], state.Key.Column, state.Table);

    private RowSync Sync(KeyLog log) => new(_window, _copy, log, live.Columns, live.AllColumns, live.TextColumns, group.Unpacked);

    /// <summary>What a plan says of it: its first and its last transaction, and the copy between them in words.</summary>
    public IReadOnlyList<SqlPlanStep> Steps(PartmanServer server)
    {
        var log = Log([.. live.Key!.Columns.Select(_ => "text")]);
        var copy = new SqlPlanStep
        {
            Kind = "copy-rows",
            Reason = $"{group} are copied into {group.New.Count}.",
            Description = $"copy the rows {pace.BatchSize.ToString(CultureInfo.InvariantCulture)} at a time, then those that were written to meanwhile, and compare both",
            OwnTransaction = true,
        };
        return [Begin(server, log).ToStep(state, options.LockTimeout), .. ProveEmpty().Select(u => u.ToStep(state, options.LockTimeout)), copy, Swap(server, log).ToStep(state, options.LockTimeout)];
    }

    /// <summary>Replaces them; returns how many rows were copied.</summary>
    /// <exception cref="ConversionVerificationException">The copy is not equal; nothing is changed.</exception>
    public async Task<long> RunAsync(CancellationToken working)
    {
        var (server, log) = await database.RunAsync("repartition", async (session, server) => (server, Log(await session.RowsAsync(
            "SELECT pg_catalog.format_type(a.atttypid, -1) FROM unnest($2) WITH ORDINALITY AS k (name, place) JOIN pg_catalog.pg_attribute a ON a.attrelid = $1 AND a.attname = k.name ORDER BY k.place",
            row => row.GetString(0), PgParameter.Of(state.Oid, NpgsqlDbType.Oid), PgParameter.Texts(live.Key!.Columns.Select(c => c!))).ConfigureAwait(false))), working).ConfigureAwait(false);
        await _runner.RunAsync(state, Begin(server, log), working).ConfigureAwait(false);
        try
        {
            foreach (var unit in ProveEmpty())
                await _runner.RunAsync(state, unit, working).ConfigureAwait(false);
            return await CopyAndSwapAsync(server, log, working).ConfigureAwait(false);
        }
        catch
        {
            try
            {
                await new RegroupLeftovers(database, options, time, state.Table).ClearAsync(CancellationToken.None).ConfigureAwait(false);
            }
            catch (Exception error) when (error is PartmanException or Npgsql.NpgsqlException)
            {
                // The failure that brought us here is the one to tell; the next run begins with this.
            }
            throw;
        }
    }

    private async Task<long> CopyAndSwapAsync(PartmanServer server, KeyLog log, CancellationToken working)
    {
        var sync = Sync(log);
        for (var round = 0; round < MostRounds; round++)
        {
            if (await CopyAsync(sync, working).ConfigureAwait(false) is not { } rows || !await CompareAsync(sync, working).ConfigureAwait(false))
                continue;
            for (; round < MostRounds && await CatchUpAsync(sync, RowSync.NotesUnderLock / 2, null, isWhole: true, working).ConfigureAwait(false); round++)
            {
                try
                {
                    Tell(ConversionStep.Swap, rows);
                    await _runner.RunAsync(state, Swap(server, log), working).ConfigureAwait(false);
                    return rows;
                }
                catch (PartmanServerException error) when (error.SqlState == RowSync.TooEarly)
                {
                    // Writers were faster than that.
                }
            }
        }
        throw new PartmanConversionException(state.Table, $"Writers of '{state.Table}' were faster than the copy of {group} in {MostRounds} rounds.", "Run it again when less is written.");
    }

    // Null where a TRUNCATE came in between, and the copy begins anew.
    private async Task<long?> CopyAsync(RowSync sync, CancellationToken working)
    {
        var (rows, collisions) = (0L, 0);
        await InSessionAsync("copy", session => session.ExecuteAsync(sync.Empty), working).ConfigureAwait(false);
        for (string[]? after = null; ;)
        {
            string[]? end;
            try
            {
                (end, var copied) = await InSessionAsync("copy", async session =>
                {
                    var end = await sync.EndOfSliceAsync(session.Unlimited, after, pace.BatchSize).ConfigureAwait(false);
                    return (end, await sync.CopyAsync(session.Unlimited, after, end).ConfigureAwait(false));
                }, working).ConfigureAwait(false);
                (rows, collisions) = (rows + copied, 0);
            }
            catch (PartmanServerException error) when (error.SqlState == Npgsql.PostgresErrorCodes.UniqueViolation && ++collisions < MostCollisions)
            {
                // A row has taken the unique value of another, whose change is still in the log.
                if (!await CatchUpAsync(sync, 0, after, isWhole: false, working).ConfigureAwait(false))
                    return null;
                continue;
            }
            Tell(ConversionStep.Copy, rows);
            if (!await CatchUpAsync(sync, end is null ? 0 : NotesAtOnce, end, end is null, working).ConfigureAwait(false))
                return null;
            if (end is null)
                break;
            after = end;
            if (pace.Pause > TimeSpan.Zero)
                await Task.Delay(pace.Pause, time, working).ConfigureAwait(false);
        }
        await database.RunEachAsync("analyze", async (session, _) => await session.Unlimited.ExecuteTextAsync($"ANALYZE {_copy.Quoted}").ConfigureAwait(false), working).ConfigureAwait(false);
        return rows;
    }

    // Applies notes until no more than some are left. False where a TRUNCATE was among them: the copy is empty then.
    private async Task<bool> CatchUpAsync(RowSync sync, int left, string[]? copied, bool isWhole, CancellationToken working)
    {
        for (var (most, applied) = (NotesAtOnce, 0L); ;)
        {
            try
            {
                var (notes, isTruncated) = await InSessionAsync("catch up", async session =>
                {
                    var (ids, isTruncated) = await sync.NotesAsync(session, most).ConfigureAwait(false);
                    if (ids.Length <= left && ids.Length < most && !isTruncated)
                        return (0, false);
                    if (isTruncated)
                        await session.ExecuteAsync(sync.Empty).ConfigureAwait(false);
                    await sync.ApplyAsync(session.Unlimited, ids, new RowSync.Copied(isTruncated ? null : copied, [], isWhole && !isTruncated)).ConfigureAwait(false);
                    return (ids.Length, isTruncated);
                }, working).ConfigureAwait(false);
                if (isTruncated)
                    return false;
                if (notes == 0)
                    return true;
                Tell(ConversionStep.CatchUp, applied += notes);
                if (left == 0 && notes < most)
                    return true;
                most = NotesAtOnce;
            }
            catch (PartmanServerException error) when (error.SqlState == Npgsql.PostgresErrorCodes.UniqueViolation && most < MostNotesAtOnce)
            {
                // The row that gave the unique value away is named by a later note.
                most *= 2;
            }
        }
    }

    private async Task<bool> CompareAsync(RowSync sync, CancellationToken working)
    {
        var rows = 0L;
        for (string[]? after = null; ;)
        {
            var (compared, end) = await InSessionAsync("compare", async session =>
            {
                var end = await sync.EndOfSliceAsync(session.Unlimited, after, ComparedAtOnce).ConfigureAwait(false);
                return (await sync.CompareAsync(session.Unlimited, after, end).ConfigureAwait(false), end);
            }, working).ConfigureAwait(false);
            if (compared is null)
                return false;
            if (compared.Rows != compared.Copied || !compared.IsSame)
                throw new ConversionVerificationException(state.Table, $"of {group} the copy has {compared.Copied} rows for {compared.Rows}{(compared.Rows == compared.Copied ? ", with other content" : "")}.", isForward: true);
            Tell(ConversionStep.Verify, rows += compared.Rows);
            if (end is null)
                return true;
            after = end;
        }
    }

    private PlanUnit Begin(PartmanServer server, KeyLog log)
    {
        var key = state.Key;
        return new PlanUnit
        {
            Kind = "log-keys",
            Child = _copy,
            Reason = $"From now on every writer of {group} of '{state.Table}' notes the keys of his rows in '{log.Table}'; the copy is made beside.{group.Told}",
            Statements =
            [
                $"LOCK TABLE ONLY {state.Table.Quoted} IN SHARE UPDATE EXCLUSIVE MODE", .. group.Former.Select(f => $"LOCK TABLE ONLY {f.Name.Quoted} IN SHARE ROW EXCLUSIVE MODE"),
                .. server.HasOwn ? [] : SetConfiguration.Install(server.OwnSchema),
                $"CREATE VIEW {_window.Quoted} AS SELECT {string.Join(", ", live.AllColumns)} FROM {state.Table.Quoted} WHERE {PartitionDdl.Within(key, group.Lower, group.Upper)}",
                .. shape.DefaultGrantees.SelectMany(g => new[] { $"REVOKE ALL ON {_window.Quoted} FROM {g} CASCADE" }),
                $"CREATE TABLE {_copy.Quoted} (LIKE {state.Table.Quoted} INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING INDEXES) PARTITION BY RANGE ({key.Column.Quoted})",
                .. shape.DefaultGrantees.Select(g => $"REVOKE ALL ON {_copy.Quoted} FROM {g} CASCADE"),
                .. group.New.SelectMany((range, i) => Made(range, i)),
                .. log.Create(live, shape.DefaultGrantees), .. group.Former.SelectMany(f => log.Watch(f.Name)), RegroupLeftovers.Note(server, state, group),
            ],
            Locks = [.. group.Former.Select(f => new SqlPlanLock(f.Name, PgLockMode.ShareRowExclusive)), new SqlPlanLock(state.Table, PgLockMode.ShareUpdateExclusive)],
            // The view keeps every column as it is from here on; one that comes is missed by the swap.
            Holds = $"{group.AreStill(state)} AND {RowMoves.HasColumns(state.Oid, live.Columns)}",
        };
    }

    // Under another name until the former partitions are gone; the check spares the attach its scan.
    private IEnumerable<string> Made(NewRange range, int i)
    {
        var name = Beside(i);
        return
        [
            .. group.Settings.Select(s => $"SELECT pg_catalog.set_config({PgLiteral.Quote(s.Setting)}, {PgLiteral.Quote(s.Value)}, true)"),
            .. PartitionDdl.CreateLike(state, shape, name), .. shape.DefaultGrantees.Select(g => $"REVOKE ALL ON {name.Quoted} FROM {g} CASCADE"),
            $"ALTER TABLE {name.Quoted} ADD CONSTRAINT {Check.Quoted} CHECK ({state.Key.Column.Quoted} IS NOT NULL AND {PartitionDdl.Within(state.Key, range.Lower, range.Upper)})",
            .. PartitionDdl.EpochCheck(state.Key, range with { Name = name }), .. group.Give(name, PartitionTrait.Way.Make),
            .. group.Settings.Select(s => $"SET LOCAL {s.Setting} = DEFAULT"), $"ALTER TABLE {_copy.Quoted} ATTACH PARTITION {name.Quoted} {PartitionDdl.ForValues(state, range.Lower, range.Upper)}",
        ];
    }

    // Rows of these ranges go to partitions, so that nobody is refused meanwhile; of a small default the attach may look through the rows itself.
    private IReadOnlyList<PlanUnit> ProveEmpty() => Reserved ? PartitionDdl.ProveEmpty(state, [.. group.New.Select(n => (PartitionDdl.CheckName(n), n))]) : [];

    private bool Reserved => state.Default is { } rest && options.SafeAttachBytes >= 0 && rest.TableBytes >= options.SafeAttachBytes;

    private PlanUnit Swap(PartmanServer server, KeyLog log)
    {
        var (parent, rest, former) = (state.Table.Quoted, state.Default?.Name, group.Former);
        return new PlanUnit
        {
            Kind = "swap-partitions",
            Child = _copy,
            Reason = $"{group.New.Count} partitions take the place of {group}, with what was written last; {(pace.KeepTables ? "the former ones stay as tables" : "the former ones are dropped")}.",
            Statements =
            [
                $"LOCK TABLE ONLY {parent} IN ACCESS EXCLUSIVE MODE", .. rest is { } fallback ? new[] { $"LOCK TABLE ONLY {fallback.Quoted} IN ACCESS EXCLUSIVE MODE" } : [],
                .. former.Select(f => $"LOCK TABLE ONLY {f.Name.Quoted} IN ACCESS EXCLUSIVE MODE"), $"LOCK TABLE {_copy.Quoted} IN ACCESS EXCLUSIVE MODE",
                .. PartmanDatabase.ReadableText.Split("; "), PartmanDatabase.AllRows, group.Unchanged(state, shape), Watched(former), .. Sync(log).Finish(),
                $"DROP VIEW {_window.Quoted}", .. former.SelectMany(f => KeyLog.Unwatch(f.Name)), .. log.Drop(),
                .. former.SelectMany(f => (string[])
                [
                    $"ALTER TABLE {parent} DETACH PARTITION {f.Name.Quoted}",
                    pace.KeepTables ? $"ALTER TABLE {f.Name.Quoted} RENAME TO {PartitionName.Fit(f.Name.Name.Value, OldEnd).Quoted}" : $"DROP TABLE {f.Name.Quoted}",
                ]),
                .. group.New.SelectMany((range, i) => (string[])
                [
                    $"ALTER TABLE {_copy.Quoted} DETACH PARTITION {Beside(i).Quoted}", $"ALTER TABLE {Beside(i).Quoted} RENAME TO {range.Name.Name.Quoted}",
                    $"ALTER TABLE {parent} ATTACH PARTITION {range.Name.Quoted} {PartitionDdl.ForValues(state, range.Lower, range.Upper)}", $"ALTER TABLE {range.Name.Quoted} DROP CONSTRAINT {Check.Quoted}", Named(Beside(i), range.Name),
                    .. Reserved ? new[] { $"ALTER TABLE ONLY {rest!.Value.Quoted} DROP CONSTRAINT {PartitionDdl.CheckName(range).Quoted}" } : [], .. PartitionDdl.After(state, shape, range.Name), .. group.Give(range.Name, PartitionTrait.Way.Give),
                ]),
                $"DROP TABLE {_copy.Quoted}", RegroupLeftovers.Done(server, state),
            ],
            Locks =
            [
                new SqlPlanLock(state.Table, PgLockMode.AccessExclusive), .. former.Select(f => new SqlPlanLock(f.Name, PgLockMode.AccessExclusive)),
                .. rest is { } other ? new[] { new SqlPlanLock(other, PgLockMode.AccessExclusive) } : [],
            ],
            Holds = $"{group.AreStill(state)} AND {RegroupLeftovers.IsOpen(server, state)} AND {RowMoves.HasColumns(state.Oid, live.Columns)}",
        };
    }

    // Whoever turns triggers off and on again leaves them in another state, and what was written then is not known.
    private static string Watched(IReadOnlyList<Partition> former) => "DO " + PgLiteral.Quote(
        $"BEGIN IF EXISTS (SELECT FROM unnest(ARRAY[{string.Join(", ", former.Select(f => f.Oid.ToString(CultureInfo.InvariantCulture)))}]::pg_catalog.oid[]) AS p (oid), unnest(ARRAY[{string.Join(", ", ConversionNames.LogTriggers.Select(PgLiteral.Quote))}]) AS t (name) "
        + "WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = p.oid AND g.tgname = t.name AND g.tgenabled = 'A')) THEN "
        + $"RAISE EXCEPTION USING ERRCODE = '{Refusal.Different}', MESSAGE = 'the triggers that log keys were turned off meanwhile, and what was written then is not known'; END IF; END");

    // Indexes were named after the table that the copy was; where the other name is taken, or too long, they stay so.
    private static string Named(QualifiedName copy, QualifiedName partition) => "DO " + PgLiteral.Quote(
        "DECLARE i pg_catalog.text; n pg_catalog.text; BEGIN FOR i, n IN SELECT pg_catalog.format('%I.%I', m.nspname, x.relname), "
        + $"{PgLiteral.Quote(partition.Name.Value)} || pg_catalog.substr(x.relname::pg_catalog.text, {(copy.Name.Value.EnumerateRunes().Count() + 1).ToString(CultureInfo.InvariantCulture)}) FROM pg_catalog.pg_index g JOIN pg_catalog.pg_class x ON x.oid = g.indexrelid "
        + $"JOIN pg_catalog.pg_namespace m ON m.oid = x.relnamespace WHERE g.indrelid = {PgLiteral.Quote(partition.Quoted)}::pg_catalog.regclass AND pg_catalog.starts_with(x.relname::pg_catalog.text, {PgLiteral.Quote(copy.Name.Value)}) LOOP "
        + $"IF pg_catalog.octet_length(n) < 64 AND pg_catalog.to_regclass(pg_catalog.format('%I.%I', {PgLiteral.Quote(partition.Schema!.Value.Value)}, n)) IS NULL THEN EXECUTE pg_catalog.format('ALTER INDEX %s RENAME TO %I', i, n); END IF; END LOOP; END");

    private static PgIdentifier Check { get; } = PgIdentifier.Create("omnipg_group_check");

    private QualifiedName Beside(int i) => ConversionState.Beside(state.Table, "_omnipg_group_" + i.ToString(CultureInfo.InvariantCulture));

    private void Tell(ConversionStep step, long rows) => progress?.Report(new RepartitionProgress(group.Lower, group.Upper, step, rows));

    private Task<T> InSessionAsync<T>(string operation, Func<PgSession, Task<T>> work, CancellationToken cancellationToken) => database.RunAsync(operation, async (session, _) =>
    {
        await session.ExecuteAsync(PartmanDatabase.ReadableText).ConfigureAwait(false);
        await session.ExecuteAsync(PartmanDatabase.AllRows).ConfigureAwait(false);
        return await work(session).ConfigureAwait(false);
    }, cancellationToken);
}
