using Microsoft.Extensions.Logging;

namespace OmniPg.Partman;

/// <summary>
/// Brings a conversion from phase to phase. Each phase, and each batch within one, is a transaction that notes what it did in the row of the conversion; whoever
/// comes later, after a crash or a pause, goes on from there.
/// </summary>
internal sealed class Converter(PartmanDatabase database, PartmanOptions options, ILogger logger, TimeProvider time)
{
    private readonly UnitRunner _runner = new(database, options, time);
    private readonly ConversionTables _tables = new(database, options, time);

    private InPlace Itself => new(_tables, database, options, logger, time);

    /// <summary>What would be done, as far as it is known before it begins: the copy is not SQL alone.</summary>
    public Task<SqlPlan> PlanAsync(QualifiedName table, ConversionOptions wish, CancellationToken cancellationToken) => _tables.InSessionAsync("plan conversion", async (session, server) =>
    {
        var plan = await ConversionDefinition.PlanAsync(session, server, table, wish, database.Archive?.Id).ConfigureAwait(false);
        var pair = new ConversionTables.Pair(new ConversionState { Id = 0, Table = table, Source = plan.Live.Oid, Phase = wish.Strategy == ConversionStrategy.CopyAndSwap ? ConversionPhase.Copying : ConversionPhase.Created, Detail = plan.Detail, StartedAt = default, UpdatedAt = default },
            plan.Live, plan.Live with { Name = ConversionState.Beside(table, ConversionNames.NewEnd) }, plan.State);
        var quiet = wish.SuspendAutovacuum ? new AutovacuumPause(database, options, logger, time, table) : null;
        if (wish.Strategy != ConversionStrategy.CopyAndSwap)
            return new SqlPlan([plan.First.ToStep(plan.State, options.LockTimeout), .. InPlace.Steps(server, pair, plan.Shape, options.LockTimeout, quiet)]);
        var indexes = CopyIndex.Of(pair).SelectMany(i => new[] { i.Make().ToStep(plan.State, options.LockTimeout), i.ToStep() });
        SqlPlanStep[] copy =
        [
            new SqlPlanStep
            {
                Kind = "copy-rows",
                Reason = $"All rows go to '{pair.Parted.Name}', those that are written to meanwhile once more; behind the indexes both tables are compared.",
                Description = $"batches of {(wish.BatchSize is { } rows ? $"{rows} rows" : "as many rows as take half a second")} by ({string.Join(", ", plan.Detail.KeyColumns)}), each in a transaction with a note of how far it is, some side by side",
                Locks = [new SqlPlanLock(table, PgLockMode.AccessShare)],
            },
            .. indexes,
            CopyRun.Swap(server, pair, plan.Shape, [pair.Parted.Name], isForward: true, null).ToStep(plan.State, options.LockTimeout),
        ];
        return new SqlPlan(
        [
            plan.First.ToStep(plan.State, options.LockTimeout), Watched(server, pair, plan.Shape).ToStep(plan.State, options.LockTimeout),
            .. quiet?.Around(copy, $"'{table}' and the partitions of '{pair.Parted.Name}'") ?? copy,
        ]);
    }, cancellationToken);

    public async Task<Conversion> StartAsync(QualifiedName table, ConversionOptions wish, IProgress<ConversionProgress>? progress, CancellationToken working)
    {
        if (wish.Strategy == ConversionStrategy.AttachAsLegacy)
            Itself.RequireConnections(table);
        var plan = await _tables.InSessionAsync("convert", (session, server) => ConversionDefinition.PlanAsync(session, server, table, wish, database.Archive?.Id), working).ConfigureAwait(false);
        await _runner.RunAsync(plan.State, plan.First, working).ConfigureAwait(false);
        database.Forget();
        var begun = (await _tables.InSessionAsync("convert", (session, server) => ConversionState.OpenOfAsync(session, server, table), working).ConfigureAwait(false))!;
        progress?.Report(new ConversionProgress(begun.Id, ConversionStep.Create, 0, begun.Detail.EstimatedRows));
        return await GoOnAsync(begun.Id, progress, working).ConfigureAwait(false);
    }

