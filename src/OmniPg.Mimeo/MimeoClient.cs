using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OmniPg.Jobmon;

namespace OmniPg.Mimeo;

/// <summary>Pulls tables of other PostgreSQL databases into one. Thread-safe.</summary>
/// <remarks>Each call opens its own connections, outside of any ambient transaction, and leaves no setting behind. Does not own the data source.</remarks>
public sealed class MimeoClient : IMimeo
{
    private readonly MimeoDatabase _database;
    private readonly MimeoOptions _options;
    private readonly TimeProvider _time;
    private readonly RunRecord _record;
    private readonly SourcePools _pools;

    /// <summary>Creates the client; nothing is contacted.</summary>
    /// <param name="dataSource">The destination. Its role owns what is created.</param>
    /// <param name="options">Settings; null means all defaults.</param>
    /// <param name="loggerFactory">Where to log; null for nowhere.</param>
    /// <param name="time">Clock of the waits between tries, and of pauses for changes of clocks; null is the system's.</param>
    /// <param name="jobmon">Job log for set-ups and refreshes; null for none. It stays the caller's.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options cannot work: all failures at once.</exception>
    public MimeoClient(NpgsqlDataSource dataSource, MimeoOptions? options = null, ILoggerFactory? loggerFactory = null, TimeProvider? time = null, IJobmon? jobmon = null)
    {
        ArgumentNullException.ThrowIfNull(dataSource);
        _options = OptionsCheck.Require(options ?? new MimeoOptions());
        _time = time ?? TimeProvider.System;
        _record = new RunRecord((loggerFactory ?? NullLoggerFactory.Instance).CreateLogger(MimeoTelemetry.SourceName), jobmon);
        _database = new MimeoDatabase(dataSource, _options);
        _pools = new SourcePools(_options);
    }

    /// <inheritdoc/>
    public Task EnsureCreatedAsync(CancellationToken cancellationToken = default) => _database.EnsureCreatedAsync(cancellationToken);

