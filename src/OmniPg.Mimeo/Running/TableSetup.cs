using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>Sets one table up: what the source needs, then the destination with its first rows and indexes in one transaction.</summary>
internal sealed class TableSetup(MimeoDatabase database, MimeoOptions settings, SourcePools pools, ReplicationSpec spec, CreateOptions options, IProgress<CopyProgress>? progress)
{
    private readonly List<string> _warnings = [];
    private QualifiedName? _queue;
    private string? _slot;
    private string? _owner;

    /// <summary>The work, in transactions of its own.</summary>
    public async Task<CreateResult> RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await database.RunAsync($"create '{spec.Target}'", async (session, store) =>
            {
                store.Require(database.Name);
                SpecTable.RequireKept(store, spec);
                await CopySettings.AgreeAsync(session, settings.LockTimeout).ConfigureAwait(false);
                await session.ScalarAsync(SpecTable.Lock, PgParameter.Text(SpecTable.Text(spec.Target))).ConfigureAwait(false);
                if (spec.KeepHistory)
                    await DeletedHistory.LockAsync(session, spec.Target).ConfigureAwait(false);
                await RequireUnmanagedAsync(session, store, spec).ConfigureAwait(false);
                var (sourceId, source) = await SourceRegistry.OpenAsync(session, store, pools, spec.From).ConfigureAwait(false);
                await using var closing = source.ConfigureAwait(false);
                var wanted = spec.HasQueue ? await MakeQueueAsync(session, store, source).ConfigureAwait(false)
                    : spec.Kind == ReplicationKind.Logical ? await MakeSlotAsync(session, store, source).ConfigureAwait(false) : spec;
                return await CreateAsync(session, store, source, sourceId, wanted).ConfigureAwait(false);
            }, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (_owner is not null)
        {
            await CleanUpAsync(error).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Refuses a destination that is managed or holds images of another one, and one that keeps images where something else stands.</summary>
    /// <exception cref="ReplicationConflictException">It is, or it does.</exception>
    /// <exception cref="DestinationExistsException">Something that is no history of it stands there.</exception>
    public static async Task RequireUnmanagedAsync(PgSession session, MimeoStore store, ReplicationSpec spec)
    {
        if (await SpecTable.IsManagedAsync(session, store, spec.Target).ConfigureAwait(false))
            throw new ReplicationConflictException($"Destination '{spec.Target}' is managed already.", "Drop it from the configuration first.");
        await DeletedHistory.RequireNoneAsync(session, store, spec.Target).ConfigureAwait(false);
        if (spec.KeepHistory)
            await DeletedHistory.FindFreeAsync(session, store, spec.Target).ConfigureAwait(false);
    }

    /// <summary>Refuses a snapshot in whose way something stands.</summary>
    /// <exception cref="DestinationExistsException">Something does.</exception>
    public static async Task RequireFreeAsync(PgSession session, QualifiedName view)
    {
        foreach (var name in (QualifiedName[])[view, SnapshotMethod.Table(view, 1), SnapshotMethod.Table(view, 2)])
        {
            if (await RelationInfo.FindAsync(session, name).ConfigureAwait(false) is not null)
                throw new DestinationExistsException(name);
        }
    }

    /// <summary>Makes publication and slot of a logical table, or makes them anew.</summary>
    public static async Task MakeSlotAsync(TableRun run, string name)
    {
        // Of a view nobody has to name the key.
        run.RequireTable();
        var key = (await SourceIndexes.ReadAsync(run).ConfigureAwait(false)).Key();
        await run.Source.EndAsync().ConfigureAwait(false);
        await SourceSlot.CreateAsync(run, key, name).ConfigureAwait(false);
    }

    private async Task<ReplicationSpec> MakeSlotAsync(PgSession session, MimeoStore store, SourceSession source)
    {
        await source.TakeSnapshotAsync(settings.LockTimeout, spec).ConfigureAwait(false);
        var run = await BeginAsync(session, store, source, spec).ConfigureAwait(false);
        _slot = SourceSlot.NameOf(await OwnerAsync(session, store).ConfigureAwait(false));
        await MakeSlotAsync(run, _slot).ConfigureAwait(false);
        return spec with { Slot = _slot };
    }

    private async Task<ReplicationSpec> MakeQueueAsync(PgSession session, MimeoStore store, SourceSession source)
    {
        await source.TakeSnapshotAsync(settings.LockTimeout, spec).ConfigureAwait(false);
        var run = await BeginAsync(session, store, source, spec).ConfigureAwait(false);
        run.RequireTable();
        var key = (await SourceIndexes.ReadAsync(run).ConfigureAwait(false)).Key();
        await source.EndAsync().ConfigureAwait(false);
        _queue = await SourceQueue.CreateAsync(run, key, await OwnerAsync(session, store).ConfigureAwait(false)).ConfigureAwait(false);
        return spec with { Queue = _queue, Key = [.. key.Select(k => k.Name.Value)] };
    }

    private async Task<CreateResult> CreateAsync(PgSession session, MimeoStore store, SourceSession source, int sourceId, ReplicationSpec wanted)
    {
        var token = wanted.Kind == ReplicationKind.Snapshot ? await source.AskAsync(wanted.Source, at => ChangeToken.ReadAsync(at, wanted)).ConfigureAwait(false) : null;
        await source.TakeSnapshotAsync(settings.LockTimeout, wanted).ConfigureAwait(false);
        var run = await BeginAsync(session, store, source, wanted).ConfigureAwait(false);
        var existing = await RelationInfo.FindAsync(session, wanted.Target).ConfigureAwait(false);
        if (options.Owner is { } role && existing is null)
            await TableOwner.RequireAsync(session, database.Name, wanted.Target, role).ConfigureAwait(false);
        else if (options.Owner is not null)
            _warnings.Add($"'{wanted.Target}' was there and keeps its owner.");
        var indexes = await SourceIndexes.ReadAsync(run).ConfigureAwait(false);
        IReadOnlyList<ColumnInfo> key = [];
        if (wanted.Kind == ReplicationKind.Snapshot)
        {
            await RequireFreeAsync(session, wanted.Target).ConfigureAwait(false);
            await SnapshotMethod.CreateAsync(run, (table, prefix, filled) => FillAsync(run, indexes, [], table, prefix, filled && options.PullData)).ConfigureAwait(false);
        }
        else
        {
            key = wanted.Kind == ReplicationKind.Updater || wanted.HasChanges ? indexes.Key() : [];
            if (existing is not null)
            {
                run.RequireFit(existing);
                if (key.Count > 0)
                {
                    var (way, _, others, _) = await KeyedRows.WayAsync(run, existing, key.Select(k => k.Name.Value)).ConfigureAwait(false);
                    KeyedRows.WarnOfUnique(run, others);
                    if (way == KeyedRows.Way.Replace)
                        await Followers.WarnAsync(run, existing, Followers.Always).ConfigureAwait(false);
                }
            }
            else
            {
                await FillAsync(run, indexes, key, wanted.Target, "", options.PullData).ConfigureAwait(false);
            }
        }
        var hasMadeHistory = wanted.KeepHistory && await DeletedHistory.MakeAsync(
            session, store, database.Name, wanted, key.Select(k => k.Name.Value), () => Task.FromResult(run.Written)).ConfigureAwait(false);
        if (wanted.KeepHistory && !hasMadeHistory)
            _warnings.Add($"'{DeletedHistory.Table(wanted.Target)}' was there and keeps its rows.");
        if (options.Owner is { } owner && existing is null)
        {
            foreach (var statement in TableOwner.Statements(wanted, owner, hasMadeHistory))
                await session.ExecuteAsync(statement).ConfigureAwait(false);
        }
        var pulled = options.PullData && existing is null;
        await SpecTable.InsertAsync(session, store, wanted, sourceId, [.. key.Select(k => (k.Name.Value, k.Type))]).ConfigureAwait(false);
        await database.RequireUnmovedAsync(session, store).ConfigureAwait(false);
        if (wanted.Cursor is not null)
            await new CursorMethod(run).StoreFirstAsync(filled: pulled).ConfigureAwait(false);
        if (wanted.Kind == ReplicationKind.Logical)
            await new LogicalMethod(run).StoreFirstAsync().ConfigureAwait(false);
        if (pulled)
            await SpecTable.RanAsync(session, store, wanted).ConfigureAwait(false);
        if (wanted.HasChanges || wanted.HasCursor)
            token = await SourceShape.ReadAsync(run).ConfigureAwait(false);
        await SpecTable.StoreTokenAsync(session, store, wanted.Target, options.PullData ? token : null, 0).ConfigureAwait(false);
        var stored = (await SpecTable.FindAsync(session, store, wanted.Target).ConfigureAwait(false))!;
        return new CreateResult(stored, existing is not null, run.Rows, _warnings);
    }

    private async Task FillAsync(TableRun run, SourceIndexes indexes, IReadOnlyList<ColumnInfo> key, QualifiedName table, string prefix, bool pull)
    {
        var session = run.Destination.Unlimited;
        var bounds = pull && run.Spec.Cursor is not null ? await new CursorMethod(run).FirstRowsAsync().ConfigureAwait(false) : null;
        if (pull && await ChunkedLoad.PlanAsync(run, database).ConfigureAwait(false) is { } load)
        {
            var side = await load.RunAsync(bounds, await OwnerAsync(session, run.Store).ConfigureAwait(false)).ConfigureAwait(false);
            await indexes.BuildAsync(side, options.Indexes, prefix, key, load).ConfigureAwait(false);
            foreach (var statement in ChunkedLoad.End(run.Spec.Target, table))
                await session.ExecuteAsync(statement).ConfigureAwait(false);
        }
        else
        {
            await run.CreateTableAsync(table).ConfigureAwait(false);
            if (pull)
                await run.CopyAsync(run.Query(bounds), table, freeze: true).ConfigureAwait(false);
            await indexes.BuildAsync(table, options.Indexes, prefix, key).ConfigureAwait(false);
        }
        await session.ExecuteAsync($"ANALYZE {table.Quoted}").ConfigureAwait(false);
    }

    // By it a queue or a half-filled table is known again, whose set-up died.
    private async Task<string> OwnerAsync(PgSession session, MimeoStore store) => _owner ??= await store.OwnerTextAsync(session, SpecTable.Text(spec.Target)).ConfigureAwait(false);

    // Whatever failed, perhaps only the answer to the commit: the configuration says whether the queue is needed.
    private async Task CleanUpAsync(Exception cause)
    {
        var made = spec with { Queue = _queue, Slot = _slot };
        try
        {
            await database.RunAsync($"clean up after '{spec.Target}'", async (session, store) =>
            {
                await CopySettings.AgreeAsync(session, settings.LockTimeout).ConfigureAwait(false);
                await session.ScalarAsync(SpecTable.Lock, PgParameter.Text(SpecTable.Text(spec.Target))).ConfigureAwait(false);
                if (await SpecTable.IsManagedAsync(session, store, spec.Target).ConfigureAwait(false))
                    return false;
                await ChunkedLoad.DropAsync(session, spec.Target, _owner!).ConfigureAwait(false);
                if (_queue is null && _slot is null)
                    return true;
                var (_, source) = await SourceRegistry.OpenAsync(session, store, pools, spec.From).ConfigureAwait(false);
                await using var closing = source.ConfigureAwait(false);
                if (_slot is not null)
                    await SourceSlot.DropAsync(source, made).ConfigureAwait(false);
                else
                    await SourceQueue.DropAsync(source, made, settings.LockTimeout).ConfigureAwait(false);
                return true;
            }, CancellationToken.None).ConfigureAwait(false);
        }
        // A side table is dropped by the next set-up; a queue fills on meanwhile, and a slot keeps the source's log.
        catch (Exception error) when (error is OmniPgException or NpgsqlException)
        {
            if (_queue is null && _slot is null)
                return;
            var text = (cause as PostgresException)?.MessageText ?? (cause is OperationCanceledException ? $"The set-up of '{spec.Target}' was cancelled." : cause.Message);
            throw new QueueLeftException(text, (error as PostgresException)?.MessageText ?? error.Message, string.Join(' ', _slot is null ? SourceQueue.Statements(made) : SourceSlot.Statements(made)), cause);
        }
    }

    private Task<TableRun> BeginAsync(PgSession session, MimeoStore store, SourceSession source, ReplicationSpec wanted) =>
        TableRun.BeginAsync(wanted, store, session, source, settings, database.DataSource, progress, _warnings);
}
