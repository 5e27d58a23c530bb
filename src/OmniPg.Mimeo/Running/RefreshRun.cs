using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>One refresh, of one table or of a group: the destination's transaction first, then what the sources have to forget, then the views of snapshots.</summary>
/// <remarks>
/// A group is one transaction at the destination and one snapshot of each source, so that whoever reads sees all of it or nothing. Its locks are taken in the order of the
/// names, before the configuration is read.
/// </remarks>
internal sealed class RefreshRun(MimeoDatabase database, MimeoOptions settings, SourcePools pools, TimeProvider time, RefreshOptions options, bool isGroup, IProgress<CopyProgress>? progress)
{
    // The counters of servers before 15 travel by UDP and may be lost.
    private const int SkipsBefore15 = 24;

    private readonly Dictionary<string, SourceSession> _sources = new(StringComparer.Ordinal);
    private readonly Dictionary<QualifiedName, SnapshotMethod.Load> _loads = [];
    private readonly Dictionary<QualifiedName, NpgsqlTypes.NpgsqlLogSequenceNumber> _confirm = [];

    /// <summary>Refreshes the tables.</summary>
    /// <param name="session">The destination, outside of a transaction.</param>
    /// <param name="store">Where the configuration is.</param>
    /// <param name="tables">The tables as they are known so far.</param>
    public async Task<IReadOnlyList<RefreshResult>> RunAsync(PgSession session, MimeoStore store, IReadOnlyList<ReplicationSpec> tables)
    {
        IReadOnlyList<RefreshResult> results;
        try
        {
            results = await LoadAsync(session, store, tables).ConfigureAwait(false);
            foreach (var name in _sources.Keys)
                results = await ForgetAsync(name, tables, results).ConfigureAwait(false);
        }
        finally
        {
            foreach (var source in _sources.Values)
                await source.DisposeAsync().ConfigureAwait(false);
        }
        var shown = new List<RefreshResult>();
        foreach (var result in results)
            shown.Add(_loads.TryGetValue(result.Destination, out var load) && load.File is not null ? await ShowAsync(session, result, load, isShown: isGroup).ConfigureAwait(false) : result);
        return shown;
    }

    private async Task<IReadOnlyList<RefreshResult>> LoadAsync(PgSession session, MimeoStore store, IReadOnlyList<ReplicationSpec> known)
    {
        var waiting = false;
        try
        {
            return await session.InTransactionAsync(async () =>
            {
                waiting = true;
                foreach (var table in known.Select(k => SpecTable.Text(k.Target)).Order(StringComparer.Ordinal))
                {
                    if (!await SpecTable.TryLockAsync(session, table, options.LockWait).ConfigureAwait(false))
                        return [.. known.Select(k => Result(k, RefreshStatus.SkippedLocked))];
                }
                waiting = false;
                await CopySettings.AgreeAsync(session, settings.LockTimeout).ConfigureAwait(false);
                await database.RequireCurrentAsync(session, store).ConfigureAwait(false);
                // Under the lock: another one may have changed them meanwhile.
                var specs = new List<ReplicationSpec>();
                foreach (var table in known)
                    specs.Add(await SpecTable.FindAsync(session, store, table).ConfigureAwait(false) ?? throw new NotManagedException(SpecTable.Text(table.Target)));
                foreach (var spec in specs)
                    RequireSense(spec, options);
                return isGroup ? await RefreshAllAsync(session, store, specs).ConfigureAwait(false) : [await RefreshOneAsync(session, store, specs[0]).ConfigureAwait(false)];
            }).ConfigureAwait(false);
        }
        catch (PostgresException error) when (waiting && error.SqlState == PostgresErrorCodes.LockNotAvailable)
        {
            return [.. known.Select(k => Result(k, RefreshStatus.SkippedLocked))];
        }
    }

    /// <summary>Refuses options that mean nothing for a table.</summary>
    /// <exception cref="ArgumentException">One of them does.</exception>
    public static void RequireSense(ReplicationSpec spec, RefreshOptions options)
    {
        if (options.KeepReaders && spec.Kind != ReplicationKind.Table)
            throw new ArgumentException($"'{spec.Target}' ({spec.Kind}) keeps no reader waiting for its load; KeepReaders means nothing for it.", nameof(spec));
        if (options.NullCursor != NullCursor.Warn && !spec.HasCursor)
            throw new ArgumentException($"'{spec.Target}' ({spec.Kind}) has no cursor column; NullCursor means nothing for it.", nameof(spec));
        if (options.Repull is null)
            return;
        if (!spec.HasCursor && !spec.HasChanges)
            throw new ArgumentException($"'{spec.Target}' has no cursor column to repull by; every refresh of it pulls all rows.", nameof(spec));
        if (spec.HasChanges && options.Repull is not { Start: null, End: null })
            throw new ArgumentException($"'{spec.Target}' has no cursor column to repull by; all of its rows can be.", nameof(spec));
    }

