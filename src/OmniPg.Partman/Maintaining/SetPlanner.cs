namespace OmniPg.Partman;

/// <summary>Decides what a maintenance does with a set: first what an interrupted run left, then new partitions, then expired ones.</summary>
internal sealed class SetPlanner(PgSession session, PartmanServer server, PartmanOptions options, MaintenanceOptions wishes, string? archive)
{
    // A row further ahead than this many times what is premade does not tell where the set has got to.
    private const int OutlierFactor = 10;
    private static readonly TimeSpan AlwaysAllowedJump = TimeSpan.FromDays(7);

    private readonly List<PlanUnit> _units = [];
    private readonly List<PartitionSkipped> _skipped = [];
    private PartmanException? _error;

    // Partitions whose detach a run of this package began; any other is somebody's who may want to keep the table.
    private HashSet<uint> _begun = [];
    private SubPartitioner? _below;

    /// <summary>What is to be done with one set.</summary>
    /// <param name="State">The set as it was looked at.</param>
    /// <param name="Units">In order.</param>
    /// <param name="Skipped">What is left alone.</param>
    /// <param name="Error">What cannot be done; the units are what can.</param>
    internal sealed record Plan(SetState State, IReadOnlyList<PlanUnit> Units, IReadOnlyList<PartitionSkipped> Skipped, PartmanException? Error);

    public static Task<Plan> PlanAsync(
        PgSession session, PartmanServer server, PartmanOptions options, MaintenanceOptions wishes, string? archive, SetState state, IReadOnlyCollection<Retirement.Unfinished> unfinished) =>
        new SetPlanner(session, server, options, wishes, archive).RunAsync(state, unfinished);

    /// <summary>What makes ranges that somebody asks for outside of a maintenance, with the same looks at names and at the default partition.</summary>
    public static async Task<Plan> OfRangesAsync(PgSession session, PartmanServer server, PartmanOptions options, SetState state, IReadOnlyList<NewRange> ranges)
    {
        var planner = new SetPlanner(session, server, options, new MaintenanceOptions(), null);
        if (!state.Key.IsTime)
            state = state with { Newest = await SetReader.NewestAsync(session, state).ConfigureAwait(false) };
        if (state.LeftChecks.Count > 0)
            planner._units.Add(PartitionDdl.DropChecks(state, state.LeftChecks));
        if (await planner.BelowAsync(state).ConfigureAwait(false))
            await planner.AddAsync(state, ranges, await planner.ReservableAsync(state).ConfigureAwait(false)).ConfigureAwait(false);
        return new Plan(state, planner._units, planner._skipped, planner._error);
    }