    /// <inheritdoc/>
    public Task AddSourceAsync(string name, string connectionString, CancellationToken cancellationToken = default)
    {
        SourceRegistry.RequireName(name);
        var connection = ConnectionInfo.ToLibpq(connectionString);
        return RunAsync("store a source", async (session, store) =>
        {
            var added = await SourceRegistry.AddAsync(session, store, name, connection).ConfigureAwait(false);
            await _database.RequireUnmovedAsync(session, store).ConfigureAwait(false);
            return added;
        }, cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<MimeoSource>> ListSourcesAsync(CancellationToken cancellationToken = default) => RunAsync("list the sources", SourceRegistry.ListAsync, cancellationToken);

    /// <inheritdoc/>
    public Task RemoveSourceAsync(string name, CancellationToken cancellationToken = default) =>
        RunAsync("remove a source", (session, store) => SourceRegistry.RemoveAsync(session, store, name), cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<ReplicationSpec>> ListAsync(CancellationToken cancellationToken = default) =>
        RunAsync("list the tables", (session, store) => SpecTable.ReadAsync(session, store, null), cancellationToken);

    /// <inheritdoc/>
    public Task<ReplicationSpec?> FindAsync(QualifiedName destination, CancellationToken cancellationToken = default)
    {
        _ = SpecTable.Text(destination);
        return RunAsync("find a table", (session, store) => SpecTable.FindAsync(session, store, destination), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<CreateResult> CreateAsync(ReplicationSpec spec, CreateOptions? options = null, IProgress<CopyProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        SpecRules.Require(spec);
        options = OptionsCheck.Require(options ?? new CreateOptions());
        return _record.CreateAsync(
            spec, cancellation => MimeoDatabase.NamingAsync(spec.Target, "create it", () => new TableSetup(_database, _options, _pools, spec, options, progress).RunAsync(cancellation)), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<AccessResult> CheckAccessAsync(ReplicationSpec spec, CancellationToken cancellationToken = default)
    {
        SpecRules.Require(spec, isManaged: spec is { LastRun: not null } or { Queue: not null } or { Slot: not null });
        return AccessCheck.RunAsync(_database, _options, _pools, spec, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<ExplainResult> ExplainAsync(ReplicationSpec spec, CreateOptions? options = null, CancellationToken cancellationToken = default)
    {
        SpecRules.Require(spec);
        options = OptionsCheck.Require(options ?? new CreateOptions());
        var access = await CheckAccessAsync(spec, cancellationToken).ConfigureAwait(false);
        return await ExplainResult.OfAsync(access, () => new SetupPlan(_database, _options, _pools, spec, options).RunAsync(access, cancellationToken)).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<ExplainResult> ExplainRefreshAsync(QualifiedName destination, RefreshOptions? options = null, CancellationToken cancellationToken = default)
    {
        options = OptionsCheck.Require(options ?? new RefreshOptions());
        var spec = await FindAsync(destination, cancellationToken).ConfigureAwait(false) ?? throw new NotManagedException(SpecTable.Text(destination));
        RefreshRun.RequireSense(spec, options);
        var access = await AccessCheck.RunAsync(_database, _options, _pools, spec, cancellationToken).ConfigureAwait(false);
        return await ExplainResult.OfAsync(access, () => MimeoDatabase.NamingAsync(spec.Target, "explain a refresh of it",
            () => new RefreshPlan(_database, _options, _pools, _time, options).RunAsync(spec, access, cancellationToken))).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<RefreshResult> RefreshAsync(QualifiedName destination, RefreshOptions? options = null, IProgress<CopyProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        _ = SpecTable.Text(destination);
        options = OptionsCheck.Require(options ?? new RefreshOptions());
        var clock = Stopwatch.StartNew();
        var results = await RefreshAllAsync($"refresh '{destination}'", [destination], options, progress, cancellationToken).ConfigureAwait(false);
        return results[0] with { Elapsed = clock.Elapsed };
    }

    private async Task<RefreshResult> RefreshAsync(ReplicationSpec known, RefreshOptions options, IProgress<CopyProgress>? progress, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        var results = await RefreshKnownAsync($"refresh '{known.Target}'", [known], options, progress, isGroup: false, cancellationToken).ConfigureAwait(false);
        return results[0] with { Elapsed = clock.Elapsed };
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<RefreshResult>> RefreshGroupAsync(
        IReadOnlyCollection<QualifiedName> destinations, GroupOptions? options = null, IProgress<CopyProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(destinations);
        options = OptionsCheck.Require(options ?? new GroupOptions());
        var texts = destinations.Select(SpecTable.Text).ToArray();
        if (texts.Length == 0 || texts.Distinct(StringComparer.Ordinal).Count() < texts.Length)
            throw new ArgumentException("A group has at least one table, and none twice.", nameof(destinations));
        return RefreshAllAsync($"refresh '{string.Join("', '", texts)}'", [.. destinations], new RefreshOptions { LockWait = options.LockWait }, progress, cancellationToken, isGroup: true);
    }

    /// <inheritdoc/>
    public async Task<DueResult> RefreshDueAsync(DueOptions? options = null, IProgress<CopyProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        options = OptionsCheck.Require(options ?? new DueOptions());
        var (due, known) = await RunAsync("look for tables that are due", async (session, store) =>
        {
            var tables = await SpecTable.DueAsync(session, store, options).ConfigureAwait(false);
            // All at once, for one after another takes as long as the refreshes of tables that have not changed.
            var specs = tables.Count == 0 ? [] : await SpecTable.ReadAsync(session, store, null).ConfigureAwait(false);
            return (tables, specs.ToDictionary(s => s.Target));
        }, cancellationToken).ConfigureAwait(false);
        return await new DueRun(options, (table, cancellation) => RefreshAsync(known[table], new RefreshOptions(), progress, cancellation)).RunAsync([.. due.Where(d => known.ContainsKey(d.Table))], cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task<ValidationResult> ValidateAsync(QualifiedName destination, ValidationOptions? options = null, CancellationToken cancellationToken = default)
    {
        options = OptionsCheck.Require(options ?? new ValidationOptions());
        return CompareAsync(destination, "compare", options.LockWait, spec => spec.IgnoreDeletes ? "has rows that its source has deleted; compare it, which passes them over"
            : spec.HasCursor || (options.Start ?? options.End) is null ? null : "has no cursor column to bound a comparison by",
            run => new Validation(run).RunAsync(options), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<ComparisonResult> CompareAsync(QualifiedName destination, ComparisonOptions? options = null, CancellationToken cancellationToken = default) =>
        CompareAsync(destination, "compare", options, repair: false, cancellationToken);

    /// <inheritdoc/>
    public Task<ComparisonResult> RepairAsync(QualifiedName destination, ComparisonOptions? options = null, CancellationToken cancellationToken = default) =>
        CompareAsync(destination, "repair", options, repair: true, cancellationToken);

    private Task<ComparisonResult> CompareAsync(QualifiedName destination, string verb, ComparisonOptions? options, bool repair, CancellationToken cancellationToken)
    {
        options = OptionsCheck.Require(options ?? new ComparisonOptions());
        return CompareAsync(destination, verb, options.LockWait, spec => spec.Key.Count > 0 ? null : "has no key to tell its rows by; refresh or repull it", run => new Comparison(run).RunAsync(options, repair), cancellationToken);
    }

    // Under the lock of the table, from one snapshot of the source.
    private Task<T> CompareAsync<T>(QualifiedName destination, string verb, TimeSpan lockWait, Func<ReplicationSpec, string?> refuse, Func<TableRun, Task<T>> work, CancellationToken cancellationToken)
    {
        var name = SpecTable.Text(destination);
        return MimeoDatabase.NamingAsync(destination, $"{verb} it", () => RunAsync($"{verb} '{destination}'", async (session, store) =>
        {
            if (!await SpecTable.TryLockAsync(session, name, lockWait).ConfigureAwait(false))
                throw new MimeoLockException(destination, $"{verb} it, for a refresh of it is running", null);
            await CopySettings.AgreeAsync(session, _options.LockTimeout).ConfigureAwait(false);
            var spec = await SpecTable.FindAsync(session, store, destination).ConfigureAwait(false) ?? throw new NotManagedException(name);
            if (refuse(spec) is { } why)
                throw new ArgumentException($"'{destination}' ({spec.Kind}) {why}.", nameof(destination));
            var (_, source) = await SourceRegistry.OpenAsync(session, store, _pools, spec.From).ConfigureAwait(false);
            await using var closing = source.ConfigureAwait(false);
            // Its queue is only read.
            await source.TakeSnapshotAsync(_options.LockTimeout, spec with { Queue = null }).ConfigureAwait(false);
            return await work(await TableRun.BeginAsync(spec, store, session, source, _options, _database.DataSource, null).ConfigureAwait(false)).ConfigureAwait(false);
        }, cancellationToken));
    }

    /// <inheritdoc/>
    public Task<ReplicationSpec> UpdateAsync(ReplicationSpec spec, CancellationToken cancellationToken = default)
    {
        SpecRules.Require(spec, isManaged: true);
        return MimeoDatabase.NamingAsync(spec.Target, "change it", () => RunAsync($"change '{spec.Target}'", async (session, store) =>
        {
            await session.ScalarAsync(SpecTable.Lock, PgParameter.Text(SpecTable.Text(spec.Target))).ConfigureAwait(false);
            var stored = await SpecTable.FindAsync(session, store, spec.Target).ConfigureAwait(false) ?? throw new NotManagedException(SpecTable.Text(spec.Target));
            if (SpecRules.Fixed(stored, spec) is [_, ..] others)
                throw new ArgumentException($"Of '{spec.Target}' ({stored.Kind}) only Period, BatchLimit, Audit{(SpecTable.ReadsAll(stored) ? ", Columns, Condition" : "")} and the options of its kind can be changed, and {string.Join(", ", others)} would be. Drop it and create it anew.", nameof(spec));
            SpecTable.RequireKept(store, spec, stored);
            await SpecTable.UpdateAsync(session, store, spec).ConfigureAwait(false);
            if (spec.KeepHistory && (!stored.KeepHistory || await RelationInfo.FindAsync(session, DeletedHistory.Table(spec.Target)).ConfigureAwait(false) is null))
                await DeletedHistory.MakeAsync(session, store, _database.Name, stored, stored.Key, () => WrittenAsync(session, store, stored)).ConfigureAwait(false);
            return (await SpecTable.FindAsync(session, store, spec.Target).ConfigureAwait(false))!;
        }, cancellationToken));
    }

    // What a refresh of a logdel writes, of what the destination has.
    private async Task<IEnumerable<PgIdentifier>> WrittenAsync(PgSession session, MimeoStore store, ReplicationSpec spec)
    {
        var (_, source) = await SourceRegistry.OpenAsync(session, store, _pools, spec.From).ConfigureAwait(false);
        await using var closing = source.ConfigureAwait(false);
        var relation = await source.AskAsync(spec.Source, at => RelationInfo.FindAsync(at, spec.Source)).ConfigureAwait(false) ?? throw new SourceTableNotFoundException(spec.Source, source.Name);
        return relation.Pick(spec.Columns, spec.Target).Select(c => c.Name).Append(TableRun.Deleted);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<DeclaredTable>> PlanTablesAsync(IReadOnlyCollection<ReplicationSpec> tables, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tables);
        foreach (var table in tables)
            SpecRules.Require(table, isManaged: true);
        if (tables.DistinctBy(t => t.Target).Count() < tables.Count)
            throw new ArgumentException("A table is declared twice.", nameof(tables));
        var plan = await RunAsync("compare the tables with those that are wanted", (session, store) => SpecRules.PlanAsync(session, store, tables), cancellationToken).ConfigureAwait(false);
        foreach (var (table, _) in tables.Zip(plan).Where(t => t.Second.Outcome == DeclaredFate.Created))
            SpecRules.Require(table);
        return plan;
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<DeclaredTable>> ApplyTablesAsync(IReadOnlyCollection<ReplicationSpec> tables, IProgress<CopyProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        // Nothing is changed where one of them cannot be.
        var done = (await PlanTablesAsync(tables, cancellationToken).ConfigureAwait(false)).ToArray();
        foreach (var (place, table) in tables.Index())
        {
            if (done[place].Outcome == DeclaredFate.Created)
            {
                var made = await CreateAsync(table, null, progress, cancellationToken).ConfigureAwait(false);
                done[place] = done[place] with { Warnings = made.DestinationExisted ? [.. made.Warnings, $"'{table.Target}' was there, so no rows were pulled."] : made.Warnings };
            }
            else if (done[place].Outcome == DeclaredFate.Changed)
            {
                await UpdateAsync(table, cancellationToken).ConfigureAwait(false);
            }
        }
        return done;
    }

    /// <inheritdoc/>
    public Task<TableStatusResult> StatusAsync(QualifiedName destination, CancellationToken cancellationToken = default)
    {
        var name = SpecTable.Text(destination);
        return RunAsync($"look at '{destination}'", async (session, store) =>
        {
            var spec = await SpecTable.FindAsync(session, store, destination).ConfigureAwait(false) ?? throw new NotManagedException(name);
            return RunRecord.Measured(await TableStatusResult.ReadAsync(session, store, _pools, spec).ConfigureAwait(false));
        }, cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<SnapshotSize>> SnapshotMonitorAsync(SnapshotMonitorOptions? options = null, CancellationToken cancellationToken = default)
    {
        options = OptionsCheck.Require(options ?? new SnapshotMonitorOptions());
        return RunAsync("measure the snapshots", (session, store) => SnapshotSize.ReadAsync(session, store, _options, _pools, options), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<DriftResult> FindDriftAsync(QualifiedName destination, CancellationToken cancellationToken = default)
    {
        var name = SpecTable.Text(destination);
        return RunAsync($"compare the columns of '{destination}'", async (session, store) =>
        {
            var spec = await SpecTable.FindAsync(session, store, destination).ConfigureAwait(false) ?? throw new NotManagedException(name);
            return await DriftResult.FindAsync(session, store, _options, _pools, spec).ConfigureAwait(false);
        }, cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<QualifiedName>> FindUnreplicatedAsync(string source, bool includeViews = false, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(source);
        return RunAsync($"look for tables of '{source}'", (session, store) => SourceRegistry.UnreplicatedAsync(session, store, _pools, source, includeViews), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<SourceOrphan>> FindOrphansAsync(string source, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(source);
        return RunAsync($"look for what '{source}' has left", (session, store) => SourceOrphan.FindAsync(session, store, _pools, source), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<MoveResult> ImportFromExtensionAsync(CancellationToken cancellationToken = default) =>
        MoveAsync("take over the extension's tables", (session, store) => ConfigurationMove.ImportAsync(session, store, () => _database.InstallOwnAsync(session)), cancellationToken);

    /// <inheritdoc/>
    public Task<MoveResult> ExportToExtensionAsync(CancellationToken cancellationToken = default) => MoveAsync("give the tables to the extension", ConfigurationMove.ExportAsync, cancellationToken);

    /// <inheritdoc/>
    public Task<DropResult> DropAsync(QualifiedName destination, bool keepTable = true, SourceCleanup sourceCleanup = SourceCleanup.Require, CancellationToken cancellationToken = default)
    {
        _ = SpecTable.Text(destination);
        if (!Enum.IsDefined(sourceCleanup))
            throw new ArgumentOutOfRangeException(nameof(sourceCleanup));
        return MimeoDatabase.NamingAsync(destination, "drop it", () => RunAsync($"drop '{destination}'", async (session, store) =>
        {
            await session.ScalarAsync(SpecTable.Lock, PgParameter.Text(SpecTable.Text(destination))).ConfigureAwait(false);
            var spec = await SpecTable.FindAsync(session, store, destination).ConfigureAwait(false) ?? throw new NotManagedException(SpecTable.Text(destination));
            var dropped = spec.Kind == ReplicationKind.Snapshot ? await SnapshotMethod.DropAsync(session, destination, keepTable).ConfigureAwait(false) : [];
            if (!keepTable && spec.Kind != ReplicationKind.Snapshot)
                dropped = await DropTablesAsync(session, store, spec).ConfigureAwait(false);
            await SpecTable.DeleteAsync(session, store, spec).ConfigureAwait(false);
            // The last step before the commit: a table without its queue says so at its next refresh, a queue that nobody reads any more fills on unseen.
            IReadOnlyList<string> left = [];
            if (spec.HasChanges && sourceCleanup == SourceCleanup.Skip)
            {
                left = spec.HasQueue ? SourceQueue.Statements(spec) : SourceSlot.Statements(spec);
            }
            else if (spec.HasChanges)
            {
                var (_, source) = await SourceRegistry.OpenAsync(session, store, _pools, spec.From).ConfigureAwait(false);
                await using var closing = source.ConfigureAwait(false);
                if (spec.HasQueue)
                    await SourceQueue.DropAsync(source, spec, _options.LockTimeout).ConfigureAwait(false);
                else
                    left = await SourceSlot.DropAsync(source, spec).ConfigureAwait(false);
            }
            return new DropResult(destination, keepTable, dropped, left);
        }, cancellationToken));
    }

    private static async Task<IReadOnlyList<QualifiedName>> DropTablesAsync(PgSession session, MimeoStore store, ReplicationSpec spec)
    {
        var tables = new List<QualifiedName>();
        if (await RelationInfo.FindAsync(session, spec.Target).ConfigureAwait(false) is not null)
            tables.Add(spec.Target);
        if (spec.Kind == ReplicationKind.Logdel && await DeletedHistory.FindOwnAsync(session, store, spec.Target).ConfigureAwait(false) is { } history)
            tables.Add(history);
        if (tables.Count > 0)
            await session.ExecuteAsync($"DROP TABLE {string.Join(", ", tables.Select(t => t.Quoted))}").ConfigureAwait(false);
        return tables;
    }

    private async Task<MoveResult> MoveAsync(string operation, Func<PgSession, MimeoStore, Task<MoveResult>> move, CancellationToken cancellationToken)
    {
        _database.Forget();
        try
        {
            return await MimeoDatabase.NamingAsync(QualifiedName.Create(_options.Schema, "refresh_config"), "move the configuration", () => _database.ExclusivelyAsync(operation, move, cancellationToken)).ConfigureAwait(false);
        }
        finally
        {
            _database.Forget();
        }
    }

    private async Task<IReadOnlyList<RefreshResult>> RefreshAllAsync(
        string operation, IReadOnlyList<QualifiedName> destinations, RefreshOptions options, IProgress<CopyProgress>? progress, CancellationToken cancellationToken,
        bool isGroup = false)
    {
        var known = await MimeoDatabase.NamingAsync(destinations[0], "find it", () => RunAsync(operation, async (session, store) =>
        {
            var specs = new List<ReplicationSpec>();
            foreach (var destination in destinations)
                specs.Add(await SpecTable.FindAsync(session, store, destination).ConfigureAwait(false) ?? throw new NotManagedException(SpecTable.Text(destination)));
            return specs;
        }, cancellationToken)).ConfigureAwait(false);
        return await RefreshKnownAsync(operation, known, options, progress, isGroup, cancellationToken).ConfigureAwait(false);
    }

    private Task<IReadOnlyList<RefreshResult>> RefreshKnownAsync(
        string operation, List<ReplicationSpec> known, RefreshOptions options, IProgress<CopyProgress>? progress, bool isGroup, CancellationToken cancellationToken)
    {
        return _record.RefreshAsync(known, cancellation => isGroup ? RefreshEachAsync(cancellation) : MimeoDatabase.NamingAsync(known[0].Target, "refresh it", () => RefreshEachAsync(cancellation)), cancellationToken);

        Task<IReadOnlyList<RefreshResult>> RefreshEachAsync(CancellationToken cancellation) => _database.RunEachAsync(
            operation, (session, store) => new RefreshRun(_database, _options, _pools, _time, options, isGroup, progress).RunAsync(session, store, known), cancellation);
    }

    private Task<T> RunAsync<T>(string operation, Func<PgSession, MimeoStore, Task<T>> work, CancellationToken cancellationToken) =>
        _database.RunAsync(operation, async (session, store) =>
        {
            store.Require(_database.Name);
            await CopySettings.AgreeAsync(session, _options.LockTimeout).ConfigureAwait(false);
            return await work(session, store).ConfigureAwait(false);
        }, cancellationToken);
}
