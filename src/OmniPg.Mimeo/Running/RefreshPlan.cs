namespace OmniPg.Mimeo;

/// <summary>What a refresh would do, step by step, out of the statements that <see cref="RefreshRun"/> runs.</summary>
internal sealed class RefreshPlan(MimeoDatabase database, MimeoOptions settings, SourcePools pools, TimeProvider time, RefreshOptions options)
{
    /// <summary>Looks at both sides, in transactions that only read and under no lock of the table.</summary>
    /// <param name="spec">The table.</param>
    /// <param name="access">What the roles lack.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    public Task<ExplainResult> RunAsync(ReplicationSpec spec, AccessResult access, CancellationToken cancellationToken) => database.RunAsync($"explain a refresh of '{spec.Target}'", async (session, store) =>
    {
        store.Require(database.Name);
        await CopySettings.AgreeAsync(session, settings.LockTimeout).ConfigureAwait(false);
        var (steps, warnings) = (new PlanSteps(spec.From), new List<string>());
        var (_, source) = await SourceRegistry.OpenAsync(session, store, pools, spec.From).ConfigureAwait(false);
        await using var closing = source.ConfigureAwait(false);
        if (spec.Kind == ReplicationKind.Snapshot && (options.SkipUnchanged ?? spec.SkipUnchanged)
            && await source.AskAsync(spec.Source, at => ChangeToken.ReadAsync(at, spec)).ConfigureAwait(false) is { } token
            && await RefreshRun.SkipsAsync(session, store, spec, source, token).ConfigureAwait(false) is not null)
        {
            steps.TellThere("skip", "The source had no writes since the last refresh.", "Nothing is read");
            return new ExplainResult(access, steps.ToPlan(), steps.Streams, warnings);
        }
        // Its queue is only read.
        await source.TakeSnapshotAsync(settings.LockTimeout, spec with { Queue = null }).ConfigureAwait(false);
        var run = await TableRun.BeginAsync(spec, store, session, source, settings, database.DataSource, null, warnings).ConfigureAwait(false);
        await AddAsync(run, steps).ConfigureAwait(false);
        steps.TellHere("configure", "The scheduler has to know of it.", $"last_run in {store.Config(SpecTable.TypeOf(spec))}");
        return new ExplainResult(access, steps.ToPlan(), steps.Streams, warnings);
    }, cancellationToken);

    private async Task AddAsync(TableRun run, PlanSteps steps)
    {
        var spec = run.Spec;
        var found = await RelationInfo.FindAsync(run.Destination, spec.Target).ConfigureAwait(false) ?? throw new DestinationMissingException(spec.Target);
        // With a queue, that gets the columns first.
        var table = spec.Kind == ReplicationKind.Snapshot || spec.HasQueue ? found : MissingColumns.Plan(run, steps, found);
        var limit = options.Limit ?? spec.BatchLimit;
        switch (spec.Kind)
        {
            case ReplicationKind.Snapshot:
                await SnapshotMethod.PlanAsync(run, steps, table, database).ConfigureAwait(false);
                break;
            case ReplicationKind.Table:
                run.RequireFit(table);
                await ReloadMethod.PlanAsync(run, steps, table, options.KeepReaders).ConfigureAwait(false);
                break;
            case ReplicationKind.Dml or ReplicationKind.Logdel:
                await new QueueMethod(run).PlanAsync(steps, table, limit, options.Repull is not null).ConfigureAwait(false);
                break;
            case ReplicationKind.Logical:
                await new LogicalMethod(run).PlanAsync(steps, table, options.Repull is not null).ConfigureAwait(false);
                break;
            default:
                await new CursorMethod(run).PlanAsync(steps, table, limit, options.Repull, options.NullCursor, time.GetUtcNow()).ConfigureAwait(false);
                break;
        }
    }
}