    /// <summary>Goes on with a conversion up to the swap and what belongs to it.</summary>
    public async Task<Conversion> GoOnAsync(long id, IProgress<ConversionProgress>? progress, CancellationToken working)
    {
        var quiet = new AutovacuumPause(database, options, logger, time, (await _tables.ToldAsync(id, working).ConfigureAwait(false)).Table);
        return await quiet.AroundAsync(() => PhasesAsync(id, quiet, progress, working), working).ConfigureAwait(false);
    }

    private async Task<Conversion> PhasesAsync(long id, AutovacuumPause quiet, IProgress<ConversionProgress>? progress, CancellationToken working)
    {
        for (var (failures, copied) = (0, 0L); ;)
        {
            try
            {
                var pair = await _tables.LoadAsync(id, working).ConfigureAwait(false);
                // Over a copy of days failures add up that have nothing to do with each other.
                if (pair?.State.Detail.Rows is { } rows && rows != copied)
                    (failures, copied) = (0, rows);
                if (pair?.State is { Detail.SuspendAutovacuum: true, Phase: ConversionPhase.Copying or ConversionPhase.Draining })
                    await quiet.BeginAsync([pair.Plain.Oid, .. pair.Set.Partitions.Select(p => p.Oid), .. pair.Set.Default is { } rest ? [rest.Oid] : Array.Empty<uint>()], working).ConfigureAwait(false);
                switch (pair?.State.Phase)
                {
                    case ConversionPhase.Created when pair.State.Detail.Strategy != ConversionStrategy.CopyAndSwap:
                        await Itself.ToSwapAsync(pair, progress, working).ConfigureAwait(false);
                        break;
                    case ConversionPhase.Draining:
                        await Itself.DrainAsync(id, progress, working).ConfigureAwait(false);
                        break;
                    case ConversionPhase.Created:
                        await WatchAsync(pair, working).ConfigureAwait(false);
                        break;
                    case ConversionPhase.Copying:
                        await new CopyRun(_tables, database, time, pair, progress).ToSwapAsync(isForward: true, working).ConfigureAwait(false);
                        break;
                    case ConversionPhase.Swapped or ConversionPhase.SwappedBack when !pair.State.Detail.IsValidated:
                        await ValidateAsync(pair, working).ConfigureAwait(false);
                        break;
                    default:
                        return await _tables.ToldAsync(id, working).ConfigureAwait(false);
                }
                failures = 0;
            }
            catch (PartmanServerException error) when (error.IsTransient && ++failures < options.LockAttempts)
            {
                // Whether the last transaction was committed says the row of the conversion.
                await Task.Delay(options.MaxBackoff / options.LockAttempts, time, working).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Gives a conversion up that is not swapped: what it made goes, and the table is as before.</summary>
    public async Task<Conversion> AbortAsync(long id, CancellationToken working)
    {
        var told = await _tables.ToldAsync(id, working).ConfigureAwait(false);
        if (told.Phase == ConversionPhase.Aborted)
            return told;
        if (told.Phase is not (ConversionPhase.Created or ConversionPhase.Copying))
            throw Wrong(told, told.Strategy == ConversionStrategy.CopyAndSwap ? "Behind the swap it can be swapped back, or finished." : "The table is a set by now: resume it, or let an undo move the rows into a plain table.");
        await new AutovacuumPause(database, options, logger, time, told.Table).EndAsync(working).ConfigureAwait(false);
        var half = (await _tables.HalfAsync(id, working).ConfigureAwait(false))!;
        // Somebody may have dropped it, and somebody else made another one of its name.
        var (parted, isFree) = await _tables.InSessionAsync("abort", async (session, _) => (
            await LiveTable.ReadAsync(session, half.State.Detail.Copy).ConfigureAwait(false),
            await session.ScalarAsync("SELECT pg_catalog.to_regclass($1) IS NULL", PgParameter.Text(ConversionState.Beside(told.Table, ConversionNames.NewEnd).Quoted)).ConfigureAwait(false) is true), working).ConfigureAwait(false);
        await _tables.RunAsync(half.Alone, server => new PlanUnit
        {
            Kind = "abort-conversion",
            Child = parted?.Name,
            ChildOid = parted?.Oid ?? 0,
            Reason = $"The copy of '{told.Table}' goes.",
            Statements =
            [
                $"LOCK TABLE ONLY {half.Plain.Name.Quoted} IN ACCESS EXCLUSIVE MODE",
                // Until it copies there is no log, and what has its names is somebody else's.
                .. half.State.Phase == ConversionPhase.Copying ? [.. KeyLog.Unwatch(half.Plain.Name), .. half.Log.Drop()] : told.Strategy != ConversionStrategy.CopyAndSwap ? InPlace.Undone(half) : [],
                .. parted is { } copy ? [.. Replacement.Forgotten(server, copy.Name), $"DROP TABLE {copy.Name.Quoted}"] : isFree ? Replacement.Forgotten(server, ConversionState.Beside(told.Table, ConversionNames.NewEnd)) : [],
                half.State.Move(server, ConversionPhase.Aborted),
            ],
            Locks = [new SqlPlanLock(half.Plain.Name, PgLockMode.AccessExclusive)],
            Holds = half.State.IsStill(server),
        }, working).ConfigureAwait(false);
        return await _tables.ToldAsync(id, working).ConfigureAwait(false);
    }

    /// <summary>Makes the former table equal to the set and gives it its name back.</summary>
    public async Task<Conversion> SwapBackAsync(long id, IProgress<ConversionProgress>? progress, CancellationToken working)
    {
        // What the swap left to do comes first.
        var told = await _tables.ToldAsync(id, working).ConfigureAwait(false) is { Phase: ConversionPhase.Swapped or ConversionPhase.SwappedBack } behind
            ? await GoOnAsync(id, progress, working).ConfigureAwait(false) : throw Wrong(await _tables.ToldAsync(id, working).ConfigureAwait(false), "Between its swap and its end it can be swapped back.");
        if (told.Phase == ConversionPhase.SwappedBack)
            return told;
        var pair = (await _tables.LoadAsync(id, working).ConfigureAwait(false))!;
        if (!pair.State.Detail.KeepWayBack)
            throw Wrong(told, "It was begun without KeepWayBack: what was written since the swap is in the set alone.");
        await new CopyRun(_tables, database, time, pair, progress).ToSwapAsync(isForward: false, working).ConfigureAwait(false);
        return await GoOnAsync(id, progress, working).ConfigureAwait(false);
    }

    /// <summary>Drops what stands beside the table: the former one, or the set that it was swapped back from.</summary>
    public async Task<Conversion> FinishAsync(long id, CancellationToken working)
    {
        var told = await _tables.ToldAsync(id, working).ConfigureAwait(false);
        if (told.Phase == ConversionPhase.Finished)
            return told;
        if (told.Phase is not (ConversionPhase.Swapped or ConversionPhase.SwappedBack))
            throw Wrong(told, "Resume it first, or abort it.");
        await GoOnAsync(id, null, working).ConfigureAwait(false);
        var pair = (await _tables.LoadAsync(id, working).ConfigureAwait(false))!;
        var isSwapped = told.Phase == ConversionPhase.Swapped;
        var (live, rest) = isSwapped ? (pair.Parted, pair.Plain) : (pair.Plain, pair.Parted);
        await _tables.RunAsync(pair.On(live), server => new PlanUnit
        {
            Kind = "finish-conversion",
            Child = rest.Name,
            ChildOid = rest.Oid,
            Reason = $"'{rest.Name}' goes.",
            Statements =
            [
                $"LOCK TABLE {live.Name.Quoted} IN ACCESS EXCLUSIVE MODE", .. KeyLog.Unwatch(live.Name), .. pair.Log.Drop(),
                .. isSwapped ? [] : Replacement.Forgotten(server, rest.Name), $"DROP TABLE {rest.Name.Quoted}", pair.State.Move(server, ConversionPhase.Finished),
            ],
            Locks = [new SqlPlanLock(live.Name, PgLockMode.AccessExclusive)],
            DestroysData = true,
            Holds = pair.State.IsStill(server),
        }, working).ConfigureAwait(false);
        return await _tables.ToldAsync(id, working).ConfigureAwait(false);
    }

    /// <summary>Lets tables go whose conversion was left alone while they are bounded, before they come to where they refuse every new row.</summary>
    public async Task LetGoAsync(CancellationToken cancellationToken)
    {
        foreach (var state in await LateAsync(cancellationToken).ConfigureAwait(false))
        {
            try
            {
                await RunLock.WithBothAsync(database, state.Table, time, async working =>
                {
                    if (await _tables.HalfAsync(state.Id, working).ConfigureAwait(false) is { State.Phase: ConversionPhase.Created } half)
                        await Itself.LetGoAsync(half, working).ConfigureAwait(false);
                    return true;
                }, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception error) when (error is PartmanException or Npgsql.NpgsqlException)
            {
                // Somebody is at it, or the next run gets its lock; the check of sets tells of it.
            }
        }
    }

    /// <summary>Conversions that were left alone while their table is bounded, and must not be for much longer.</summary>
    public async Task<IReadOnlyList<ConversionState>> LateAsync(CancellationToken cancellationToken)
    {
        var late = new List<ConversionState>();
        foreach (var state in await _tables.InSessionAsync("look", (session, server) => ConversionState.ListAsync(session, server, ConversionState.MayBeLate), cancellationToken).ConfigureAwait(false))
        {
            try
            {
                if (state.Detail.Begun is null || (await _tables.HalfAsync(state.Id, cancellationToken).ConfigureAwait(false) is { } half && await Itself.IsLateAsync(half, cancellationToken).ConfigureAwait(false)))
                    late.Add(state);
            }
            catch (PartmanConversionException)
            {
                // Its table is gone, and refuses nobody.
            }
        }
        return late;
    }

    /// <inheritdoc cref="ConversionTables.ToldAsync"/>
    public Task<Conversion> ToldAsync(long id, CancellationToken cancellationToken) => _tables.ToldAsync(id, cancellationToken);

    // The rest of the partitions where there are many, and then the writers' notes.
    private async Task WatchAsync(ConversionTables.Pair pair, CancellationToken working)
    {
        var named = pair.Set with { Set = pair.Set.Set with { Table = pair.State.Table } };
        var (shape, units) = await _tables.InSessionAsync("convert", async (session, _) =>
        {
            var shape = await ParentShape.ReadAsync(session, pair.Plain.Name, pair.Plain.Oid, pair.Set.Set.Template).ConfigureAwait(false);
            var column = pair.Set.Key.Column.Quoted;
            var newest = pair.Set.Key.IsTime ? pair.Set.Clock
                : await session.Unlimited.ScalarAsync($"SELECT s.{column}::text FROM {pair.Plain.Name.Quoted} AS s ORDER BY s.{column} DESC LIMIT 1").ConfigureAwait(false) is string text ? SetReader.KeyOf(pair.Set, text) : (PartitionBound?)null;
            var ranges = newest is { } current ? await NewRanges.MissingAsync(session, named, current, options.MaxPartitionsPerRun).ConfigureAwait(false) : [];
            // As those of the first transaction: of the template, or of the table.
            var own = shape with { StorageParameters = shape.StorageParameters.Count > 0 ? shape.StorageParameters : pair.Plain.StorageParameters };
            return (shape, ranges.Select(r => PartitionDdl.Create(pair.Set, own, r)).ToList());
        }, working).ConfigureAwait(false);
        foreach (var unit in units)
            await _runner.RunAsync(pair.Set, unit, working).ConfigureAwait(false);
        if (units.Count < options.MaxPartitionsPerRun)
            await _tables.RunAsync(pair.On(pair.Plain), server => Watched(server, pair, shape), working).ConfigureAwait(false);
    }

    private static PlanUnit Watched(PartmanServer server, ConversionTables.Pair pair, ParentShape shape) => new()
    {
        Kind = "log-keys",
        Reason = $"From now on every writer of '{pair.Plain.Name}' notes the keys of his rows in '{pair.Log.Table}'.",
        Statements =
        [
            $"LOCK TABLE ONLY {pair.Plain.Name.Quoted} IN SHARE ROW EXCLUSIVE MODE", .. pair.Log.Create(pair.Plain, shape.DefaultGrantees), .. pair.Log.Watch(pair.Plain.Name),
            pair.State.Move(server, ConversionPhase.Copying),
        ],
        Locks = [new SqlPlanLock(pair.Plain.Name, PgLockMode.ShareRowExclusive)],
        Holds = pair.State is { Id: not 0 } ? pair.State.IsStill(server) : null,
    };

    // Foreign keys went along unchecked, so that nobody had to wait for a scan. Each carrier is checked beside its writers, then the set takes them over.
    private async Task ValidateAsync(ConversionTables.Pair pair, CancellationToken working)
    {
        var isSet = pair.State.Phase == ConversionPhase.Swapped;
        var live = isSet ? pair.Parted : pair.Plain;
        uint[] all = isSet ? [.. pair.Set.Partitions.Concat(pair.Set.Default is { } rest ? [rest] : []).Select(p => p.Oid)] : [live.Oid];
        var carriers = await _tables.InSessionAsync("validate", (session, _) => session.RowsAsync(
            "SELECT DISTINCT k.conrelid FROM pg_catalog.pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0 AND k.conrelid = ANY ($1) ORDER BY 1", row => row.GetFieldValue<uint>(0),
            PgParameter.Of(all, NpgsqlTypes.NpgsqlDbType.Array | NpgsqlTypes.NpgsqlDbType.Oid)), working).ConfigureAwait(false);
        foreach (var carrier in carriers)
        {
            var table = (await _tables.InSessionAsync("validate", (session, _) => LiveTable.ReadAsync(session, carrier), working).ConfigureAwait(false))!;
            foreach (var key in table.ForeignKeys.Where(k => !k.IsValid))
            {
                await _tables.RunAsync(pair.On(live), _ => new PlanUnit
                {
                    Kind = "validate-foreign-key",
                    Child = table.Name,
                    ChildOid = table.Oid,
                    Reason = $"'{key.Name}' holds for all rows of '{table.Name}'.",
                    Statements = [$"ALTER TABLE {table.Name.Quoted} VALIDATE CONSTRAINT {key.Name.Quoted}"],
                    Locks = [new SqlPlanLock(table.Name, PgLockMode.ShareUpdateExclusive), new SqlPlanLock(key.Referenced, PgLockMode.RowShare)],
                }, working).ConfigureAwait(false);
            }
            foreach (var key in isSet ? table.ForeignKeys.Where(k => live.ForeignKeys.All(l => l.Name != k.Name)) : [])
            {
                live = live with { ForeignKeys = [.. live.ForeignKeys, key] };
            }
        }
        foreach (var key in live.ForeignKeys.Where(k => isSet && pair.Parted.ForeignKeys.All(l => l.Name != k.Name)))
        {
            await _tables.RunAsync(pair.On(live), _ => new PlanUnit
            {
                Kind = "add-foreign-key",
                Reason = $"'{live.Name}' takes '{key.Name}' over from its partitions.",
                Statements =
                [
                    $"LOCK TABLE ONLY {live.Name.Quoted} IN SHARE ROW EXCLUSIVE MODE", $"LOCK TABLE ONLY {key.Referenced.Quoted} IN SHARE ROW EXCLUSIVE MODE",
                    $"ALTER TABLE {live.Name.Quoted} ADD CONSTRAINT {key.Name.Quoted} {key.Definition.Replace(" NOT VALID", "", StringComparison.Ordinal)}",
                ],
                Locks = [new SqlPlanLock(live.Name, PgLockMode.ShareRowExclusive), new SqlPlanLock(key.Referenced, PgLockMode.ShareRowExclusive)],
            }, working).ConfigureAwait(false);
        }
        await _tables.InSessionAsync("validate", (session, server) => session.ExecuteAsync(
            $"UPDATE {server.OwnSchema.Quoted}.operation SET detail = detail || '{{\"isValidated\": true}}' WHERE id = $1", PgParameter.BigInt(pair.State.Id)), working).ConfigureAwait(false);
    }

    private static PartmanConversionException Wrong(Conversion told, string hint) =>
        new(told.Table, $"Conversion '{told.Id}' of '{told.Table}' is '{told.Phase}', which does not allow that.", told.IsOpen ? hint : "It is at its end, and nothing is left of it.");
}
