using Microsoft.Extensions.Logging;

namespace OmniPg.Partman;

/// <summary>
/// The ways that make the table itself a partition of the set that takes its name: the first one, or the default one, which is drained then. What has to be
/// proved for that is proved beside readers and writers. Each step asks the catalog first whether it is done.
/// </summary>
internal sealed class InPlace(ConversionTables tables, PartmanDatabase database, PartmanOptions options, ILogger logger, TimeProvider time)
{
    private const int ConnectionsOfProof = 3;
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);
    private readonly UnitRunner _runner = new(database, options, time);

    private static QualifiedName CheckedName(ConversionState state) => new(state.Table.Schema, Replacement.Named(state.Table.Name.Value, ConversionNames.KeyEnd));

    /// <summary>What is still to be run until the table is a partition, as far as it is known before it begins.</summary>
    /// <param name="server">The database.</param>
    /// <param name="pair">Both tables.</param>
    /// <param name="shape">What the table is beyond its columns.</param>
    /// <param name="lockTimeout">Longest wait for a lock.</param>
    /// <param name="quiet">Keeps autovacuum from the tables while rows move; null where it goes on.</param>
    public static IEnumerable<SqlPlanStep> Steps(PartmanServer server, ConversionTables.Pair pair, ParentShape shape, TimeSpan lockTimeout, AutovacuumPause? quiet)
    {
        if (KeyStatement(pair) is { } key)
        {
            yield return new SqlPlanStep
            {
                Kind = "build-key",
                Reason = $"The primary key of '{pair.State.Table}' gets '{pair.State.Detail.Control}' as its last column; readers and writers go on.",
                Sql = key,
                OwnTransaction = true,
                Locks = [new SqlPlanLock(pair.State.Table, PgLockMode.ShareUpdateExclusive)],
            };
        }
        if (Cut(pair) is { } cut)
        {
            foreach (var unit in new[] { Bound(server, pair, cut), Proof(server, pair, cut) })
                yield return unit.ToStep(pair.On(pair.Plain), lockTimeout);
        }
        yield return Exchange(server, pair, shape).ToStep(pair.On(pair.Plain), lockTimeout);
        if (pair.State.Detail.Strategy == ConversionStrategy.DrainDefault)
        {
            var drain = new SqlPlanStep
            {
                Kind = "drain-default",
                Reason = $"The rows of '{pair.State.Table}' leave its default partition, range by range, each under an exclusive lock.",
                Description = "one transaction for each new partition, the oldest rows first",
                Locks = [new SqlPlanLock(pair.State.Table, PgLockMode.AccessExclusive)],
            };
            foreach (var step in quiet?.Around([drain], $"the default partition of '{pair.State.Table}'") ?? [drain])
                yield return step;
        }
    }

    /// <exception cref="PartmanConversionException">The pool has no room for a proof that is looked after.</exception>
    public void RequireConnections(QualifiedName table)
    {
        if (database.PoolSize < ConnectionsOfProof)
        {
            throw new PartmanConversionException(
                table, $"'{table}' cannot be proved to end by a pool of {database.PoolSize} connections: one holds the lock, one proves, and one looks how near writers are.", $"Set 'Maximum Pool Size' of the data source to {ConnectionsOfProof} or more.");
        }
    }

    public async Task ToSwapAsync(ConversionTables.Pair pair, IProgress<ConversionProgress>? progress, CancellationToken working)
    {
        var state = pair.State;
        if (Cut(pair) is not null)
            RequireConnections(state.Table);
        await KeyAsync(pair, working).ConfigureAwait(false);
        progress?.Report(new ConversionProgress(state.Id, ConversionStep.Verify, 0, state.Detail.EstimatedRows));
        // The clock, and the newest rows, went on while the index was built.
        if (await tables.LoadAsync(state.Id, working).ConfigureAwait(false) is { } keyed && Cut(keyed) is { } cut)
            await ProveAsync(keyed, cut, working).ConfigureAwait(false);
        progress?.Report(new ConversionProgress(state.Id, ConversionStep.Swap, 0, state.Detail.EstimatedRows));
        var now = (await tables.LoadAsync(state.Id, working).ConfigureAwait(false))!;
        if (now.Plain.Digest != state.Detail.Digest)
            throw new StalePlanException(state.Table, "swap", $"another one: '{state.Table}' was altered since the conversion began, in its columns, indexes, triggers or rights, or in what depends on it; abort it and begin anew");
        var shape = await tables.InSessionAsync("swap", (session, _) => ParentShape.ReadAsync(session, now.Plain.Name, now.Plain.Oid, null), working).ConfigureAwait(false);
        await tables.RunAsync(now.On(now.Plain), server => Exchange(server, now, shape), working).ConfigureAwait(false);
    }

    /// <summary>Moves the rows of the former table, the default partition by now, into partitions of their own.</summary>
    public async Task DrainAsync(long id, IProgress<ConversionProgress>? progress, CancellationToken working)
    {
        for (var attempt = 1; ; attempt++)
        {
            await DrainRangesAsync(id, progress, working).ConfigureAwait(false);
            try
            {
                await MakeAheadAsync(id, working).ConfigureAwait(false);
                break;
            }
            catch (DefaultPartitionConflictException) when (attempt < options.LockAttempts)
            {
                // A writer was there first, and his rows are drained as well.
            }
        }
        var last = (await tables.LoadAsync(id, working).ConfigureAwait(false))!;
        await tables.InSessionAsync("drain", (session, server) => session.ExecuteAsync(last.State.Move(server, ConversionPhase.Finished)), working).ConfigureAwait(false);
    }

    // A set whose conversion is done lacks nothing that a new one has; until here its ranges were those of its rows.
    private async Task MakeAheadAsync(long id, CancellationToken working)
    {
        var state = (await tables.LoadAsync(id, working).ConfigureAwait(false))!.Set;
        var plan = await tables.InSessionAsync("drain", async (session, server) =>
        {
            if (state.Set.Basis == PremakeBasis.NewestRow || !state.Key.IsTime)
                state = state with { Newest = await SetReader.NewestAsync(session, state).ConfigureAwait(false) };
            var missing = RangePlanner.Current(state, []) is { } now ? await NewRanges.MissingAsync(session, state, now, options.MaxPartitionsPerRun).ConfigureAwait(false) : [];
            return await RangePlanner.OfAsync(session, server, options, state, missing).ConfigureAwait(false);
        }, working).ConfigureAwait(false);
        await RangePlanner.MakeAsync(database, _runner, plan, _ => { }, working).ConfigureAwait(false);
        if (plan.Error is DefaultPartitionConflictException conflict)
            throw conflict;
        // No row is moved by that any more, and resuming would not help: the set is whole, and its maintenance tells of it.
        if (plan.Error is { } left)
            PartmanLog.AheadLeft(logger, state.Table.ToString(), left);
    }

    private async Task DrainRangesAsync(long id, IProgress<ConversionProgress>? progress, CancellationToken working)
    {
        for (var drained = 1L; ; drained++)
        {
            var pair = (await tables.LoadAsync(id, working).ConfigureAwait(false))!;
            var unit = await tables.InSessionAsync("drain", (session, server) => DefaultDrain.LowestAsync(session, server, pair.Set, options.MaxPartitionsPerRun), working).ConfigureAwait(false);
            if (unit is null)
                return;
            await _runner.RunAsync(pair.Set, unit, working).ConfigureAwait(false);
            progress?.Report(new ConversionProgress(id, ConversionStep.Drain, drained, pair.State.Detail.EstimatedRows));
            if (pair.State.Detail.Pause > TimeSpan.Zero)
                await Task.Delay(pair.State.Detail.Pause, time, working).ConfigureAwait(false);
        }
    }

    /// <summary>Statements that leave nothing of it on the table.</summary>
    public static IEnumerable<string> Undone(ConversionTables.Half pair)
    {
        yield return $"ALTER TABLE ONLY {pair.Plain.Name.Quoted} DROP CONSTRAINT IF EXISTS {ConversionNames.Check}";
        if (pair.Plain.Indexes.Any(i => i.Name == CheckedName(pair.State).Name.Value))
            yield return $"DROP INDEX {CheckedName(pair.State).Quoted}";
    }

    /// <summary>Takes the check away before it refuses every new row; the proof has to begin anew.</summary>
    public Task LetGoAsync(ConversionTables.Half half, CancellationToken working) => tables.RunAsync(half.Alone, server => new PlanUnit
    {
        Kind = "let-go",
        Reason = $"'{half.State.Table}' takes rows at or behind its end again.",
        Statements = [$"LOCK TABLE ONLY {half.Plain.Name.Quoted} IN ACCESS EXCLUSIVE MODE", $"ALTER TABLE ONLY {half.Plain.Name.Quoted} DROP CONSTRAINT IF EXISTS {ConversionNames.Check}"],
        Locks = [new SqlPlanLock(half.Plain.Name, PgLockMode.AccessExclusive)],
        Holds = half.State.IsStill(server),
    }, working);

    /// <summary>Whether the ids of a table have come so near to its end that it must not be bounded any more.</summary>
    public async Task<bool> IsLateAsync(ConversionTables.Half half, CancellationToken cancellationToken) =>
        await NewestAsync(half, cancellationToken).ConfigureAwait(false) is { } newest && newest >= LastId(half);

    private static long LastId(ConversionTables.Half half)
    {
        var (begun, cut) = (half.State.Detail.Begun!.Value, half.Alone.Key.Read(new BoundText.Value(half.State.Detail.Cut!)).Id!.Value);
        return begun + (long)(((Int128)cut - begun) * (int)(ConversionDefinition.Patience * 100) / 100);
    }

    private Task<long?> NewestAsync(ConversionTables.Half half, CancellationToken cancellationToken) => tables.InSessionAsync("look", async (session, _) =>
    {
        var column = half.Alone.Key.Column.Quoted;
        return await session.Unlimited.ScalarAsync($"SELECT s.{column}::text FROM {half.Plain.Name.Quoted} AS s WHERE s.{column} IS NOT NULL ORDER BY s.{column} DESC LIMIT 1").ConfigureAwait(false) is string text
            ? SetReader.KeyOf(half.Alone, text).Id : null;
    }, cancellationToken);

    // Where the former table ends, and the partitions made beside it begin.
    private static PartitionBound? Cut(ConversionTables.Pair pair) =>
        pair.State.Detail.Cut is { } text ? pair.Set.Key.Read(new BoundText.Value(text)) : null;

    private static string? KeyStatement(ConversionTables.Pair pair)
    {
        var detail = pair.State.Detail;
        return detail.KeyColumns.Contains(detail.Control) ? null
            : $"CREATE UNIQUE INDEX CONCURRENTLY {CheckedName(pair.State).Name.Quoted} ON ONLY {pair.Plain.Name.Quoted} ({string.Join(", ", detail.KeyColumns.Append(detail.Control).Select(c => PgIdentifier.Create(c).Quoted))})";
    }

    private async Task KeyAsync(ConversionTables.Pair pair, CancellationToken working)
    {
        if (KeyStatement(pair) is not { } create)
            return;
        var name = CheckedName(pair.State);
        var now = pair.Plain.Indexes.FirstOrDefault(i => i.Name == name.Name.Value);
        if (now is { IsValid: true })
            return;
        foreach (var statement in now is null ? [create] : new[] { $"DROP INDEX CONCURRENTLY {name.Quoted}", create })
            await database.RunEachAsync("build key", async (session, _) => await session.Unlimited.ExecuteTextAsync(statement).ConfigureAwait(false), working).ConfigureAwait(false);
        // By its name, outside of any transaction: whether it was still this table says the next look.
        if (await tables.LoadAsync(pair.State.Id, working).ConfigureAwait(false) is not { } after || !after.Plain.Indexes.Any(i => i.IsValid && i.Name == name.Name.Value))
            throw new StalePlanException(pair.State.Table, "build-key", $"another one: '{name}' is no index of '{pair.State.Table}'");
    }

    private async Task ProveAsync(ConversionTables.Pair pair, PartitionBound cut, CancellationToken working)
    {
        if (pair.Set.Key.IsTime && pair.Set.Clock >= cut)
        {
            await LetGoAsync(pair, working).ConfigureAwait(false);
            throw new PartmanConversionException(pair.State.Table, $"Conversion '{pair.State.Id}' of '{pair.State.Table}' was to be done before '{cut}', and it is '{pair.Set.Clock}'.", "Abort it and begin anew; a larger SafetyWindow leaves more time.");
        }
        var isProved = await tables.InSessionAsync("prove", (session, _) => session.ScalarAsync(
            "SELECT k.convalidated FROM pg_catalog.pg_constraint k WHERE k.conrelid = $1 AND k.conname = $2", PgParameter.Of(pair.Plain.Oid, NpgsqlTypes.NpgsqlDbType.Oid), PgParameter.Text(ConversionNames.Check)), working).ConfigureAwait(false) as bool?;
        var behind = new PartmanConversionException(pair.State.Table, $"'{pair.State.Table}' holds rows at or behind '{cut}', where it is to end.", "Move or delete them and resume, or abort the conversion and begin it with a larger SafetyWindow.");
        if (isProved is null)
        {
            // Writers have come there already: they would be refused for nothing until the proof has found that out.
            if (await tables.InSessionAsync("prove", (session, _) => session.Unlimited.ScalarAsync(
                $"SELECT EXISTS (SELECT FROM {pair.Plain.Name.Quoted} AS s WHERE s.{pair.Set.Key.Column.Quoted} >= {pair.Set.Key.Literal(cut)}::{pair.Set.Key.Type})"), working).ConfigureAwait(false) is true)
                throw behind;
            await tables.RunAsync(pair.On(pair.Plain), server => Bound(server, pair, cut), working).ConfigureAwait(false);
        }
        try
        {
            if (isProved is not true)
                await ProveInTimeAsync(pair, cut, working).ConfigureAwait(false);
        }
        catch (PartmanServerException error) when (error.SqlState == Npgsql.PostgresErrorCodes.CheckViolation)
        {
            await LetGoAsync(pair, working).ConfigureAwait(false);
            throw behind;
        }
    }

    // As long as it takes, but not until writers come to where they are refused: half of what is left when somebody resumes behind its deadline.
    private async Task ProveInTimeAsync(ConversionTables.Pair pair, PartitionBound cut, CancellationToken working)
    {
        var isPast = await LimitAsync(pair, cut, working).ConfigureAwait(false);
        using var proving = CancellationTokenSource.CreateLinkedTokenSource(working);
        var proof = tables.RunAsync(pair.On(pair.Plain), server => Proof(server, pair, cut), proving.Token);
        var isLate = false;
        try
        {
            var pause = LookEvery;
            while (!isLate && await Task.WhenAny(proof, Task.Delay(pause, time, working)).ConfigureAwait(false) != proof)
            {
                var began = time.GetTimestamp();
                isLate = await isPast().ConfigureAwait(false);
                // Without an index of its own the newest id is a scan.
                pause = time.GetElapsedTime(began) * 10 is var longer && longer > LookEvery ? longer : LookEvery;
            }
        }
        finally
        {
            if (!proof.IsCompleted)
                await proving.CancelAsync().ConfigureAwait(false);
            await proof.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        if (isLate && !proof.IsCompletedSuccessfully)
        {
            await LetGoAsync(pair, working).ConfigureAwait(false);
            throw new PartmanConversionException(pair.State.Table, $"The proof that '{pair.State.Table}' holds nothing at or behind '{cut}' took until writers were near to that, and was given up; the table takes all rows again.", "Abort the conversion and begin it with a larger safety window, or resume it when less is written.");
        }
        await proof.ConfigureAwait(false);
    }

    private async Task<Func<Task<bool>>> LimitAsync(ConversionTables.Pair pair, PartitionBound cut, CancellationToken working)
    {
        if (pair.State.Detail.Deadline is { } deadline)
        {
            var half = pair.Set.Now + ((cut.Time!.Value - pair.Set.Clock.Time!.Value) / 2);
            var limit = deadline > pair.Set.Now ? deadline : half;
            return async () => await tables.InSessionAsync("look", (session, _) => session.ScalarAsync("SELECT pg_catalog.now() >= $1", PgParameter.Instant(limit)), working).ConfigureAwait(false) is true;
        }
        var newest = await NewestAsync(pair, working).ConfigureAwait(false) ?? pair.State.Detail.Begun ?? 0;
        // A conversion that an older version began has no beginning of that kind.
        var last = pair.State.Detail.Begun is not null ? LastId(pair) : newest;
        var most = last > newest ? last : newest + (long)(((Int128)cut.Id!.Value - newest) / 2);
        return async () => await NewestAsync(pair, working).ConfigureAwait(false) >= most;
    }

    private static PlanUnit Bound(PartmanServer server, ConversionTables.Pair pair, PartitionBound cut) => new()
    {
        Kind = "bound-table",
        Reason = $"'{pair.State.Table}' takes nothing at or behind '{cut}' until it is a partition.",
        Statements =
        [
            $"LOCK TABLE ONLY {pair.Plain.Name.Quoted} IN ACCESS EXCLUSIVE MODE",
            $"ALTER TABLE ONLY {pair.Plain.Name.Quoted} ADD CONSTRAINT {ConversionNames.Check} CHECK ({pair.Set.Key.Column.Quoted} < {pair.Set.Key.Literal(cut)}::{pair.Set.Key.Type}) NOT VALID",
        ],
        Locks = [new SqlPlanLock(pair.Plain.Name, PgLockMode.AccessExclusive)],
        Holds = Still(server, pair),
    };

    private static PlanUnit Proof(PartmanServer server, ConversionTables.Pair pair, PartitionBound cut) => new()
    {
        Kind = "prove-bound",
        Reason = $"One scan beside readers and writers shows that '{pair.State.Table}' holds nothing at or behind '{cut}', and spares the attach its own.",
        Statements = [$"LOCK TABLE ONLY {pair.Plain.Name.Quoted} IN SHARE UPDATE EXCLUSIVE MODE", $"ALTER TABLE ONLY {pair.Plain.Name.Quoted} VALIDATE CONSTRAINT {ConversionNames.Check}"],
        Locks = [new SqlPlanLock(pair.Plain.Name, PgLockMode.ShareUpdateExclusive)],
        Holds = Still(server, pair),
    };

    private static string? Still(PartmanServer server, ConversionTables.Pair pair) => pair.State.Id == 0 ? null : pair.State.IsStill(server);

    /// <summary>The transaction behind which the table is a partition of the set that has its name.</summary>
    private static PlanUnit Exchange(PartmanServer server, ConversionTables.Pair pair, ParentShape shape)
    {
        var (live, parted, table, detail) = (pair.Plain, pair.Parted, pair.State.Table, pair.State.Detail);
        var isLegacy = detail.Strategy == ConversionStrategy.AttachAsLegacy;
        var end = isLegacy ? ConversionNames.LegacyEnd : "_default";
        var former = new QualifiedName(table.Schema, Replacement.Named(table.Name.Value, end));
        var primary = live.Indexes.FirstOrDefault(i => i.IsPrimary && KeyStatement(pair) is not null);
        var cut = Cut(pair);
        return new PlanUnit
        {
            Kind = "swap",
            Child = parted.Name,
            ChildOid = pair.State.Id == 0 ? 0 : parted.Oid,
            Reason = $"'{table}' becomes '{former}', {(cut is { } c ? $"the partition up to '{c}'" : "the default partition")} of a set that takes its name.",
            Statements =
            [
                .. Replacement.Lock(live, parted),
                .. Replacement.Unchanged(live),
                .. Replacement.Sequences(live, parted, ConversionNames.OldEnd),
                // A partition draws no numbers of its own (since 17 the server refuses one that does), and what is its key belongs to the key of the set.
                .. live.Sequences.Where(s => s.IsIdentity).Select(s => $"ALTER TABLE {live.Name.Quoted} ALTER COLUMN {s.Column.Quoted} DROP IDENTITY"),
                .. primary is null ? [] : new[]
                {
                    $"ALTER TABLE {live.Name.Quoted} DROP CONSTRAINT {PgIdentifier.Create(primary.Name).Quoted}",
                    $"ALTER TABLE {live.Name.Quoted} ADD CONSTRAINT {Replacement.Named(primary.Name, end).Quoted} PRIMARY KEY USING INDEX {CheckedName(pair.State).Name.Quoted}",
                },
                .. Replacement.Exchange(live with { ForeignKeys = [] }, parted, (end, ConversionNames.NewEnd), []),
                $"ALTER TABLE {table.Quoted} ATTACH PARTITION {former.Quoted} {(cut is { } upper ? PartitionDdl.ForValues(pair.Set, PartitionBound.MinValue, upper) : "DEFAULT")}",
                .. isLegacy ? new[] { $"ALTER TABLE {former.Quoted} DROP CONSTRAINT {ConversionNames.Check}" } : [],
                // Those of the former table become parts of these, without being checked anew.
                .. live.ForeignKeys.Select(k => $"ALTER TABLE {table.Quoted} ADD CONSTRAINT {k.Name.Quoted} {k.Definition}"),
                .. Replacement.Rights(live, shape),
                .. Replacement.Configuration(server, ConversionState.Beside(table, ConversionNames.NewEnd), table, detail.Automatic),
                pair.State.Move(server, isLegacy ? ConversionPhase.Finished : ConversionPhase.Draining),
            ],
            Locks = [new SqlPlanLock(table, PgLockMode.AccessExclusive), .. live.ForeignKeys.Select(k => new SqlPlanLock(k.Referenced, PgLockMode.ShareRowExclusive))],
            Holds = Still(server, pair),
        };
    }
}
