using Microsoft.Extensions.Logging;
using OmniPg.Jobmon;

namespace OmniPg.Partman;

/// <summary>Makes sets, and partitions that somebody asks for outside of a maintenance.</summary>
internal sealed class SetMaker(PartmanDatabase database, PartmanOptions options, ILogger logger, TimeProvider time, IJobmon? jobmon)
{
    private readonly UnitRunner _runner = new(database, options, time);

    public async Task<SqlPlan> PlanAsync(QualifiedName table, PartitionSetOptions wish, CancellationToken cancellationToken)
    {
        var (state, units, _) = await DefineAsync(table, wish, cancellationToken).ConfigureAwait(false);
        return new SqlPlan(units.Select(u => u.ToStep(state, options.LockTimeout)));
    }

    public async Task<CreateSetResult> CreateAsync(QualifiedName table, PartitionSetOptions wish, CancellationToken cancellationToken)
    {
        var (state, units, skipped) = await DefineAsync(table, wish, cancellationToken).ConfigureAwait(false);
        var log = await RunLog.StartAsync(jobmon, logger, $"PARTMAN SETUP PARENT: {state.Set.ConfigKey}", cancellationToken).ConfigureAwait(false);
        await using (log.ConfigureAwait(false))
        {
            try
            {
                await RunLock.WithBothAsync(database, table, time, async working =>
                {
                    foreach (var unit in units)
                        await _runner.RunAsync(state, unit, working).ConfigureAwait(false);
                    return true;
                }, cancellationToken).ConfigureAwait(false);
            }
            catch (PartmanException error)
            {
                await log.EndAsync(error).ConfigureAwait(false);
                throw;
            }
            await log.EndAsync(null).ConfigureAwait(false);
        }
        database.Forget();
        var created = await SetReader.StateAsync(database, table, withBytes: false, cancellationToken).ConfigureAwait(false);
        PartmanTelemetry.Created.Add(created.Partitions.Count);
        PartmanLog.SetCreated(logger, table.ToString(), created.Partitions.Count);
        return new CreateSetResult(created.Set, [.. created.Partitions, .. created.Default is { } rest ? [rest] : Array.Empty<Partition>()]) { Skipped = skipped };
    }

    public async Task<SqlPlan> PlanSubPartitionsAsync(QualifiedName table, PartitionSetOptions by, bool allowDataLoss, CancellationToken cancellationToken)
    {
        var (state, units) = await SubdividedAsync(table, by, allowDataLoss, cancellationToken).ConfigureAwait(false);
        return new SqlPlan(units.Select(u => u.ToStep(state, options.LockTimeout)));
    }

    public async Task<PartitionSet> SubPartitionAsync(QualifiedName table, PartitionSetOptions by, bool allowDataLoss, CancellationToken working)
    {
        var (state, units) = await SubdividedAsync(table, by, allowDataLoss, working).ConfigureAwait(false);
        foreach (var unit in units)
            await _runner.RunAsync(state, unit, working).ConfigureAwait(false);
        database.Forget();
        return (await SetReader.StateAsync(database, table, withBytes: false, working).ConfigureAwait(false)).Set;
    }

    public async Task<bool> StopSubPartitioningAsync(QualifiedName table, CancellationToken working)
    {
        var set = (await SetReader.StateAsync(database, table, withBytes: false, working).ConfigureAwait(false)).Set;
        return set.SubPartitions is not null && await database.RunAsync("stop sub-partitioning", async (session, server) =>
        {
            foreach (var statement in SetConfiguration.NoSubRows(server, set))
                await session.ExecuteAsync(statement).ConfigureAwait(false);
            return true;
        }, working).ConfigureAwait(false);
    }

    public Task<IReadOnlyList<PartitionChange>> FillGapsAsync(QualifiedName table, CancellationToken working) =>
        MakeAsync(table, "fill gaps", (session, state) => NewRanges.GapsAsync(session, state, options.MaxPartitionsPerRun), null, working);

    public async Task<SqlPlan> PlanPartitionsAsync(QualifiedName table, IReadOnlyList<PartitionBound> values, CancellationToken cancellationToken)
    {
        var plan = await RangesAsync(table, "create partitions", (session, state) => OfAsync(session, state, values), cancellationToken).ConfigureAwait(false);
        return plan.Error is { } error ? throw error : new SqlPlan(plan.Units.Select(u => u.ToStep(plan.State, options.LockTimeout)));
    }

    public Task<IReadOnlyList<PartitionChange>> CreatePartitionsAsync(QualifiedName table, IReadOnlyList<PartitionBound> values, IProgress<PartitionChange>? progress, CancellationToken working) =>
        MakeAsync(table, "create partitions", (session, state) => OfAsync(session, state, values), progress, working);