    /// <summary>Executes what was planned for ranges outside of a maintenance. Where one cannot be made, no check is left that would refuse its rows until the next maintenance.</summary>
    /// <param name="database">The database.</param>
    /// <param name="runner">Who executes the units.</param>
    /// <param name="plan">What <see cref="OfRangesAsync"/> said.</param>
    /// <param name="made">Told each unit behind its commit.</param>
    /// <param name="working">Cancels the unit that is at work.</param>
    public static async Task MakeAsync(PartmanDatabase database, UnitRunner runner, Plan plan, Action<PlanUnit> made, CancellationToken working)
    {
        try
        {
            foreach (var unit in plan.Units)
            {
                await runner.RunAsync(plan.State, unit, working).ConfigureAwait(false);
                made(unit);
            }
        }
        catch when (plan.Units.Any(u => u.IsPreparation))
        {
            await DropChecksAsync(database, runner, plan.State.Table).ConfigureAwait(false);
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

    private async Task<Plan> RunAsync(SetState state, IReadOnlyCollection<Retirement.Unfinished> unfinished)
    {
        if (state.Set.InProgress is { } what)
        {
            _skipped.Add(new PartitionSkipped(SkipReason.InProgress, $"'{state.Table}' is left alone while {what} is under way."));
            return new Plan(state, [], _skipped, null);
        }
        if (!state.IsOwned)
        {
            var role = PgIdentifier.Create(server.Role);
            throw new PartmanPrivilegeException(state.Table, $"Role '{server.Role}' does not own '{state.Table}', and only the owner may change its partitions.", [$"ALTER TABLE {state.Table.Quoted} OWNER TO {role.Quoted};"]);
        }
        var byRows = state.Set.Basis == PremakeBasis.NewestRow || !state.Key.IsTime;
        if (byRows)
            state = state with { Newest = await SetReader.NewestAsync(session, state).ConfigureAwait(false) };
        state = await Expiry.MeasuredAsync(session, state).ConfigureAwait(false);

        if (state.LeftChecks.Count > 0)
            _units.Add(PartitionDdl.DropChecks(state, state.LeftChecks));
        if (unfinished.Where(u => !u.IsPending).ToList() is { Count: > 0 } detached)
        {
            var cleanup = await Retirement.CleanupAsync(session, state.Set, detached.Select(u => u.Oid)).ConfigureAwait(false);
            foreach (var left in detached)
            {
                if (left is not { Action: ExpiredAction.Archive, Name: not null } || MayArchive(state))
                    _units.AddRange(Retirement.Resume(state, server, left, cleanup[left.Oid]));
            }
        }
        _begun = unfinished.Where(u => u is { IsPending: true, Name: not null }).Select(u => u.Oid).ToHashSet();
        await RetireAsync(state, onlyPending: true).ConfigureAwait(false);
        if (await BelowAsync(state).ConfigureAwait(false) && Current(state) is { } current)
            await CreateAsync(state, current).ConfigureAwait(false);
        await RetireAsync(state, onlyPending: false).ConfigureAwait(false);
        return new Plan(state, _units, _skipped, _error);
    }

    /// <summary>Whether new partitions can be made as far as their own partitions go.</summary>
    private async Task<bool> BelowAsync(SetState state)
    {
        try
        {
            _below = await SubPartitioner.OfAsync(session, server, state, options.MaxPartitionsPerRun).ConfigureAwait(false);
            return true;
        }
        catch (SubPartitionConfigMismatchException error)
        {
            _error ??= error;
            return false;
        }
    }

    /// <summary>The key that counts as where the set has got to; null when there is nothing to go by.</summary>
    private PartitionBound? Current(SetState state)
    {
        if (state.Set.Basis == PremakeBasis.Clock && state.Key.IsTime)
            return state.Clock;
        if (state.Newest is not { } newest)
        {
            _skipped.Add(new PartitionSkipped(SkipReason.NoRows, $"'{state.Table}' has no rows outside of its default partition, which would tell where it has got to."));
            return null;
        }
        if (!state.Key.IsTime)
            return newest;
        var ahead = state.Set.Interval!.Value.Estimate * Math.Min(OutlierFactor * (double)state.Set.Premake, TimeSpan.MaxValue / state.Set.Interval.Value.Estimate / 2);
        if (newest.Time is { } time && time - state.Clock.Time!.Value <= ahead)
            return newest;
        _skipped.Add(new PartitionSkipped(SkipReason.Outlier, $"The newest row of '{state.Table}' is of '{newest}', too far ahead of '{state.Clock}' to go by; the clock counts instead."));
        return state.Clock;
    }

    private async Task CreateAsync(SetState state, PartitionBound current)
    {
        var most = options.MaxPartitionsPerRun;
        var missing = await NewRanges.MissingAsync(session, state, current, most).ConfigureAwait(false);
        if (missing.Count >= most)
            _skipped.Add(new PartitionSkipped(SkipReason.TooMany, $"One run creates at most {most} partitions of '{state.Table}'; the next one goes on."));
        await AddAsync(state, missing, await ReservableAsync(state).ConfigureAwait(false)).ConfigureAwait(false);
    }

    /// <summary>Adds the units of new partitions, without those that cannot be: a name that is taken, a range whose rows are in the default partition.</summary>
    private async Task AddAsync(SetState state, IReadOnlyList<NewRange> ranges, PartitionBound? reservableFrom)
    {
        if (ranges.Count == 0)
            return;
        var taken = (await session.RowsAsync(
            "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname::text = ANY ($2)",
            row => PgIdentifier.Create(row.GetString(0)), PgParameter.Text(state.Table.Schema!.Value.Value), PgParameter.Texts(ranges.Select(r => r.Name.Name.Value))).ConfigureAwait(false)).ToHashSet();
        var conflicts = await ConflictsAsync(state, ranges).ConfigureAwait(false);
        var shape = await ParentShape.ReadAsync(session, state.Table, state.Oid, state.Set.Template).ConfigureAwait(false);
        var free = new List<NewRange>();
        foreach (var (range, hasRows) in ranges.Zip(conflicts))
        {
            if (taken.Contains(range.Name.Name) || free.Exists(f => f.Name == range.Name))
                _error ??= new PartitionNameCollisionException(state.Table, range.Name, "a relation that is no partition of this range");
            else if (hasRows && !wishes.DrainDefault)
                _error ??= new DefaultPartitionConflictException(state.Table, range.Name);
            else if (hasRows && await DefaultDrain.WhyNotAsync(session, state).ConfigureAwait(false) is { } why)
                _error ??= why;
            else if (hasRows)
                _units.Add(PartitionDdl.Create(state, shape, range, drain: true, branch: await BranchAsync(shape, range).ConfigureAwait(false)));
            else
                free.Add(range);
        }
        var reserved = reservableFrom is { } from ? free.Where(r => r.Lower > from).Select(r => (PartitionDdl.CheckName(r), r)).ToList() : [];
        if (reserved.Count > 0)
            _units.AddRange(PartitionDdl.ProveEmpty(state, reserved));
        foreach (var range in free)
            _units.Add(PartitionDdl.Create(state, shape, range, attachCheck: reserved.Exists(x => x.r == range) ? PartitionDdl.CheckName(range) : null, branch: await BranchAsync(shape, range).ConfigureAwait(false)));
    }

    private async Task<SubPartitioner.Branch?> BranchAsync(ParentShape shape, NewRange range) => _below is null ? null : await _below.BranchAsync(shape, range).ConfigureAwait(false);

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

    /// <summary>Adds the units of expired partitions, or of those whose detach was interrupted.</summary>
    private async Task RetireAsync(SetState state, bool onlyPending)
    {
        var expired = Expiry.Expired(state, out var isLastKept);
        var going = onlyPending ? state.Partitions.Where(p => p.DetachPending).ToList() : [.. expired.Where(p => !p.DetachPending)];
        var jumped = Jump(state);
        if (!onlyPending)
        {
            if (isLastKept)
                _skipped.Add(new PartitionSkipped(SkipReason.LastPartition, $"'{state.Partitions[^1].Name}' is expired and stays, because it is the last partition of '{state.Table}'."));
            if (going.Count > 0 && jumped is not null)
                _error ??= jumped;
        }
        if (going.Count > 0 && (onlyPending || (jumped is null && MayArchive(state))))
        {
            var cleanup = await Retirement.CleanupAsync(session, state.Set, going.Select(p => p.Oid)).ConfigureAwait(false);
            foreach (var partition in going)
            {
                // The rest is done only with what is expired by now as well.
                if (partition.IsPartitioned && state.Set.WhenExpired == ExpiredAction.Archive)
                {
                    _error ??= new PartitionSetConfigurationException(state.Table, $"'{partition.Name}' is partitioned itself, and only tables are archived.");
                    continue;
                }
                if (partition.IsPartitioned && !onlyPending && await Retirement.WaitingBelowAsync(session, server, partition.Oid).ConfigureAwait(false) is { } waiting)
                {
                    _skipped.Add(new PartitionSkipped(SkipReason.InProgress, $"'{partition.Name}' is expired and stays until the retirement of '{waiting}', which was a partition of it, is done."));
                    continue;
                }
                var action = expired.Contains(partition) && jumped is null && (!onlyPending || (_begun.Contains(partition.Oid) && MayArchive(state))) ? state.Set.WhenExpired : ExpiredAction.Detach;
                _units.AddRange(Retirement.Of(state, server, partition, action, [.. partition.IsPartitioned && !onlyPending ? SetConfiguration.ForgetTree(server, partition.Oid) : [], .. cleanup[partition.Oid]], options.DetachConcurrently));
            }
        }
    }

    /// <summary>Whether nothing hinders an archive, where the set wants one: no partition leaves for an archive that is not at hand.</summary>
    private bool MayArchive(SetState state)
    {
        if (state.Set is not { WhenExpired: ExpiredAction.Archive, Retires: true } || (archive == state.Set.ArchiveId && server.HasOwn))
            return true;
        _error ??= new PartmanArchiveException(
            state.Table, $"'{state.Table}' is archived in '{state.Set.ArchiveId}', and this client has {(archive is null ? "no archive" : $"'{archive}'")}.", "Make the client with that store; nothing is retired meanwhile.");
        return false;
    }

    private ClockJumpException? Jump(SetState state)
    {
        if (wishes.AcceptClockJump || state.Set is not { LastRun: { } last, Retires: true, Interval: { } interval })
            return null;
        var limit = interval.Estimate * options.MaxClockJump;
        limit = limit < AlwaysAllowedJump ? AlwaysAllowedJump : limit;
        return (state.Now - last).Duration() > limit ? new ClockJumpException(state.Table, last, state.Now, limit) : null;
    }
}