    private async Task<RefreshResult> RefreshOneAsync(PgSession session, MimeoStore store, ReplicationSpec spec)
    {
        var source = await SourceAsync(session, store, spec.From).ConfigureAwait(false);
        string? token = null;
        if (spec.Kind == ReplicationKind.Snapshot)
        {
            token = await source.AskAsync(spec.Source, at => ChangeToken.ReadAsync(at, spec)).ConfigureAwait(false);
            if ((options.SkipUnchanged ?? spec.SkipUnchanged) && token is not null && await SkipAsync(session, store, spec, source, token).ConfigureAwait(false))
            {
                await SpecTable.RanAsync(session, store, spec).ConfigureAwait(false);
                return Result(spec, RefreshStatus.SkippedUnchanged);
            }
        }
        await SourceQueue.AddColumnsAsync(source, spec, settings.LockTimeout).ConfigureAwait(false);
        await source.TakeSnapshotAsync(settings.LockTimeout, spec).ConfigureAwait(false);
        if (spec.Kind == ReplicationKind.Logical && options.Repull is not null)
        {
            var run = await TableRun.BeginAsync(spec, store, session, source, settings, database.DataSource, progress).ConfigureAwait(false);
            if (await new LogicalMethod(run).IsLostAsync().ConfigureAwait(false))
            {
                await TableSetup.MakeSlotAsync(run, spec.Slot!).ConfigureAwait(false);
                await source.TakeSnapshotAsync(settings.LockTimeout, spec).ConfigureAwait(false);
            }
        }
        return await LoadOneAsync(session, store, spec, source, token).ConfigureAwait(false);
    }

    // What a counter tells may be a second old, which is no snapshot: all tables of a group are read.
    private async Task<IReadOnlyList<RefreshResult>> RefreshAllAsync(PgSession session, MimeoStore store, IReadOnlyList<ReplicationSpec> specs)
    {
        foreach (var group in specs.GroupBy(s => s.From, StringComparer.Ordinal))
        {
            var source = await SourceAsync(session, store, group.Key).ConfigureAwait(false);
            foreach (var spec in group)
                await SourceQueue.AddColumnsAsync(source, spec, settings.LockTimeout).ConfigureAwait(false);
            await source.TakeSnapshotAsync(settings.LockTimeout, [.. group]).ConfigureAwait(false);
        }
        var results = new List<RefreshResult>();
        foreach (var spec in specs)
            results.Add(await MimeoDatabase.NamingAsync(spec.Target, "refresh it", () => LoadOneAsync(session, store, spec, _sources[spec.From], null)).ConfigureAwait(false));
        await ShowGroupAsync(session).ConfigureAwait(false);
        return results;
    }

