namespace OmniPg.Partman;

/// <summary>Decides what a maintenance does with a set: first what an interrupted run left, then new partitions, then expired ones.</summary>
internal sealed class SetPlanner(PgSession session, PartmanServer server, PartmanOptions options, MaintenanceOptions wishes, string? archive)
{
    private static readonly TimeSpan AlwaysAllowedJump = TimeSpan.FromDays(7);

    private readonly RangePlanner _ranges = new(session, server, options, wishes.DrainDefault);
    private readonly List<PlanUnit> _units = [];
    private readonly List<PartitionSkipped> _skipped = [];
    private PartmanException? _error;

    // Partitions whose detach a run of this package began; any other is somebody's who may want to keep the table.
    private HashSet<uint> _begun = [];

    public static Task<SetPlan> PlanAsync(
        PgSession session, PartmanServer server, PartmanOptions options, MaintenanceOptions wishes, string? archive, SetState state, IReadOnlyCollection<Retirement.Unfinished> unfinished) =>
        new SetPlanner(session, server, options, wishes, archive).RunAsync(state, unfinished);

    private async Task<SetPlan> RunAsync(SetState state, IReadOnlyCollection<Retirement.Unfinished> unfinished)
    {
        if (state.Set.InProgress is { } what)
        {
            _skipped.Add(new PartitionSkipped(SkipReason.InProgress, $"'{state.Table}' is left alone while {what} is under way."));
            return new SetPlan(state, [], _skipped, null);
        }
        RangePlanner.RequireOwned(state, server);
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
        if (await _ranges.BranchesAsync(state).ConfigureAwait(false) && RangePlanner.Current(state, _skipped) is { } current)
            await CreateAsync(state, current).ConfigureAwait(false);
        _error ??= _ranges.Error;
        await RetireAsync(state, onlyPending: false).ConfigureAwait(false);
        return new SetPlan(state, _units, _skipped, _error);
    }

    private async Task CreateAsync(SetState state, PartitionBound current)
    {
        var most = options.MaxPartitionsPerRun;
        var missing = await NewRanges.MissingAsync(session, state, current, most).ConfigureAwait(false);
        if (missing.Count >= most)
            _skipped.Add(new PartitionSkipped(SkipReason.TooMany, $"One run creates at most {most} partitions of '{state.Table}'; the next one goes on."));
        _units.AddRange(await _ranges.UnitsAsync(state, missing).ConfigureAwait(false));
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
            state.Table, $"'{state.Table}' is archived in '{state.Set.ArchiveId}', and this client has {(archive is null ? "no archive" : $"'{archive}'")}.", "Give the client that archive (on the command line --archive DIR); nothing is retired meanwhile.");
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