    private async Task<IReadOnlyList<NewRange>> OfAsync(PgSession session, SetState state, IReadOnlyList<PartitionBound> values)
    {
        var ranges = await NewRanges.OfAsync(session, state, values).ConfigureAwait(false);
        return ranges.Count <= options.MaxPartitionsPerRun ? ranges
            : throw new ArgumentException($"These are {ranges.Count} new partitions, and one call makes {options.MaxPartitionsPerRun} (MaxPartitionsPerRun).", nameof(values));
    }

    /// <summary>Makes the ranges that are wanted; where one cannot be, the others are made and it is told.</summary>
    private async Task<IReadOnlyList<PartitionChange>> MakeAsync(
        QualifiedName table, string operation, Func<PgSession, SetState, Task<IReadOnlyList<NewRange>>> wanted, IProgress<PartitionChange>? progress, CancellationToken working)
    {
        var plan = await RangesAsync(table, operation, wanted, working).ConfigureAwait(false);
        var created = new List<PartitionChange>();
        await RangePlanner.MakeAsync(database, _runner, plan, unit =>
        {
            if (unit.Fate == PartitionFate.Create)
                created.Add(Created(unit, progress));
        }, working).ConfigureAwait(false);
        return plan.Error is { } error ? throw error : created;
    }

    private Task<SetPlan> RangesAsync(QualifiedName table, string operation, Func<PgSession, SetState, Task<IReadOnlyList<NewRange>>> wanted, CancellationToken cancellationToken) =>
        database.RunAsync(operation, async (session, server) =>
        {
            if (server.IsReadOnly)
                throw Refusal.ReadOnly(server);
            var state = (await SetReader.StateAsync(session, server, table).ConfigureAwait(false)).RequireIdle();
            return await RangePlanner.OfAsync(session, server, options, state, await wanted(session, state).ConfigureAwait(false)).ConfigureAwait(false);
        }, cancellationToken);

    public async Task<IReadOnlyList<PartitionChange>> DrainDefaultAsync(QualifiedName table, IProgress<PartitionChange>? progress, CancellationToken working)
    {
        var moved = new List<PartitionChange>();
        while (moved.Count < options.MaxPartitionsPerRun)
        {
            var state = (await SetReader.StateAsync(database, table, withBytes: false, working).ConfigureAwait(false)).RequireIdle();
            var unit = await database.RunAsync("drain", async (session, server) =>
            {
                await session.ExecuteAsync(PartmanDatabase.ReadableText).ConfigureAwait(false);
                return await DefaultDrain.LowestAsync(session, server, state, options.MaxPartitionsPerRun).ConfigureAwait(false);
            }, working).ConfigureAwait(false);
            if (unit is null)
                break;
            await _runner.RunAsync(state, unit, working).ConfigureAwait(false);
            moved.Add(Created(unit, progress));
        }
        return moved;
    }

    private static PartitionChange Created(PlanUnit unit, IProgress<PartitionChange>? progress)
    {
        var change = new PartitionChange(unit.Child!.Value, unit.Lower, unit.Upper, unit.Fate);
        progress?.Report(change);
        PartmanTelemetry.Created.Add(1);
        return change;
    }

    private Task<(SetState State, IReadOnlyList<PlanUnit> Units, IReadOnlyList<PartitionSkipped> Skipped)> DefineAsync(QualifiedName table, PartitionSetOptions wish, CancellationToken cancellationToken) =>
        database.RunAsync("create", async (session, server) =>
        {
            if (server.IsReadOnly)
                throw Refusal.ReadOnly(server);
            await session.ExecuteAsync(PartmanDatabase.ReadableText).ConfigureAwait(false);
            return await SetDefinition.PlanAsync(session, server, table, wish, database.Archive?.Id).ConfigureAwait(false);
        }, cancellationToken);

    private Task<(SetState State, IReadOnlyList<PlanUnit> Units)> SubdividedAsync(QualifiedName table, PartitionSetOptions by, bool allowDataLoss, CancellationToken cancellationToken) =>
        database.RunAsync("sub-partition", async (session, server) =>
        {
            if (server.IsReadOnly)
                throw Refusal.ReadOnly(server);
            await session.ExecuteAsync(PartmanDatabase.ReadableText).ConfigureAwait(false);
            var found = await SetReader.ConfiguredAsync(session, server, table).ConfigureAwait(false) is [var one, ..] ? one : throw Refusal.NotFound(table, server);
            if (found.Error is { } error)
                throw error;
            var state = (await SetReader.StatesAsync(session, [found]).ConfigureAwait(false))[0].RequireIdle();
            return await Subdivision.PlanAsync(session, server, found, state, by, database.Archive?.Id, allowDataLoss, options.MaxPartitionsPerRun).ConfigureAwait(false);
        }, cancellationToken);
}
