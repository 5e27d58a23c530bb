namespace OmniPg.Partman;

/// <summary>What is to be done with one set.</summary>
/// <param name="State">The set as it was looked at.</param>
/// <param name="Units">In order.</param>
/// <param name="Skipped">What is left alone.</param>
/// <param name="Error">What cannot be done; the units are what can.</param>
internal sealed record SetPlan(SetState State, IReadOnlyList<PlanUnit> Units, IReadOnlyList<PartitionSkipped> Skipped, PartmanException? Error);

/// <summary>Makes units of ranges that a set lacks, after a look at their names and at the default partition.</summary>
/// <param name="session">A session in a transaction with readable text.</param>
/// <param name="server">The database.</param>
/// <param name="options">Settings of the client.</param>
/// <param name="drains">Whether rows of these ranges move there from the default partition.</param>
internal sealed class RangePlanner(PgSession session, PartmanServer server, PartmanOptions options, bool drains)
{
    // A row further ahead than this many times what is premade does not tell where the set has got to.
    private const int OutlierFactor = 10;

    private SubPartitioner? _below;

    /// <summary>What keeps a range from becoming a partition, the first of it; null for nothing.</summary>
    public PartmanException? Error { get; private set; }

    /// <exception cref="PartmanPrivilegeException">The set belongs to a role that this one is no member of.</exception>
    public static void RequireOwned(SetState state, PartmanServer server)
    {
        if (!state.IsOwned)
        {
            throw new PartmanPrivilegeException(
                state.Table, $"Role '{server.Role}' does not own '{state.Table}', and only the owner may change its partitions.", [$"ALTER TABLE {state.Table.Quoted} OWNER TO {PgIdentifier.Create(server.Role).Quoted};"]);
        }
    }

    /// <summary>The key that counts as where a set has got to; null when there is nothing to go by.</summary>
    /// <param name="state">The set, with its newest row where it goes by rows.</param>
    /// <param name="skipped">Told what is not gone by, and why.</param>
    public static PartitionBound? Current(SetState state, ICollection<PartitionSkipped> skipped)
    {
        if (state.Set.Basis == PremakeBasis.Clock && state.Key.IsTime)
            return state.Clock;
        if (state.Newest is not { } newest)
        {
            skipped.Add(new PartitionSkipped(SkipReason.NoRows, $"'{state.Table}' has no rows outside of its default partition, which would tell where it has got to."));
            return null;
        }
        if (!state.Key.IsTime)
            return newest;
        var ahead = state.Set.Interval!.Value.Estimate * Math.Min(OutlierFactor * (double)state.Set.Premake, TimeSpan.MaxValue / state.Set.Interval.Value.Estimate / 2);
        if (newest.Time is { } time && time - state.Clock.Time!.Value <= ahead)
            return newest;
        skipped.Add(new PartitionSkipped(SkipReason.Outlier, $"The newest row of '{state.Table}' is of '{newest}', too far ahead of '{state.Clock}' to go by; the clock counts instead."));
        return state.Clock;
    }

    /// <summary>What makes ranges that somebody asks for outside of a maintenance.</summary>
    /// <exception cref="PartmanPrivilegeException">The set belongs to a role that this one is no member of.</exception>
    public static async Task<SetPlan> OfAsync(PgSession session, PartmanServer server, PartmanOptions options, SetState state, IReadOnlyList<NewRange> ranges)
    {
        RequireOwned(state, server);
        var planner = new RangePlanner(session, server, options, drains: false);
        if (!state.Key.IsTime)
            state = state with { Newest = await SetReader.NewestAsync(session, state).ConfigureAwait(false) };
        var units = new List<PlanUnit>();
        if (state.LeftChecks.Count > 0)
            units.Add(PartitionDdl.DropChecks(state, state.LeftChecks));
        if (await planner.BranchesAsync(state).ConfigureAwait(false))
            units.AddRange(await planner.UnitsAsync(state, ranges).ConfigureAwait(false));
        return new SetPlan(state, units, [], planner.Error);
    }

    /// <summary>Executes what was planned for ranges outside of a maintenance. Where one cannot be made, no check is left that would refuse its rows until the next maintenance.</summary>
    /// <param name="database">The database.</param>
    /// <param name="runner">Who executes the units.</param>
    /// <param name="plan">What <see cref="OfAsync"/> said.</param>
    /// <param name="made">Told each unit behind its commit.</param>
    /// <param name="working">Cancels the unit that is at work.</param>
    public static async Task MakeAsync(PartmanDatabase database, UnitRunner runner, SetPlan plan, Action<PlanUnit> made, CancellationToken working)
    {
        try
        {
            foreach (var unit in plan.Units)
            {
                await runner.RunAsync(plan.State, unit, working).ConfigureAwait(false);
                made(unit);
            }
        }
        catch when (plan.Units.Any(u => u.IsPreparation) && !RunLock.IsLost)
        {
            await DropChecksAsync(database, runner.Brief(), plan.State.Table).ConfigureAwait(false);
            throw;
        }
    }

