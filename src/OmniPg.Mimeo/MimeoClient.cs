using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>Pulls tables of other PostgreSQL databases into one. Thread-safe.</summary>
/// <remarks>Each call opens its own connections, outside of any ambient transaction, and leaves no setting behind. Does not own the data source.</remarks>
public sealed class MimeoClient : IMimeo
{
    // The counters of servers before 15 travel by UDP and may be lost.
    private const int SkipsBefore15 = 24;

    private readonly MimeoDatabase _database;
    private readonly MimeoOptions _options;
    private readonly TimeProvider _time;

    /// <summary>Creates the client; nothing is contacted.</summary>
    /// <param name="dataSource">The destination. Its role owns what is created.</param>
    /// <param name="options">Settings; null means all defaults.</param>
    /// <param name="timeProvider">Clock of the waits between tries; null is the system's.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options cannot work: all failures at once.</exception>
    public MimeoClient(NpgsqlDataSource dataSource, MimeoOptions? options = null, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(dataSource);
        _options = OptionsCheck.Require(options ?? new MimeoOptions());
        _time = timeProvider ?? TimeProvider.System;
        _database = new MimeoDatabase(dataSource, _options);
    }

    /// <inheritdoc/>
    public Task EnsureCreatedAsync(CancellationToken cancellationToken = default) => _database.EnsureCreatedAsync(cancellationToken);

