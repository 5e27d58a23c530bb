namespace OmniPg.Mimeo;

/// <summary>What a set-up would do, step by step, out of the statements that <see cref="TableSetup"/> runs.</summary>
internal sealed class SetupPlan(MimeoDatabase database, MimeoOptions settings, SourcePools pools, ReplicationSpec spec, CreateOptions options)
{
    private readonly PlanSteps _steps = new(spec.From);
    private readonly List<string> _warnings = [];

    /// <summary>Looks at both sides, in transactions that only read.</summary>
    /// <param name="access">What the roles lack.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    public Task<ExplainResult> RunAsync(AccessResult access, CancellationToken cancellationToken) => database.RunAsync($"explain '{spec.Target}'", async (session, store) =>
    {
        store.Require(database.Name);
        // One that was stored before the name was refused.
        if (spec.From == SourceRegistry.Destination)
            throw new ReplicationConflictException($"Source '{spec.From}' cannot be told from the destination in a plan.", "Store it under another name.");
        SpecTable.RequireKept(store, spec);
        await CopySettings.AgreeAsync(session, settings.LockTimeout).ConfigureAwait(false);
        await TableSetup.RequireUnmanagedAsync(session, store, spec).ConfigureAwait(false);
        var (_, source) = await SourceRegistry.OpenAsync(session, store, pools, spec.From).ConfigureAwait(false);
        await using var closing = source.ConfigureAwait(false);
        await source.TakeSnapshotAsync(settings.LockTimeout, spec).ConfigureAwait(false);
        var run = await TableRun.BeginAsync(spec, store, session, source, settings, database.DataSource, null, _warnings).ConfigureAwait(false);
        if (spec.HasChanges)
            run.RequireTable();
        var indexes = await SourceIndexes.ReadAsync(run).ConfigureAwait(false);
        var key = spec.HasChanges || spec.Kind == ReplicationKind.Updater ? indexes.Key() : [];
        var owner = await store.OwnerTextAsync(session, SpecTable.Text(spec.Target)).ConfigureAwait(false);
        await AddSourceAsync(run, key, owner).ConfigureAwait(false);
        await AddDestinationAsync(run, indexes, key, owner).ConfigureAwait(false);
        _steps.TellHere("configure", "The table is managed from then on.", $"A row in {store.Config(SpecTable.TypeOf(spec))}, what it has no column for in {store.Beside("table_option")}, and what the source was like in {store.Beside("table_state")}");
        return new ExplainResult(access, _steps.ToPlan(), _steps.Streams, _warnings);
    }, cancellationToken);

    private async Task AddSourceAsync(TableRun run, IReadOnlyList<ColumnInfo> key, string owner)
    {
        if (spec.HasQueue)
            _steps.AddRange(await SourceQueue.PlanAsync(run, key, owner).ConfigureAwait(false));
        else if (spec.Kind == ReplicationKind.Logical)
            _steps.AddRange(await SourceSlot.PlanAsync(run, key, SourceSlot.NameOf(owner)).ConfigureAwait(false));
    }

    private async Task AddDestinationAsync(TableRun run, SourceIndexes indexes, IReadOnlyList<ColumnInfo> key, string owner)
    {
        var existing = await RelationInfo.FindAsync(run.Destination, spec.Target).ConfigureAwait(false);
        if (options.Owner is { } role && existing is null)
            await TableOwner.RequireAsync(run.Destination, database.Name, spec.Target, role).ConfigureAwait(false);
        if (spec.Kind == ReplicationKind.Snapshot)
        {
            await TableSetup.RequireFreeAsync(run.Destination, spec.Target).ConfigureAwait(false);
            foreach (var number in (int[])[1, 2])
                await AddTableAsync(run, indexes, [], owner, SnapshotMethod.Table(spec.Target, number), SnapshotMethod.Prefix(number), options.PullData && number == 1).ConfigureAwait(false);
            _steps.Here("view", "It shows the table that is filled.", SnapshotMethod.View(spec.Target, 1));
        }
        else if (existing is not null)
        {
            run.RequireFit(existing);
            _warnings.Add($"'{spec.Target}' is there: it is taken as it is, without rows and indexes.");
        }
        else
        {
            await AddTableAsync(run, indexes, key, owner, spec.Target, "", options.PullData).ConfigureAwait(false);
        }
        var makesHistory = spec.KeepHistory && await DeletedHistory.FindFreeAsync(run.Destination, run.Store, spec.Target).ConfigureAwait(false) is null;
        if (makesHistory)
        {
            var keeper = await DeletedHistory.OwnerAsync(run.Destination, spec.Target).ConfigureAwait(false);
            _steps.AllHere("history", "Older images of deleted rows have to stay somewhere.",
                DeletedHistory.Statements(spec.Target, key.Select(k => k.Name.Value), await DeletedHistory.MarkAsync(run.Destination, run.Store, spec.Target).ConfigureAwait(false),
                    await DeletedHistory.GrantsAsync(run.Destination, spec.Target).ConfigureAwait(false), keeper));
        }
        if (options.Owner is { } given && existing is null)
            _steps.AllHere("owner", $"What is made belongs to '{given}'.", TableOwner.Statements(spec, given, makesHistory));
    }

    private async Task AddTableAsync(TableRun run, SourceIndexes indexes, IReadOnlyList<ColumnInfo> key, string owner, QualifiedName table, string prefix, bool pull)
    {
        var bounds = pull && spec.Cursor is not null ? await new CursorMethod(run).FirstRowsAsync().ConfigureAwait(false) : null;
        var load = pull ? await ChunkedLoad.PlanAsync(run, database).ConfigureAwait(false) : null;
        var into = load is null ? table : ChunkedLoad.Side(spec.Target);
        _steps.AllHere("table", load is null ? "It holds the rows." : "Several streams fill it, each in a transaction of its own.", load?.Begin(owner) ?? [run.TableDefinition(into)]);
        if (pull)
            _steps.Copy(run, load?.Queries(bounds) ?? [run.Query(bounds)], load?.Streams ?? 1, into, freeze: load is null);
        _steps.AllHere("index", "The source has it, or the method needs it.", await indexes.StatementsAsync(into, options.Indexes, prefix, key).ConfigureAwait(false));
        if (load is not null)
            _steps.AllHere("rename", "All rows and indexes are there.", ChunkedLoad.End(spec.Target, table));
        _steps.Here("analyze", "The planner has to know the rows.", $"ANALYZE {table.Quoted}");
    }
}