    private static async Task DropChecksAsync(PartmanDatabase database, UnitRunner runner, QualifiedName table)
    {
        try
        {
            var state = await SetReader.StateAsync(database, table, withBytes: false, CancellationToken.None).ConfigureAwait(false);
            if (state.LeftChecks.Count > 0)
                await runner.RunAsync(state, PartitionDdl.DropChecks(state, state.LeftChecks), CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception error) when (error is PartmanException or Npgsql.NpgsqlException)
        {
            // The failure that brought us here is the one to tell.
        }
    }

    /// <summary>Whether new partitions can be made as far as their own partitions go.</summary>
    public async Task<bool> BranchesAsync(SetState state)
    {
        try
        {
            _below = await SubPartitioner.OfAsync(session, server, state, options.MaxPartitionsPerRun).ConfigureAwait(false);
            return true;
        }
        catch (SubPartitionConfigMismatchException error)
        {
            Error ??= error;
            return false;
        }
    }

    /// <summary>The units of new partitions, without those that cannot be: a name that is taken, a range whose rows are in the default partition.</summary>
    public async Task<IReadOnlyList<PlanUnit>> UnitsAsync(SetState state, IReadOnlyList<NewRange> ranges)
    {
        var units = new List<PlanUnit>();
        if (ranges.Count == 0)
            return units;
        var taken = (await session.RowsAsync(
            "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname::text = ANY ($2)",
            row => PgIdentifier.Create(row.GetString(0)), PgParameter.Text(state.Table.Schema!.Value.Value), PgParameter.Texts(ranges.Select(r => r.Name.Name.Value))).ConfigureAwait(false)).ToHashSet();
        var conflicts = await ConflictsAsync(state, ranges).ConfigureAwait(false);
        var shape = await ParentShape.ReadAsync(session, state.Table, state.Oid, state.Set.Template).ConfigureAwait(false);
        var free = new List<NewRange>();
        foreach (var (range, hasRows) in ranges.Zip(conflicts))
        {
            if (taken.Contains(range.Name.Name) || free.Exists(f => f.Name == range.Name))
                Error ??= new PartitionNameCollisionException(state.Table, range.Name, "a relation that is no partition of this range");
            else if (hasRows && !drains)
                Error ??= new DefaultPartitionConflictException(state.Table, range.Name);
            else if (hasRows && await DefaultDrain.WhyNotAsync(session, state).ConfigureAwait(false) is { } why)
                Error ??= why;
            else if (hasRows)
                units.Add(PartitionDdl.Create(state, shape, range, drain: true, branch: await BranchAsync(shape, range).ConfigureAwait(false)));
            else
                free.Add(range);
        }
        var reserved = await ReservableAsync(state).ConfigureAwait(false) is { } from ? free.Where(r => r.Lower > from).Select(r => (PartitionDdl.CheckName(r), r)).ToList() : [];
        if (reserved.Count > 0)
            units.AddRange(PartitionDdl.ProveEmpty(state, reserved));
        foreach (var range in free)
            units.Add(PartitionDdl.Create(state, shape, range, attachCheck: reserved.Exists(x => x.r == range) ? PartitionDdl.CheckName(range) : null, branch: await BranchAsync(shape, range).ConfigureAwait(false)));
        return units;
    }

    private async Task<Branch?> BranchAsync(ParentShape shape, NewRange range) => _below is null ? null : await _below.BranchAsync(shape, range).ConfigureAwait(false);

    private async Task<IReadOnlyList<bool>> ConflictsAsync(SetState state, IReadOnlyList<NewRange> ranges)
    {
        if (state.Default is not { } rest)
            return [.. ranges.Select(_ => false)];
        var probes = ranges.Select(r => $"EXISTS (SELECT FROM ONLY {rest.Name.Quoted} WHERE {PartitionDdl.Within(state.Key, r.Lower, r.Upper)})");
        return (await session.RowAsync($"SELECT ARRAY[{string.Join(", ", probes)}]", row => row.GetFieldValue<bool[]>(0)).ConfigureAwait(false))!;
    }

    /// <summary>From which bound on nobody writes yet, so that a range may be reserved; null when the default partition is too small to be worth it.</summary>
    private async Task<PartitionBound?> ReservableAsync(SetState state)
    {
        if (state.Default is not { } rest || options.SafeAttachBytes < 0 || rest.TableBytes < options.SafeAttachBytes)
            return null;
        if (!state.Key.IsTime)
            return state.Newest?.Id is { } newest && newest <= long.MaxValue - state.Set.IdInterval!.Value ? PartitionBound.Of(newest + state.Set.IdInterval.Value) : null;
        return (await NewRanges.AroundAsync(session, state with { Partitions = [] }, state.Clock).ConfigureAwait(false)).Upper;
    }
}
