using System.Globalization;

namespace OmniPg.Mimeo;

/// <summary>What a set-up would do, step by step, out of the statements that <see cref="TableSetup"/> runs.</summary>
internal sealed class SetupPlan(MimeoDatabase database, MimeoOptions settings, SourcePools pools, ReplicationSpec spec, CreateOptions options)
{
    private const string Here = SourceRegistry.Destination;

    private readonly List<SqlPlanStep> _steps = [];
    private readonly List<string> _warnings = [];
    private int _streams;

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
        if (spec.HasChanges)
            run.RequireTable();
        await TableSetup.RequireUnmanagedAsync(session, store, spec).ConfigureAwait(false);
        var (_, source) = await SourceRegistry.OpenAsync(session, store, pools, spec.From).ConfigureAwait(false);
        await using var closing = source.ConfigureAwait(false);
        await source.TakeSnapshotAsync(settings.LockTimeout, spec).ConfigureAwait(false);
        var run = await TableRun.BeginAsync(spec, store, session, source, settings, database.DataSource, null, _warnings).ConfigureAwait(false);
        var indexes = await SourceIndexes.ReadAsync(run).ConfigureAwait(false);
        var key = spec.HasChanges || spec.Kind == ReplicationKind.Updater ? indexes.Key() : [];
        var owner = await store.OwnerTextAsync(session, SpecTable.Text(spec.Target)).ConfigureAwait(false);
        await AddSourceAsync(run, key, owner).ConfigureAwait(false);
        await AddDestinationAsync(run, indexes, key, owner).ConfigureAwait(false);
        Add(Here, "configure", "The table is managed from then on.", $"A row in {store.Config(SpecTable.TypeOf(spec))}, what it has no column for in {store.Beside("table_option")}, and what the source was like in {store.Beside("table_state")}");
        return new ExplainResult(access, new SqlPlan(_steps), _streams, _warnings);
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
            AddSql(Here, "view", "It shows the table that is filled.", SnapshotMethod.View(spec.Target, 1));
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
            AddAll("history", "Older images of deleted rows have to stay somewhere.",
                DeletedHistory.Statements(spec.Target, key.Select(k => k.Name.Value), await DeletedHistory.MarkAsync(run.Destination, run.Store, spec.Target).ConfigureAwait(false),
                    await DeletedHistory.GrantsAsync(run.Destination, spec.Target).ConfigureAwait(false), keeper));
        }
        if (options.Owner is { } given && existing is null)
            AddAll("owner", $"What is made belongs to '{given}'.", TableOwner.Statements(spec, given, makesHistory));
    }

    private async Task AddTableAsync(TableRun run, SourceIndexes indexes, IReadOnlyList<ColumnInfo> key, string owner, QualifiedName table, string prefix, bool pull)
    {
        var bounds = pull && spec.Cursor is not null ? await new CursorMethod(run).FirstRowsAsync().ConfigureAwait(false) : null;
        var load = pull ? await ChunkedLoad.PlanAsync(run, database).ConfigureAwait(false) : null;
        var into = load is null ? table : ChunkedLoad.Side(spec.Target);
        AddAll("table", load is null ? "It holds the rows." : "Several streams fill it, each in a transaction of its own.", load?.Begin(owner) ?? [run.TableDefinition(into)]);
        if (pull)
        {
            _streams = load?.Streams ?? 1;
            foreach (var (number, query) in (load?.Queries(bounds) ?? [run.Query(bounds)]).Index())
                AddCopy(run, query, into, load is null, load is null ? "" : string.Create(CultureInfo.InvariantCulture, $", part {number + 1}"));
        }
        AddAll("index", "The source has it, or the method needs it.", await indexes.StatementsAsync(into, options.Indexes, prefix, key).ConfigureAwait(false));
        if (load is not null)
            AddAll("rename", "All rows and indexes are there.", ChunkedLoad.End(spec.Target, table));
        AddSql(Here, "analyze", "The planner has to know the rows.", $"ANALYZE {table.Quoted}");
    }

    private void AddCopy(TableRun run, string query, QualifiedName into, bool freeze, string part)
    {
        var (read, write) = run.CopyStatements(query, into, freeze);
        Add(spec.From, "copy", $"The rows leave the source{part}.", read);
        Add(Here, "copy", $"They arrive{part}.", write);
    }

    private void AddAll(string kind, string why, IEnumerable<string> statements)
    {
        foreach (var sql in statements)
            AddSql(Here, kind, why, sql);
    }

    private void AddSql(string server, string kind, string why, string sql) => _steps.Add(new SqlPlanStep { Server = server, Kind = kind, Reason = why, Sql = sql });

    private void Add(string server, string kind, string why, string what) => _steps.Add(new SqlPlanStep { Server = server, Kind = kind, Reason = why, Description = what });
}