    /// <inheritdoc/>
    public Task AddSourceAsync(string name, string connectionString, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (int.TryParse(name, CultureInfo.InvariantCulture, out _))
            throw new ArgumentException($"The name '{name}' is a number, by which sources of the extension are called.", nameof(name));
        var (server, user, password) = ConnectionInfo.ToLibpq(connectionString);
        return RunAsync("store a source", async (session, store) =>
        {
            var known = await session.ScalarAsync($"SELECT data_source_id FROM {store.Beside("source_name")} WHERE name = $1", PgParameter.Text(name)).ConfigureAwait(false);
            NpgsqlParameter[] values = [PgParameter.Text(server), PgParameter.Text(user), PgParameter.Text(password)];
            if (known is int id)
            {
                return await session.ExecuteAsync($"UPDATE {store.Of("dblink_mapping_mimeo")} SET data_source = $1, username = $2, pwd = $3 WHERE data_source_id = $4",
                    [.. values, PgParameter.Integer(id)]).ConfigureAwait(false);
            }
            var added = (int)(await session.ScalarAsync(
                $"INSERT INTO {store.Of("dblink_mapping_mimeo")} (data_source, username, pwd) VALUES ($1, $2, $3) RETURNING data_source_id", values).ConfigureAwait(false))!;
            return await session.ExecuteAsync($"INSERT INTO {store.Beside("source_name")} VALUES ($1, $2)", PgParameter.Text(name), PgParameter.Integer(added)).ConfigureAwait(false);
        }, cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<MimeoSource>> ListSourcesAsync(CancellationToken cancellationToken = default) => RunAsync("list the sources", (session, store) => session.RowsAsync(
        $"SELECT m.data_source_id, coalesce(n.name, m.data_source_id::text), m.data_source, m.username FROM {store.Of("dblink_mapping_mimeo")} m LEFT JOIN {store.Beside("source_name")} n USING (data_source_id) ORDER BY 2",
        row => new MimeoSource(row.GetInt32(0), row.GetString(1), row.GetString(2), row.GetString(3))), cancellationToken);

    /// <inheritdoc/>
    public Task RemoveSourceAsync(string name, CancellationToken cancellationToken = default) => RunAsync("remove a source", async (session, store) =>
    {
        var (id, _) = await FindSourceAsync(session, store, name).ConfigureAwait(false);
        if (await session.ScalarAsync($"SELECT dest_table FROM {store.Of("refresh_config")} WHERE dblink = $1 ORDER BY 1 LIMIT 1", PgParameter.Integer(id)).ConfigureAwait(false) is string table)
            throw new ReplicationConflictException($"Table '{table}' comes from source '{name}'.", "Drop its tables first.");
        await session.ExecuteAsync($"DELETE FROM {store.Beside("source_name")} WHERE data_source_id = $1", PgParameter.Integer(id)).ConfigureAwait(false);
        return await session.ExecuteAsync($"DELETE FROM {store.Of("dblink_mapping_mimeo")} WHERE data_source_id = $1", PgParameter.Integer(id)).ConfigureAwait(false);
    }, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<ReplicationSpec>> ListAsync(CancellationToken cancellationToken = default) =>
        RunAsync("list the tables", (session, store) => SpecTable.ReadAsync(session, store, null), cancellationToken);

    /// <inheritdoc/>
    public Task<ReplicationSpec?> FindAsync(QualifiedName destination, CancellationToken cancellationToken = default)
    {
        _ = SpecTable.Text(destination);
        return RunAsync("find a table", async (session, store) => await SpecTable.FindAsync(session, store, destination).ConfigureAwait(false), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<CreateResult> CreateAsync(ReplicationSpec spec, CreateOptions? options = null, IProgress<CopyProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        RequireSense(spec);
        options = OptionsCheck.Require(options ?? new CreateOptions());
        return ExplainAsync(spec.Target, "create it", () => RunAsync($"create '{spec.Target}'", async (session, store) =>
        {
            await session.ScalarAsync(SpecTable.Lock, PgParameter.Text(SpecTable.Text(spec.Target))).ConfigureAwait(false);
            if (await SpecTable.IsManagedAsync(session, store, spec.Target).ConfigureAwait(false))
                throw new ReplicationConflictException($"Destination '{spec.Target}' is managed already.", "Drop it from the configuration first.");
            var (sourceId, source) = await OpenSourceAsync(session, store, spec.From).ConfigureAwait(false);
            await using var closing = source.ConfigureAwait(false);
            var token = spec.Kind == ReplicationKind.Snapshot ? await source.AskAsync(spec.Source, at => ChangeToken.ReadAsync(at, spec)).ConfigureAwait(false) : null;
            var run = await TableRun.BeginAsync(spec, store, session, source, _options, _database.DataSource, progress).ConfigureAwait(false);
            var existing = await RelationInfo.FindAsync(session, spec.Target).ConfigureAwait(false);
            IReadOnlyList<ColumnInfo> key = [];
            if (spec.Kind == ReplicationKind.Snapshot)
            {
                foreach (var name in (QualifiedName[])[spec.Target, SnapshotMethod.Table(spec.Target, 1), SnapshotMethod.Table(spec.Target, 2)])
                {
                    if (await RelationInfo.FindAsync(session, name).ConfigureAwait(false) is not null)
                        throw new DestinationExistsException(name);
                }
                await SnapshotMethod.CreateAsync(run, options).ConfigureAwait(false);
            }
            else
            {
                var indexes = await SourceIndexes.ReadAsync(run).ConfigureAwait(false);
                key = spec.Kind == ReplicationKind.Updater ? indexes.Key() : [];
                var method = spec.Cursor is null ? null : new CursorMethod(run);
                if (existing is not null)
                {
                    run.RequireFit(existing);
                }
                else
                {
                    await run.CreateTableAsync(spec.Target).ConfigureAwait(false);
                    if (options.PullData && method is not null)
                        await method.FillAsync(spec.Target).ConfigureAwait(false);
                    else if (options.PullData)
                        await run.CopyAsync(run.Query(), spec.Target, freeze: true).ConfigureAwait(false);
                    await indexes.BuildAsync(spec.Target, options.Indexes, "", key).ConfigureAwait(false);
                    await session.Unlimited.ExecuteAsync($"ANALYZE {spec.Target.Quoted}").ConfigureAwait(false);
                }
            }
            await SpecTable.InsertAsync(session, store, spec, sourceId, key).ConfigureAwait(false);
            if (spec.Cursor is not null)
                await new CursorMethod(run).StoreFirstAsync(filled: options.PullData && existing is null).ConfigureAwait(false);
            if (options.PullData && existing is null)
                await SpecTable.RanAsync(session, store, spec).ConfigureAwait(false);
            await StoreTokenAsync(session, store, spec.Target, options.PullData ? token : null, 0).ConfigureAwait(false);
            var stored = (await SpecTable.FindAsync(session, store, spec.Target).ConfigureAwait(false))!;
            return new CreateResult(stored, existing is not null, run.Rows, run.Warnings);
        }, cancellationToken));
    }

    /// <inheritdoc/>
    public Task<RefreshResult> RefreshAsync(QualifiedName destination, RefreshOptions? options = null, IProgress<CopyProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        _ = SpecTable.Text(destination);
        options = OptionsCheck.Require(options ?? new RefreshOptions());
        return ExplainAsync(destination, "refresh it", async () =>
        {
            var clock = Stopwatch.StartNew();
            return await _database.RunEachAsync($"refresh '{destination}'", async (session, store) =>
            {
                store.Require(_database.Name);
                var spec = (await ReadOneAsync(session, store, destination).ConfigureAwait(false)) ?? throw new NotManagedException(SpecTable.Text(destination));
                var (result, load) = await RefreshInTransactionAsync(session, store, spec, options, progress).ConfigureAwait(false);
                if (load is { File: not null } loaded)
                    result = await ShowAsync(session, result, loaded).ConfigureAwait(false);
                return result with { Elapsed = clock.Elapsed };
            }, cancellationToken).ConfigureAwait(false);
        });
    }

    /// <inheritdoc/>
    public Task<DropResult> DropAsync(QualifiedName destination, bool keepTable = true, CancellationToken cancellationToken = default)
    {
        _ = SpecTable.Text(destination);
        return ExplainAsync(destination, "drop it", () => RunAsync($"drop '{destination}'", async (session, store) =>
        {
            await session.ScalarAsync(SpecTable.Lock, PgParameter.Text(SpecTable.Text(destination))).ConfigureAwait(false);
            var spec = await SpecTable.FindAsync(session, store, destination).ConfigureAwait(false) ?? throw new NotManagedException(SpecTable.Text(destination));
            var dropped = spec.Kind == ReplicationKind.Snapshot ? await SnapshotMethod.DropAsync(session, destination, keepTable).ConfigureAwait(false) : [];
            if (!keepTable && spec.Kind != ReplicationKind.Snapshot && await RelationInfo.FindAsync(session, destination).ConfigureAwait(false) is not null)
            {
                await session.ExecuteAsync($"DROP TABLE {destination.Quoted}").ConfigureAwait(false);
                dropped = [destination];
            }
            await SpecTable.DeleteAsync(session, store, spec).ConfigureAwait(false);
            return new DropResult(destination, keepTable, dropped);
        }, cancellationToken));
    }

    private async Task<(RefreshResult Result, SnapshotMethod.Load? Load)> RefreshInTransactionAsync(
        PgSession session, MimeoStore store, ReplicationSpec known, RefreshOptions options, IProgress<CopyProgress>? progress)
    {
        var waiting = false;
        try
        {
            return await session.InTransactionAsync(async () =>
            {
                waiting = true;
                var mine = await LockAsync(session, known.Target, options.LockWait).ConfigureAwait(false);
                waiting = false;
                if (!mine)
                    return (Result(known, RefreshStatus.SkippedLocked), null);
                await SourceSession.AgreeAsync(session, _options.LockTimeout).ConfigureAwait(false);
                // Under the lock: another one may have changed it meanwhile.
                var spec = await SpecTable.FindAsync(session, store, known.Target).ConfigureAwait(false) ?? throw new NotManagedException(SpecTable.Text(known.Target));
                if (options.Repull is not null && spec.Cursor is null)
                    throw new ArgumentException($"'{spec.Target}' has no cursor column to repull by; every refresh of it pulls all rows.", nameof(options));
                var (_, source) = await OpenSourceAsync(session, store, spec.From).ConfigureAwait(false);
                await using var closing = source.ConfigureAwait(false);
                return await RefreshOneAsync(session, store, spec, source, options, progress).ConfigureAwait(false);
            }).ConfigureAwait(false);
        }
        catch (PostgresException error) when (waiting && error.SqlState == PostgresErrorCodes.LockNotAvailable)
        {
            return (Result(known, RefreshStatus.SkippedLocked), null);
        }
    }

    private async Task<(RefreshResult Result, SnapshotMethod.Load? Load)> RefreshOneAsync(
        PgSession session, MimeoStore store, ReplicationSpec spec, SourceSession source, RefreshOptions options, IProgress<CopyProgress>? progress)
    {
        string? token = null;
        if (spec.Kind == ReplicationKind.Snapshot)
        {
            token = await source.AskAsync(spec.Source, at => ChangeToken.ReadAsync(at, spec)).ConfigureAwait(false);
            if ((options.SkipUnchanged ?? spec.SkipUnchanged) && token is not null && await SkipAsync(session, store, spec, source, token).ConfigureAwait(false))
            {
                await SpecTable.RanAsync(session, store, spec).ConfigureAwait(false);
                return (Result(spec, RefreshStatus.SkippedUnchanged), null);
            }
        }
        var run = await TableRun.BeginAsync(spec, store, session, source, _options, _database.DataSource, progress).ConfigureAwait(false);
        SnapshotMethod.Load? load = null;
        var outcome = RefreshStatus.Refreshed;
        switch (spec.Kind)
        {
            case ReplicationKind.Snapshot:
                load = await SnapshotMethod.LoadAsync(run).ConfigureAwait(false);
                // Known to be shown only once it is: a load that stays unseen is done again.
                await StoreTokenAsync(session, store, spec.Target, load is { File: null } ? token : null, 0).ConfigureAwait(false);
                break;
            case ReplicationKind.Table:
                outcome = await ReloadMethod.RefreshAsync(run).ConfigureAwait(false);
                break;
            default:
                outcome = await new CursorMethod(run).RefreshAsync(options.Limit ?? spec.BatchLimit, options.Repull).ConfigureAwait(false);
                break;
        }
        await SpecTable.RanAsync(session, store, spec).ConfigureAwait(false);
        var last = spec.Cursor is null ? null : (await SpecTable.FindAsync(session, store, spec.Target).ConfigureAwait(false))!.LastValue;
        var result = Result(spec, outcome) with { Rows = run.Rows, Bytes = run.Bytes, Format = run.Format, LastValue = last, Warnings = run.Warnings };
        return (result, load is { } loaded ? loaded with { Token = token } : null);
    }

    // The view changes over in a transaction of its own, so that a reader who stays long costs a wait and not the load.
    private async Task<RefreshResult> ShowAsync(PgSession session, RefreshResult result, SnapshotMethod.Load load)
    {
        var view = result.Destination;
        var shown = false;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                shown = await session.InTransactionAsync(async () =>
                {
                    await SourceSession.AgreeAsync(session, _options.LockTimeout).ConfigureAwait(false);
                    var store = await _database.GetTargetAsync(session).ConfigureAwait(false);
                    var done = await SnapshotMethod.ShowAsync(session, view, load).ConfigureAwait(false);
                    if (done)
                        await StoreTokenAsync(session, store, view, load.Token, 0).ConfigureAwait(false);
                    return done;
                }).ConfigureAwait(false);
                break;
            }
            catch (PostgresException error) when (error.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected && attempt < _options.SwapTries)
            {
                // Between two tries those who queued behind this one get their turn.
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(100 * attempt, 5000)), _time, session.CancellationToken).ConfigureAwait(false);
            }
        }
        if (!shown)
            return result with { Warnings = [.. result.Warnings, "Another refresh loaded the table meanwhile and shows its own rows."] };
        try
        {
            await session.InTransactionAsync(async () =>
            {
                await SourceSession.AgreeAsync(session, _options.LockTimeout).ConfigureAwait(false);
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

    private static async Task<bool> SkipAsync(PgSession session, MimeoStore store, ReplicationSpec spec, SourceSession source, string token)
    {
        var (known, skips) = await session.RowAsync($"SELECT change_token, skips FROM {store.Beside("table_state")} WHERE dest_table = $1",
            row => (row.Text(0), row.GetInt32(1)), PgParameter.Text(SpecTable.Text(spec.Target))).ConfigureAwait(false);
        if (known != token || (PgServerVersion.Of(source.Session.Connection).Major < 15 && skips >= SkipsBefore15))
            return false;
        await StoreTokenAsync(session, store, spec.Target, token, skips + 1).ConfigureAwait(false);
        return true;
    }

    private static Task<int> StoreTokenAsync(PgSession session, MimeoStore store, QualifiedName destination, string? token, int skips) => session.ExecuteAsync(
        $"INSERT INTO {store.Beside("table_state")} VALUES ($1, $2, $3) ON CONFLICT (dest_table) DO UPDATE SET change_token = excluded.change_token, skips = excluded.skips",
        PgParameter.Text(SpecTable.Text(destination)), PgParameter.Text(token), PgParameter.Integer(skips));

    private static async Task<bool> LockAsync(PgSession session, QualifiedName destination, TimeSpan wait)
    {
        var name = PgParameter.Text(SpecTable.Text(destination));
        if (wait == TimeSpan.Zero)
            return await session.ScalarAsync(SpecTable.TryLock, name).ConfigureAwait(false) is true;
        await session.ScalarAsync("SELECT pg_catalog.set_config('lock_timeout', $1, true)",
            PgParameter.Text(((long)Math.Max(wait.TotalMilliseconds, 1)).ToString(CultureInfo.InvariantCulture))).ConfigureAwait(false);
        await session.Unlimited.ScalarAsync(SpecTable.Lock, name).ConfigureAwait(false);
        return true;
    }

    private Task<ReplicationSpec?> ReadOneAsync(PgSession session, MimeoStore store, QualifiedName destination) => session.InTransactionAsync(async () =>
    {
        await SourceSession.AgreeAsync(session, _options.LockTimeout).ConfigureAwait(false);
        return await SpecTable.FindAsync(session, store, destination).ConfigureAwait(false);
    });

    private async Task<(int Id, SourceSession Session)> OpenSourceAsync(PgSession session, MimeoStore store, string name)
    {
        var (id, connectionString) = await FindSourceAsync(session, store, name).ConfigureAwait(false);
        return (id, await SourceSession.OpenAsync(
            name, _options.Sources.TryGetValue(name, out var given) ? given : null, connectionString, session.CommandTimeoutSeconds, session.CancellationToken).ConfigureAwait(false));
    }

    private static async Task<(int Id, string ConnectionString)> FindSourceAsync(PgSession session, MimeoStore store, string name)
    {
        var found = await session.RowsAsync(
            $"SELECT m.data_source_id, m.data_source, m.username, m.pwd FROM {store.Of("dblink_mapping_mimeo")} m LEFT JOIN {store.Beside("source_name")} n USING (data_source_id) WHERE coalesce(n.name, m.data_source_id::text) = $1",
            row => (row.GetInt32(0), ConnectionInfo.ToNpgsql(row.GetString(1), row.GetString(2), row.Text(3))), PgParameter.Text(name)).ConfigureAwait(false);
        return found is [var one, ..] ? one : throw new UnknownSourceException(name);
    }

    private static void RequireSense(ReplicationSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        _ = SpecTable.Text(spec.Source);
        _ = SpecTable.Text(spec.Target);
        var cursor = spec.Kind is ReplicationKind.Inserter or ReplicationKind.Updater;
        string? wrong = spec switch
        {
            { From: null or "" } => "From must name a source.",
            _ when !Enum.IsDefined(spec.Kind) => $"Kind '{spec.Kind}' is none.",
            _ when cursor != spec.Cursor is not null => $"Cursor must {(cursor ? "" : "not ")}be given for {spec.Kind}.",
            { Kind: not ReplicationKind.Updater, Key.Count: > 0 } => $"Key means nothing for {spec.Kind}.",
            { Kind: not ReplicationKind.Table, Sequences.Count: > 0 } or { Kind: not ReplicationKind.Table, TruncateCascade: true } => $"Sequences and TruncateCascade mean nothing for {spec.Kind}.",
            { Kind: not ReplicationKind.Snapshot, PostScript.Count: > 0 } => $"PostScript means nothing for {spec.Kind}.",
            { BatchLimit: <= 0 } => $"BatchLimit '{spec.BatchLimit}' must be positive.",
            _ when !cursor && spec.BatchLimit is not null => $"BatchLimit means nothing for {spec.Kind}.",
            _ when spec.Kind == ReplicationKind.Snapshot && System.Text.Encoding.UTF8.GetByteCount(spec.Target.Name.Value) > SnapshotMethod.MaxNameBytes =>
                $"The name '{spec.Target.Name.Value}' has more than {SnapshotMethod.MaxNameBytes} bytes, and '_snap1' has to fit behind it.",
            _ => null,
        };
        if (wrong is not null)
            throw new ArgumentException(wrong, nameof(spec));
    }

    private static RefreshResult Result(ReplicationSpec spec, RefreshStatus outcome) =>
        new(spec.Target, spec.Kind, outcome, 0, 0, CopyFormat.Binary, spec.LastValue, TimeSpan.Zero, []);

    private Task<T> RunAsync<T>(string operation, Func<PgSession, MimeoStore, Task<T>> work, CancellationToken cancellationToken) =>
        _database.RunAsync(operation, async (session, store) =>
        {
            store.Require(_database.Name);
            await SourceSession.AgreeAsync(session, _options.LockTimeout).ConfigureAwait(false);
            return await work(session, store).ConfigureAwait(false);
        }, cancellationToken);

    private static async Task<T> ExplainAsync<T>(QualifiedName relation, string operation, Func<Task<T>> work)
    {
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (PostgresException error) when (error.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected)
        {
            throw new MimeoLockException(relation, operation, error);
        }
        catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.DependentObjectsStillExist)
        {
            throw new DependentObjectsException(relation, error);
        }
    }
}