    // Readers lock views in an order of their own. A wait ends before the server would look for a deadlock and might end the reader instead; the loads stay.
    // What was waited for in vain goes first the next time: so the order becomes that of a reader who comes again and again.
    private async Task ShowGroupAsync(PgSession session)
    {
        // All of them together, that is: a reader may wait for the first from the begin on.
        var wait = string.Create(CultureInfo.InvariantCulture, $"SET LOCAL lock_timeout = {(long)Math.Min(settings.LockTimeout.TotalMilliseconds, Math.Max(500 / Math.Max(_loads.Count, 1), 10))}");
        var order = _loads.Where(l => l.Value.File is not null).Select(l => l.Key).ToList();
        for (var attempt = 1; order.Count > 0; attempt++)
        {
            var shown = 0;
            await session.ExecuteAsync("SAVEPOINT omnipg_show").ConfigureAwait(false);
            try
            {
                await session.ExecuteAsync(wait).ConfigureAwait(false);
                for (; shown < order.Count; shown++)
                    await MimeoDatabase.NamingAsync(order[shown], "show its new rows", () => SnapshotMethod.ShowAsync(session, order[shown], _loads[order[shown]])).ConfigureAwait(false);
                break;
            }
            catch (MimeoLockException) when (attempt < settings.SwapTries)
            {
                var held = order[shown];
                order.RemoveAt(shown);
                order.Insert(0, held);
                await session.ExecuteAsync("ROLLBACK TO SAVEPOINT omnipg_show").ConfigureAwait(false);
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(100 * attempt, 5000)), time, session.CancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task<RefreshResult> LoadOneAsync(PgSession session, MimeoStore store, ReplicationSpec spec, SourceSession source, string? token)
    {
        var clock = Stopwatch.StartNew();
        var run = await TableRun.BeginAsync(spec, store, session, source, settings, database.DataSource, progress).ConfigureAwait(false);
        await MissingColumns.AddAsync(run, all: spec.Kind == ReplicationKind.Table || options.Repull is { Start: null, End: null }).ConfigureAwait(false);
        var limit = isGroup ? null : options.Limit ?? spec.BatchLimit;
        var status = RefreshStatus.Refreshed;
        switch (spec.Kind)
        {
            case ReplicationKind.Snapshot:
                var load = await SnapshotMethod.LoadAsync(run, isGroup ? null : database).ConfigureAwait(false);
                _loads[spec.Target] = load with { Token = token };
                // Known to be shown only once it is: a load that stays unseen is done again.
                await SpecTable.StoreTokenAsync(session, store, spec.Target, load is { File: null } ? token : null, 0).ConfigureAwait(false);
                break;
            case ReplicationKind.Table:
                status = await ReloadMethod.RefreshAsync(run, isGroup || options.KeepReaders).ConfigureAwait(false);
                break;
            case ReplicationKind.Dml or ReplicationKind.Logdel:
                status = await new QueueMethod(run).RefreshAsync(limit, options.Repull is not null).ConfigureAwait(false);
                await SourceShape.CompareAsync(run, options.Repull is not null, files: true).ConfigureAwait(false);
                break;
            case ReplicationKind.Logical:
                var log = new LogicalMethod(run);
                await SourceShape.CompareAsync(run, options.Repull is not null, files: run.Relation.Kind == 'p').ConfigureAwait(false);
                status = await log.RefreshAsync(limit, options.Repull is not null).ConfigureAwait(false);
                _confirm[spec.Target] = log.Confirm;
                break;
            default:
                status = await new CursorMethod(run).RefreshAsync(limit, options.Repull, options.NullCursor, time.GetUtcNow()).ConfigureAwait(false);
                // What a view is made of says nothing of rows.
                if (run.Relation.Kind is 'r' or 'p')
                    await SourceShape.CompareAsync(run, status != RefreshStatus.PausedForDst && options.Repull is { Start: null, End: null }, files: false).ConfigureAwait(false);
                break;
        }
        await SpecTable.RanAsync(session, store, spec).ConfigureAwait(false);
        var last = spec.Cursor is null && spec.Kind != ReplicationKind.Logical ? null : (await SpecTable.FindAsync(session, store, spec).ConfigureAwait(false))!.LastValue;
        return Result(spec, status) with { Rows = run.Rows, Bytes = run.Bytes, Format = run.Format, LastValue = last, Warnings = run.Warnings, Elapsed = clock.Elapsed };
    }

    // The destination has the rows of a queue by now; entries that stay are applied once more, to the same effect.
    private async Task<IReadOnlyList<RefreshResult>> ForgetAsync(string name, IReadOnlyList<ReplicationSpec> specs, IReadOnlyList<RefreshResult> results)
    {
        var queued = specs.Where(s => s.From == name && s.HasQueue).Select(s => s.Target).ToHashSet();
        if (results.All(r => r.Status == RefreshStatus.SkippedLocked))
            return results;
        try
        {
            if (queued.Count > 0)
                await _sources[name].CommitAsync().ConfigureAwait(false);
        }
        catch (Exception error) when (error is NpgsqlException or InvalidOperationException)
        {
            var why = (error as PostgresException)?.MessageText ?? error.Message;
            results = [.. results.Select(r => queued.Contains(r.Destination) ? r with { Warnings = [.. r.Warnings, $"The rows have arrived, but source '{name}' did not empty its queue ({why}); the next refresh applies them once more."] } : r)];
        }
        foreach (var spec in specs.Where(s => s.From == name && _confirm.ContainsKey(s.Target)))
            results = await ConfirmAsync(_sources[name], spec, results).ConfigureAwait(false);
        return results;
    }

    // A slot that stays behind keeps the source's log, and its transactions are passed over next time.
    private async Task<IReadOnlyList<RefreshResult>> ConfirmAsync(SourceSession source, ReplicationSpec spec, IReadOnlyList<RefreshResult> results)
    {
        try
        {
            await source.EndAsync().ConfigureAwait(false);
            await LogicalMethod.ConfirmAsync(source, spec, _confirm[spec.Target]).ConfigureAwait(false);
            return results;
        }
        catch (Exception error) when (error is NpgsqlException or InvalidOperationException or MimeoException)
        {
            return [.. results.Select(r => r.Destination == spec.Target ? r with { Warnings = [.. r.Warnings, $"The rows have arrived, but slot '{spec.Slot}' of source '{source.Name}' did not move on ({error.Message}); the next refresh moves it."] } : r)];
        }
    }

    // The view changes over in a transaction of its own, so that a reader who stays long costs a wait and not the load. That of a group has changed with it.
    private async Task<RefreshResult> ShowAsync(PgSession session, RefreshResult result, SnapshotMethod.Load load, bool isShown)
    {
        var view = result.Destination;
        var older = await OlderSnapshots.ReadAsync(session, load.Horizon).ConfigureAwait(false);
        for (var attempt = 1; !isShown; attempt++)
        {
            try
            {
                await older.WaitAsync(session, view, settings.LockTimeout, time).ConfigureAwait(false);
                isShown = await session.InTransactionAsync(async () =>
                {
                    await CopySettings.AgreeAsync(session, settings.LockTimeout).ConfigureAwait(false);
                    var store = await database.GetTargetAsync(session).ConfigureAwait(false);
                    var done = await SnapshotMethod.ShowAsync(session, view, load).ConfigureAwait(false);
                    if (done)
                        await SpecTable.StoreTokenAsync(session, store, view, load.Token, 0).ConfigureAwait(false);
                    return done;
                }).ConfigureAwait(false);
                if (!isShown)
                    return result with { Warnings = [.. result.Warnings, "Another refresh loaded the table meanwhile and shows its own rows."] };
            }
            catch (Exception error) when (error is MimeoLockException or PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected } && attempt < settings.SwapTries)
            {
                // Between two tries those who queued behind this one get their turn.
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(100 * attempt, 5000)), time, session.CancellationToken).ConfigureAwait(false);
            }
        }
        try
        {
            await session.InTransactionAsync(async () =>
            {
                await CopySettings.AgreeAsync(session, settings.LockTimeout).ConfigureAwait(false);
                await session.ScalarAsync(SpecTable.Lock, PgParameter.Text(SpecTable.Text(view))).ConfigureAwait(false);
                return await SnapshotMethod.EmptyAsync(session, view, load).ConfigureAwait(false);
            }).ConfigureAwait(false);
            return result;
        }
        catch (PostgresException error) when (error.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected)
        {
            return result with { Warnings = [.. result.Warnings, "The former rows are still read by somebody; the next refresh takes their space."] };
        }
    }

    /// <summary>Whether the source of a snapshot is as it was at its last load, and how often that was so already; null where it may not be.</summary>
    public static async Task<int?> SkipsAsync(PgSession session, MimeoStore store, ReplicationSpec spec, SourceSession source, string token)
    {
        var (known, skips) = await session.RowAsync($"SELECT change_token, skips FROM {store.Beside("table_state")} WHERE dest_table = $1",
            row => (row.Text(0), row.GetInt32(1)), PgParameter.Text(SpecTable.Text(spec.Target))).ConfigureAwait(false);
        return known != token || (PgServerVersion.Of(source.Session.Connection).Major < 15 && skips >= SkipsBefore15) ? null : skips;
    }

    private static async Task<bool> SkipAsync(PgSession session, MimeoStore store, ReplicationSpec spec, SourceSession source, string token)
    {
        if (await SkipsAsync(session, store, spec, source, token).ConfigureAwait(false) is not { } skips)
            return false;
        await SpecTable.StoreTokenAsync(session, store, spec.Target, token, skips + 1).ConfigureAwait(false);
        return true;
    }

    private async Task<SourceSession> SourceAsync(PgSession session, MimeoStore store, string name)
    {
        if (!_sources.TryGetValue(name, out var source))
            _sources[name] = source = (await SourceRegistry.OpenAsync(session, store, pools, name).ConfigureAwait(false)).Session;
        return source;
    }

    private static RefreshResult Result(ReplicationSpec spec, RefreshStatus status) =>
        new(spec.Target, spec.Kind, status, 0, 0, CopyFormat.Binary, spec.LastValue, TimeSpan.Zero, []);
}
