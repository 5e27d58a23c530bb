using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OmniPg.Jobmon;

namespace OmniPg.Partman;

/// <summary>The partition sets of one database.</summary>
/// <inheritdoc cref="IPartman" path="/remarks"/>
public sealed class PartmanClient : IPartman
{
    private readonly PartmanDatabase _database;
    private readonly PartmanOptions _options;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly Maintenance _maintenance;
    private readonly IJobmon? _jobmon;
    private readonly Converter _converter;

    /// <summary>Makes a client; nothing is asked of the server yet.</summary>
    /// <param name="dataSource">The database. It stays the caller's.</param>
    /// <param name="options">Settings; <see langword="null"/> for all defaults. Later changes have no effect that can be relied on.</param>
    /// <param name="loggerFactory">Where to log; <see langword="null"/> for nowhere.</param>
    /// <param name="time">Clock of pauses; <see langword="null"/> for the system's. What the date is, the server says.</param>
    /// <param name="jobmon">Job log for maintenance and creation; <see langword="null"/> for none.</param>
    /// <param name="archive">Where sets with <see cref="ExpiredAction.Archive"/> archive; <see langword="null"/> for nowhere. It stays the caller's.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options cannot work.</exception>
    public PartmanClient(NpgsqlDataSource dataSource, PartmanOptions? options = null, ILoggerFactory? loggerFactory = null, TimeProvider? time = null, IJobmon? jobmon = null, IObjectStore? archive = null)
    {
        ArgumentNullException.ThrowIfNull(dataSource);
        _options = OptionsCheck.Require(options ?? new PartmanOptions());
        _logger = (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger("OmniPg.Partman");
        (_time, _jobmon) = (time ?? TimeProvider.System, jobmon);
        _database = new PartmanDatabase(dataSource, _options, archive);
        _converter = new Converter(_database, _options, _time);
        _maintenance = new Maintenance(_database, _options, _logger, _time, jobmon, _converter);
    }

    internal PartmanDatabase Database => _database;

    /// <inheritdoc/>
    public async Task<SqlPlan> PlanCreateAsync(QualifiedName table, PartitionSetOptions options, CancellationToken cancellationToken = default)
    {
        var (state, units) = await DefineAsync(table, options, cancellationToken).ConfigureAwait(false);
        return new SqlPlan(units.Select(u => u.ToStep(state, _options.LockTimeout)));
    }

    /// <inheritdoc/>
    public async Task<CreateSetResult> CreateAsync(QualifiedName table, PartitionSetOptions options, CancellationToken cancellationToken = default)
    {
        var (state, units) = await DefineAsync(table, options, cancellationToken).ConfigureAwait(false);
        var log = await RunLog.StartAsync(_jobmon, _logger, $"PARTMAN SETUP PARENT: {state.Set.ConfigKey}", cancellationToken).ConfigureAwait(false);
        await using (log.ConfigureAwait(false))
        {
            try
            {
                await RunLock.WithBothAsync(_database, table, _time, async working =>
                {
                    var runner = new UnitRunner(_database, _options, _time);
                    foreach (var unit in units)
                        await runner.RunAsync(state, unit, working).ConfigureAwait(false);
                    return true;
                }, cancellationToken).ConfigureAwait(false);
            }
            catch (PartmanException error)
            {
                await log.EndAsync(error).ConfigureAwait(false);
                throw;
            }
            await log.EndAsync(null).ConfigureAwait(false);
        }
        _database.Forget();
        var created = await StateAsync(table, withBytes: false, cancellationToken).ConfigureAwait(false);
        PartmanTelemetry.Created.Add(created.Partitions.Count);
        PartmanLog.SetCreated(_logger, table.ToString(), created.Partitions.Count);
        return new CreateSetResult(created.Set, [.. created.Partitions, .. created.Default is { } rest ? [rest] : Array.Empty<Partition>()]);
    }

    /// <inheritdoc/>
    public async Task<SqlPlan> PlanSubPartitionsAsync(QualifiedName table, PartitionSetOptions by, bool allowDataLoss = false, CancellationToken cancellationToken = default)
    {
        var (state, units) = await SubdividedAsync(table, by, allowDataLoss, cancellationToken).ConfigureAwait(false);
        return new SqlPlan(units.Select(u => u.ToStep(state, _options.LockTimeout)));
    }

    /// <inheritdoc/>
    public Task<PartitionSet> SubPartitionAsync(QualifiedName table, PartitionSetOptions by, bool allowDataLoss = false, CancellationToken cancellationToken = default) =>
        RunLock.WithBothAsync(_database, Qualified(table), _time, async working =>
        {
            var (state, units) = await SubdividedAsync(table, by, allowDataLoss, working).ConfigureAwait(false);
            foreach (var unit in units)
                await new UnitRunner(_database, _options, _time).RunAsync(state, unit, working).ConfigureAwait(false);
            _database.Forget();
            return (await StateAsync(table, withBytes: false, working).ConfigureAwait(false)).Set;
        }, cancellationToken);

    /// <inheritdoc/>
    public Task<bool> StopSubPartitioningAsync(QualifiedName table, CancellationToken cancellationToken = default) =>
        RunLock.WithBothAsync(_database, Qualified(table), _time, async working =>
        {
            var set = (await StateAsync(table, withBytes: false, working).ConfigureAwait(false)).Set;
            return set.SubPartitions is not null && await _database.RunAsync("stop sub-partitioning", async (session, server) =>
            {
                foreach (var statement in SetConfiguration.NoSubRows(server, set))
                    await session.ExecuteAsync(statement).ConfigureAwait(false);
                return true;
            }, working).ConfigureAwait(false);
        }, cancellationToken);

    /// <inheritdoc/>
    public async Task<SqlPlan> PlanSetsAsync(IReadOnlyDictionary<QualifiedName, PartitionSetOptions> sets, CancellationToken cancellationToken = default)
    {
        var steps = new List<SqlPlanStep>();
        foreach (var (table, wish) in Sound(sets))
        {
            var declared = await DeclaredAsync(table, wish, cancellationToken).ConfigureAwait(false);
            steps.AddRange(declared.Units.Select(u => u.ToStep(declared.State, _options.LockTimeout)));
        }
        return new SqlPlan(steps);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<DeclaredSet>> ApplySetsAsync(IReadOnlyDictionary<QualifiedName, PartitionSetOptions> sets, CancellationToken cancellationToken = default)
    {
        var told = new List<DeclaredSet>();
        // Nothing is changed where one of them cannot be.
        foreach (var (table, wish) in Sound(sets))
            told.Add((await DeclaredAsync(table, wish, cancellationToken).ConfigureAwait(false)).Told);
        for (var i = 0; i < told.Count; i++)
        {
            var (table, wish) = (told[i].Table, sets[told[i].Table]);
            if (told[i].Outcome == DeclaredFate.Created)
            {
                await CreateAsync(table, wish, cancellationToken).ConfigureAwait(false);
            }
            else if (told[i].Outcome == DeclaredFate.Changed)
            {
                told[i] = await RunLock.WithBothAsync(_database, table, _time, async working =>
                {
                    var declared = await DeclaredAsync(table, wish, working).ConfigureAwait(false);
                    foreach (var unit in declared.Units)
                        await new UnitRunner(_database, _options, _time).RunAsync(declared.State, unit, working).ConfigureAwait(false);
                    return declared.Told;
                }, cancellationToken).ConfigureAwait(false);
            }
        }
        return told;
    }

    /// <inheritdoc/>
    public Task<PartitionSet?> FindAsync(QualifiedName table, CancellationToken cancellationToken = default) => _database.RunAsync("find", async (session, server) =>
        await SetReader.ConfiguredAsync(session, server, Qualified(table)).ConfigureAwait(false) is [var found, ..] ? found.Set ?? throw found.Error! : null, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<PartitionSet>> ListSetsAsync(CancellationToken cancellationToken = default) => _database.RunAsync("list", async (session, server) =>
        (IReadOnlyList<PartitionSet>)[.. (await SetReader.ConfiguredAsync(session, server, null).ConfigureAwait(false)).Select(s => s.Set).OfType<PartitionSet>()], cancellationToken);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<Partition>> ListPartitionsAsync(QualifiedName table, CancellationToken cancellationToken = default)
    {
        var state = await StateAsync(table, withBytes: true, cancellationToken).ConfigureAwait(false);
        var plan = await _maintenance.PlanAsync(new MaintenanceOptions { Table = table }, cancellationToken).ConfigureAwait(false);
        return Maintenance.Listed(state, [.. plan.Sets.SelectMany(s => s.Changes)]);
    }

    /// <inheritdoc/>
    public async Task<PartitionLocation> LocateAsync(QualifiedName table, PartitionBound value, CancellationToken cancellationToken = default)
    {
        var state = await StateAsync(table, withBytes: false, cancellationToken).ConfigureAwait(false);
        if ((state.Key.IsTime ? value.Time.HasValue : value.Id.HasValue) is false)
            throw new ArgumentException($"'{table}' is a set by {(state.Key.IsTime ? "time" : "id")}, and '{value}' is none.", nameof(value));
        if (state.Key.IsWallClock)
            value = PartitionBound.Of(new DateTimeOffset(await _database.RunAsync("locate", async (session, _) => (await ZoneClock.LocalAsync(session, state.Set.TimeZone, [value.Time!.Value]).ConfigureAwait(false))[0], cancellationToken).ConfigureAwait(false), TimeSpan.Zero));
        if (state.Partitions.FirstOrDefault(p => !p.DetachPending && p.Lower <= value && p.Upper > value) is { } found)
            return new PartitionLocation(found.Name, found.Lower, found.Upper, Exists: true);
        var range = await _database.RunAsync("locate", (session, _) => NewRanges.AroundAsync(session, state, value), cancellationToken).ConfigureAwait(false);
        return new PartitionLocation(range.Name, range.Lower, range.Upper, Exists: false);
    }

    /// <inheritdoc/>
    public Task<MaintenancePlan> PlanMaintenanceAsync(MaintenanceOptions? options = null, CancellationToken cancellationToken = default) =>
        _maintenance.PlanAsync(options ?? new MaintenanceOptions(), cancellationToken);

    /// <inheritdoc/>
    public Task<MaintenanceResult> MaintainAsync(MaintenanceOptions? options = null, IProgress<PartitionChange>? progress = null, CancellationToken cancellationToken = default) =>
        _maintenance.RunAsync(options ?? new MaintenanceOptions(), null, progress, cancellationToken);

    /// <inheritdoc/>
    public Task<MaintenanceResult> ApplyAsync(MaintenancePlan plan, IProgress<PartitionChange>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return _maintenance.RunAsync(plan.Options, plan, progress, cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<PartitionChange>> FillGapsAsync(QualifiedName table, CancellationToken cancellationToken = default) =>
        RunLock.WithBothAsync(_database, Qualified(table), _time, async working =>
        {
            var state = Idle(await StateAsync(table, withBytes: false, working).ConfigureAwait(false));
            var units = await _database.RunAsync("fill gaps", async (session, server) =>
            {
                var gaps = await NewRanges.GapsAsync(session, state, _options.MaxPartitionsPerRun).ConfigureAwait(false);
                var shape = await ParentShape.ReadAsync(session, state.Table, state.Oid, state.Set.Template).ConfigureAwait(false);
                var below = await SubPartitioner.OfAsync(session, server, state, _options.MaxPartitionsPerRun).ConfigureAwait(false);
                var missing = new List<PlanUnit>();
                foreach (var gap in gaps)
                    missing.Add(PartitionDdl.Create(state, shape, gap, branch: below is null ? null : await below.BranchAsync(shape, gap).ConfigureAwait(false)));
                return missing;
            }, working).ConfigureAwait(false);
            var created = new List<PartitionChange>();
            foreach (var unit in units)
                created.Add(await CreateAsync(state, unit, null, working).ConfigureAwait(false));
            return (IReadOnlyList<PartitionChange>)created;
        }, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<PartitionChange>> DrainDefaultAsync(QualifiedName table, IProgress<PartitionChange>? progress = null, CancellationToken cancellationToken = default) =>
        RunLock.WithBothAsync(_database, Qualified(table), _time, async working =>
        {
            var moved = new List<PartitionChange>();
            while (moved.Count < _options.MaxPartitionsPerRun)
            {
                var state = Idle(await StateAsync(table, withBytes: false, working).ConfigureAwait(false));
                var unit = await _database.RunAsync("drain", async (session, server) =>
                {
                    await session.ExecuteAsync(SetReader.ReadableText).ConfigureAwait(false);
                    return await SetPlanner.DrainLowestAsync(session, server, state, _options.MaxPartitionsPerRun).ConfigureAwait(false);
                }, working).ConfigureAwait(false);
                if (unit is null)
                    break;
                moved.Add(await CreateAsync(state, unit, progress, working).ConfigureAwait(false));
            }
            return (IReadOnlyList<PartitionChange>)moved;
        }, cancellationToken);

    /// <inheritdoc/>
    public Task<SqlPlan> PlanUndoAsync(QualifiedName table, QualifiedName target, UndoOptions? options = null, CancellationToken cancellationToken = default) =>
        Undone(table, target, options).PlanAsync(cancellationToken);

    /// <inheritdoc/>
    public async Task<UndoResult> UndoAsync(QualifiedName table, QualifiedName target, UndoOptions? options = null, IProgress<UndoProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        var undo = Undone(table, target, options);
        var log = await RunLog.StartAsync(_jobmon, _logger, $"PARTMAN UNDO PARTITIONING: {table.Schema!.Value.Value}.{table.Name.Value}", cancellationToken).ConfigureAwait(false);
        await using (log.ConfigureAwait(false))
        {
            try
            {
                var result = await RunLock.WithBothAsync(_database, table, _time, working => undo.RunAsync(progress, working), cancellationToken, isUndo: true).ConfigureAwait(false);
                await log.EndAsync(null).ConfigureAwait(false);
                PartmanLog.SetUndone(_logger, table.ToString(), target.ToString(), result.Rows, result.Partitions);
                return result;
            }
            catch (PartmanException error)
            {
                await log.EndAsync(error).ConfigureAwait(false);
                throw;
            }
        }
    }

    /// <inheritdoc/>
    public async Task<RestoreResult> RestoreAsync(string manifestKey, QualifiedName? attachTo = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(manifestKey);
        var archive = _database.Archive ?? throw new InvalidOperationException("The client was made without an archive.");
        var manifest = await ArchiveManifest.ReadAsync(archive, manifestKey, cancellationToken).ConfigureAwait(false)
            ?? throw new PartmanArchiveException(attachTo, $"There is no '{manifestKey}' in '{archive.Id}'.", "Name the file that ends in '.manifest.json'.");
        var table = attachTo is { } other ? Qualified(other) : QualifiedName.Create(manifest.ParentSchema, manifest.ParentName);
        return await RunLock.WithBothAsync(_database, table, _time, async working => await new PartitionRestorer(_database, _options, archive, _time).RunAsync(
            manifestKey, manifest, Idle(await StateAsync(table, withBytes: false, working).ConfigureAwait(false)), working).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<Adoption> PlanAdoptionAsync(QualifiedName table, AdoptionOptions? options = null, CancellationToken cancellationToken = default) =>
        (await AdoptionAsync(table, options, cancellationToken).ConfigureAwait(false)).Told;

    /// <inheritdoc/>
    public Task<Adoption> AdoptAsync(QualifiedName table, AdoptionOptions? options = null, CancellationToken cancellationToken = default) =>
        RunLock.WithBothAsync(_database, Qualified(table), _time, async working =>
        {
            var plan = await AdoptionAsync(table, options, working).ConfigureAwait(false);
            await new UnitRunner(_database, _options, _time).RunAsync(plan.State, plan.Unit, working).ConfigureAwait(false);
            _database.Forget();
            PartmanLog.SetAdopted(_logger, table.ToString(), plan.Told.Partitions.Count);
            var notes = plan.Told.Notes;
            try
            {
                if (plan.Told.Kind == AdoptedKind.Inheritance)
                    await _maintenance.AnalyzeAsync(table, working).ConfigureAwait(false);
            }
            catch (PartmanException error)
            {
                // It is adopted already.
                notes = [.. notes, $"ANALYZE of '{table}' failed, and is still to be done: {error.Message}"];
            }
            var state = await StateAsync(table, withBytes: false, working).ConfigureAwait(false);
            return plan.Told with { Notes = notes, Set = state.Set, Partitions = [.. state.Partitions, .. state.Default is { } rest ? [rest] : Array.Empty<Partition>()] };
        }, cancellationToken, whereInstalled: true);

    /// <inheritdoc/>
    public Task<SqlPlan> PlanConversionAsync(QualifiedName table, ConversionOptions options, CancellationToken cancellationToken = default) =>
        _converter.PlanAsync(Qualified(table), Checked(options), cancellationToken);

    /// <inheritdoc/>
    public Task<Conversion> ConvertAsync(QualifiedName table, ConversionOptions options, IProgress<ConversionProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        Checked(options);
        return RunLock.WithBothAsync(_database, Qualified(table), _time, working => _converter.StartAsync(table, options, progress, working), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<Conversion>> ListConversionsAsync(CancellationToken cancellationToken = default) => _database.RunAsync("list", async (session, server) =>
        (IReadOnlyList<Conversion>)[.. (await ConversionState.ListAsync(session, server).ConfigureAwait(false)).Select(c => c.Told)], cancellationToken);

    /// <inheritdoc/>
    public Task<Conversion> ResumeConversionAsync(long id, IProgress<ConversionProgress>? progress = null, CancellationToken cancellationToken = default) =>
        OnConversionAsync(id, working => _converter.GoOnAsync(id, progress, working), cancellationToken);

    /// <inheritdoc/>
    public Task<Conversion> AbortConversionAsync(long id, CancellationToken cancellationToken = default) => OnConversionAsync(id, working => _converter.AbortAsync(id, working), cancellationToken);

    /// <inheritdoc/>
    public Task<Conversion> SwapBackAsync(long id, IProgress<ConversionProgress>? progress = null, CancellationToken cancellationToken = default) =>
        OnConversionAsync(id, working => _converter.SwapBackAsync(id, progress, working), cancellationToken);

    /// <inheritdoc/>
    public Task<Conversion> FinishConversionAsync(long id, CancellationToken cancellationToken = default) => OnConversionAsync(id, working => _converter.FinishAsync(id, working), cancellationToken);

    /// <inheritdoc/>
    public Task<bool> ForgetAsync(QualifiedName table, CancellationToken cancellationToken = default) => RunLock.WithBothAsync(_database, Qualified(table), _time, working =>
        _database.RunAsync("forget", async (session, server) =>
        {
            if (server.IsReadOnly)
                throw Maintenance.ReadOnly(server);
            if (!server.HasConfig)
                return false;
            var key = PgParameter.Text($"{table.Schema!.Value.Value}.{table.Name.Value}");
            if (server.HasOwn)
                await Retirement.ForgetAllAsync(session, server, table, _options.LockTimeout).ConfigureAwait(false);
            var rows = await session.ExecuteAsync($"DELETE FROM {server.ConfigSchema.Quoted}.part_config WHERE parent_table = $1", key).ConfigureAwait(false);
            if (server.HasOwn)
            {
                await session.ExecuteAsync($"DELETE FROM {server.OwnSchema.Quoted}.part_option WHERE parent_table = $1", key.Clone()).ConfigureAwait(false);
                await session.ExecuteAsync($"DELETE FROM {server.OwnSchema.Quoted}.operation WHERE parent_table = $1 AND kind = '{Undo.OperationKind}'", key.Clone()).ConfigureAwait(false);
            }
            return rows > 0;
        }, working), cancellationToken);

    /// <inheritdoc/>
    public async Task<CheckResult> CheckAsync(CancellationToken cancellationToken = default)
    {
        var sets = await _database.RunAsync("check", (session, server) => SetReader.ConfiguredAsync(session, server, null), cancellationToken).ConfigureAwait(false);
        var findings = new List<SetFinding>();
        foreach (var set in sets)
        {
            try
            {
                findings.AddRange(set.Error is { } error ? throw error : await _database.RunAsync("check", async (session, _) =>
                {
                    await session.ExecuteAsync(SetReader.ReadableText).ConfigureAwait(false);
                    return await SetCheck.FindAsync(session, (await SetReader.StatesAsync(session, [set]).ConfigureAwait(false))[0]).ConfigureAwait(false);
                }, cancellationToken).ConfigureAwait(false));
            }
            catch (PartmanException error)
            {
                findings.Add(new SetFinding(set.Name, FindingKind.Configuration, FindingLevel.Critical, error.Message));
            }
        }
        var late = await _database.RunAsync("check", (session, server) => ConversionState.ListAsync(session, server, ConversionState.IsLate), cancellationToken).ConfigureAwait(false);
        findings.AddRange(late.Select(c => new SetFinding($"{c.Table.Schema!.Value.Value}.{c.Table.Name.Value}", FindingKind.Conversion, FindingLevel.Critical, $"Conversion '{c.Id}' of '{c.Table}' was left alone, and from '{c.Detail.Cut}' on the table refuses every row.")));
        return new CheckResult(sets.Count, findings);
    }

    /// <inheritdoc/>
    public Task<string> GetGrantScriptAsync(PgIdentifier role, CancellationToken cancellationToken = default) =>
        _database.RunAsync("grants", (_, server) => Task.FromResult(SetConfiguration.GrantScript(server, role)), cancellationToken);

    private async Task<Conversion> OnConversionAsync(long id, Func<CancellationToken, Task<Conversion>> work, CancellationToken cancellationToken) =>
        await RunLock.WithBothAsync(_database, (await _converter.ToldAsync(id, cancellationToken).ConfigureAwait(false)).Table, _time, work, cancellationToken).ConfigureAwait(false);

    private static IEnumerable<KeyValuePair<QualifiedName, PartitionSetOptions>> Sound(IReadOnlyDictionary<QualifiedName, PartitionSetOptions> sets)
    {
        ArgumentNullException.ThrowIfNull(sets);
        foreach (var (table, wish) in sets)
            OptionsCheck.Require(wish, Qualified(table).ToString());
        return sets.OrderBy(s => s.Key.ToString(), StringComparer.Ordinal);
    }

    private Task<Declaration> DeclaredAsync(QualifiedName table, PartitionSetOptions wish, CancellationToken cancellationToken) =>
        _database.RunAsync("apply", (session, server) => Declaration.PlanAsync(session, server, table, wish, _database.Archive?.Id), cancellationToken);

    private Undo Undone(QualifiedName table, QualifiedName target, UndoOptions? options) =>
        new(_database, _options, _time, Qualified(table), Qualified(target), OptionsCheck.Require(options ?? new UndoOptions()));

    private static ConversionOptions Checked(ConversionOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(options.Set);
        OptionsCheck.Require(options.Set);
        return OptionsCheck.Require(options);
    }

    private Task<Adopter.Plan> AdoptionAsync(QualifiedName table, AdoptionOptions? options, CancellationToken cancellationToken) => _database.RunAsync("adopt", async (session, server) =>
    {
        if (server.IsReadOnly)
            throw Maintenance.ReadOnly(server);
        await session.ExecuteAsync(SetReader.ReadableText).ConfigureAwait(false);
        return await new Adopter(session, server, Qualified(table), OptionsCheck.Require(options ?? new AdoptionOptions()), _database.Archive?.Id).PlanAsync(_options.LockTimeout).ConfigureAwait(false);
    }, cancellationToken);

    private async Task<(SetState State, IReadOnlyList<PlanUnit> Units)> DefineAsync(QualifiedName table, PartitionSetOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        OptionsCheck.Require(options);
        Qualified(table);
        return await _database.RunAsync("create", async (session, server) =>
        {
            if (server.IsReadOnly)
                throw Maintenance.ReadOnly(server);
            await session.ExecuteAsync(SetReader.ReadableText).ConfigureAwait(false);
            return await SetDefinition.PlanAsync(session, server, table, options, _database.Archive?.Id).ConfigureAwait(false);
        }, cancellationToken).ConfigureAwait(false);
    }

    private async Task<(SetState State, IReadOnlyList<PlanUnit> Units)> SubdividedAsync(QualifiedName table, PartitionSetOptions by, bool allowDataLoss, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(by);
        OptionsCheck.Require(by);
        return await _database.RunAsync("sub-partition", async (session, server) =>
        {
            if (server.IsReadOnly)
                throw Maintenance.ReadOnly(server);
            await session.ExecuteAsync(SetReader.ReadableText).ConfigureAwait(false);
            var found = await SetReader.ConfiguredAsync(session, server, Qualified(table)).ConfigureAwait(false) is [var one, ..] ? one : throw Maintenance.NotFound(table, server);
            if (found.Error is { } error)
                throw error;
            var state = Idle((await SetReader.StatesAsync(session, [found]).ConfigureAwait(false))[0]);
            return await Subdivision.PlanAsync(session, server, found, state, by, _database.Archive?.Id, allowDataLoss, _options.MaxPartitionsPerRun).ConfigureAwait(false);
        }, cancellationToken).ConfigureAwait(false);
    }

    private async Task<PartitionChange> CreateAsync(SetState state, PlanUnit unit, IProgress<PartitionChange>? progress, CancellationToken working)
    {
        await new UnitRunner(_database, _options, _time).RunAsync(state, unit, working).ConfigureAwait(false);
        var change = new PartitionChange(unit.Child!.Value, unit.Lower, unit.Upper, unit.Fate);
        progress?.Report(change);
        PartmanTelemetry.Created.Add(1);
        return change;
    }

    private Task<SetState> StateAsync(QualifiedName table, bool withBytes, CancellationToken cancellationToken) => _database.RunAsync("look", async (session, server) =>
    {
        var found = await SetReader.ConfiguredAsync(session, server, Qualified(table)).ConfigureAwait(false) is [var one, ..] ? one : throw Maintenance.NotFound(table, server);
        if (found.Error is { } error)
            throw error;
        await session.ExecuteAsync(SetReader.ReadableText).ConfigureAwait(false);
        return (await SetReader.StatesAsync(session, [found], withBytes).ConfigureAwait(false))[0];
    }, cancellationToken);

    // A drain of the extension keeps rows in a table of its own meanwhile, and an undo empties what would be filled.
    private static SetState Idle(SetState state) => state.Set.InProgress is { } what ? throw new PartmanBusyException(state.Table, what) : state;

    private static QualifiedName Qualified(QualifiedName table) =>
        table.Schema is not null ? table : throw new ArgumentException($"Name the schema of '{table}': a search path decides nothing here.", nameof(table));
}
