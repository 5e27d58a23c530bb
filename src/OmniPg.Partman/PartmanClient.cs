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
    private readonly SetMaker _maker;
    private readonly SetApplier _applier;

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
        _converter = new Converter(_database, _options, _logger, _time);
        _maintenance = new Maintenance(_database, _options, _logger, _time, jobmon, _converter);
        _maker = new SetMaker(_database, _options, _logger, _time, jobmon);
        _applier = new SetApplier(_database, _options, _time, _maker);
    }

    internal PartmanDatabase Database => _database;

    /// <inheritdoc/>
    public Task<SqlPlan> PlanCreateAsync(QualifiedName table, PartitionSetOptions options, CancellationToken cancellationToken = default) =>
        _maker.PlanAsync(Qualified(table), Sound(options), cancellationToken);

    /// <inheritdoc/>
    public Task<CreateSetResult> CreateAsync(QualifiedName table, PartitionSetOptions options, CancellationToken cancellationToken = default) =>
        _maker.CreateAsync(Qualified(table), Sound(options), cancellationToken);

    /// <inheritdoc/>
    public Task<SqlPlan> PlanSubPartitionsAsync(QualifiedName table, PartitionSetOptions by, bool allowDataLoss = false, CancellationToken cancellationToken = default) =>
        _maker.PlanSubPartitionsAsync(Qualified(table), Sound(by), allowDataLoss, cancellationToken);

    /// <inheritdoc/>
    public Task<PartitionSet> SubPartitionAsync(QualifiedName table, PartitionSetOptions by, bool allowDataLoss = false, CancellationToken cancellationToken = default)
    {
        Sound(by);
        return RunLock.WithBothAsync(_database, Qualified(table), _time, working => _maker.SubPartitionAsync(table, by, allowDataLoss, working), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<bool> StopSubPartitioningAsync(QualifiedName table, CancellationToken cancellationToken = default) =>
        RunLock.WithBothAsync(_database, Qualified(table), _time, working => _maker.StopSubPartitioningAsync(table, working), cancellationToken);

    /// <inheritdoc/>
    public Task<SqlPlan> PlanSetsAsync(IReadOnlyDictionary<QualifiedName, PartitionSetOptions> sets, CancellationToken cancellationToken = default) =>
        _applier.PlanAsync(Sound(sets), cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<DeclaredSet>> ApplySetsAsync(IReadOnlyDictionary<QualifiedName, PartitionSetOptions> sets, CancellationToken cancellationToken = default) =>
        _applier.ApplyAsync(Sound(sets), cancellationToken);

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
    public Task<PartitionLocation> LocateAsync(QualifiedName table, PartitionBound value, CancellationToken cancellationToken = default) => _database.RunAsync("locate", async (session, server) =>
    {
        var state = await SetReader.StateAsync(session, server, Qualified(table)).ConfigureAwait(false);
        var key = await NewRanges.KeyAsync(session, state, value).ConfigureAwait(false);
        if (state.Partitions.FirstOrDefault(p => !p.DetachPending && p.Lower <= key && p.Upper > key) is { } found)
            return new PartitionLocation(found.Name, found.Lower, found.Upper, Exists: true);
        var range = await NewRanges.AroundAsync(session, state, key).ConfigureAwait(false);
        return new PartitionLocation(range.Name, range.Lower, range.Upper, Exists: false);
    }, cancellationToken);

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
        RunLock.WithBothAsync(_database, Qualified(table), _time, working => _maker.FillGapsAsync(table, working), cancellationToken);

    /// <inheritdoc/>
    public Task<SqlPlan> PlanPartitionsAsync(QualifiedName table, IReadOnlyList<PartitionBound> values, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        return _maker.PlanPartitionsAsync(Qualified(table), values, cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<PartitionChange>> CreatePartitionsAsync(QualifiedName table, IReadOnlyList<PartitionBound> values, IProgress<PartitionChange>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        return RunLock.WithBothAsync(_database, Qualified(table), _time, working => _maker.CreatePartitionsAsync(table, values, progress, working), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<AnalyzedSet>> AnalyzeAsync(QualifiedName? table = null, bool skipLocked = false, IProgress<AnalyzedSet>? progress = null, CancellationToken cancellationToken = default) =>
        Analyzer.RunAsync(_database, _time, table is { } one ? Qualified(one) : (QualifiedName?)null, skipLocked, progress, cancellationToken);

    /// <inheritdoc/>
    public Task<SqlPlan> PlanPrivilegesAsync(QualifiedName table, CancellationToken cancellationToken = default) =>
        new PartitionPrivileges(_database, _options, _time, Qualified(table)).PlanAsync(cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<QualifiedName>> ReapplyPrivilegesAsync(QualifiedName table, IProgress<QualifiedName>? progress = null, CancellationToken cancellationToken = default)
    {
        var privileges = new PartitionPrivileges(_database, _options, _time, Qualified(table));
        return LoggedAsync("RE-APPLYING PRIVILEGES TO ALL CHILD TABLES OF", table, () => RunLock.WithBothAsync(_database, table, _time, working => privileges.RunAsync(progress, working), cancellationToken), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<PartitionChange>> DrainDefaultAsync(QualifiedName table, IProgress<PartitionChange>? progress = null, CancellationToken cancellationToken = default) =>
        RunLock.WithBothAsync(_database, Qualified(table), _time, working => _maker.DrainDefaultAsync(table, progress, working), cancellationToken);

    /// <inheritdoc/>
    public Task<SqlPlan> PlanUndoAsync(QualifiedName table, QualifiedName target, UndoOptions? options = null, CancellationToken cancellationToken = default) =>
        Undone(table, target, options).PlanAsync(cancellationToken);

    /// <inheritdoc/>
    public async Task<UndoResult> UndoAsync(QualifiedName table, QualifiedName target, UndoOptions? options = null, IProgress<UndoProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        var undo = Undone(table, target, options);
        var result = await LoggedAsync("UNDO PARTITIONING", table, () => RunLock.WithBothAsync(_database, table, _time, working => undo.RunAsync(progress, working), cancellationToken, isUndo: true), cancellationToken).ConfigureAwait(false);
        PartmanLog.SetUndone(_logger, table.ToString(), target.ToString(), result.Rows, result.Partitions);
        return result;
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
            manifestKey, manifest, (await StateAsync(table, withBytes: false, working).ConfigureAwait(false)).RequireIdle(), working).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task<Adoption> PlanAdoptionAsync(QualifiedName table, AdoptionOptions? options = null, CancellationToken cancellationToken = default) =>
        Adopting(table, options).PlanAsync(cancellationToken);

    /// <inheritdoc/>
    public Task<Adoption> AdoptAsync(QualifiedName table, AdoptionOptions? options = null, CancellationToken cancellationToken = default)
    {
        var adopting = Adopting(table, options);
        return RunLock.WithBothAsync(_database, table, _time, adopting.RunAsync, cancellationToken, whereInstalled: true);
    }

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
    public Task<bool> ForgetAsync(QualifiedName table, CancellationToken cancellationToken = default) => RunLock.WithBothAsync(_database, Qualified(table), _time, async working =>
    {
        await new AutovacuumPause(_database, _options, _logger, _time, table).EndAsync(working).ConfigureAwait(false);
        return await _database.RunAsync("forget", (session, server) => Forgetting.RunAsync(session, server, table, _options.LockTimeout), working).ConfigureAwait(false);
    }, cancellationToken);

    /// <inheritdoc/>
    public Task<CheckResult> CheckAsync(CancellationToken cancellationToken = default) => SetCheck.AllAsync(_database, _converter, cancellationToken);

    /// <inheritdoc/>
    public Task<SqlPlan> PlanRepartitionAsync(QualifiedName table, RepartitionOptions options, CancellationToken cancellationToken = default) =>
        Repartitioned(table, options).PlanAsync(cancellationToken);

    /// <inheritdoc/>
    public Task<RepartitionResult> RepartitionAsync(QualifiedName table, RepartitionOptions options, IProgress<RepartitionProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        var run = Repartitioned(table, options);
        return RunLock.WithBothAsync(_database, table, _time, working => run.RunAsync(progress, working), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<bool> AbortRepartitionAsync(QualifiedName table, CancellationToken cancellationToken = default) =>
        RunLock.WithBothAsync(_database, Qualified(table), _time, working => new RegroupLeftovers(_database, _options, _time, table).ClearAsync(working), cancellationToken);

    /// <inheritdoc/>
    public Task<string> ExportDefinitionAsync(QualifiedName table, DefinitionFormat format = DefinitionFormat.Json, CancellationToken cancellationToken = default) => Enum.IsDefined(format)
        ? _database.RunAsync("export", (session, server) => SetExport.TextAsync(session, server, Qualified(table), format), cancellationToken)
        : throw new ArgumentOutOfRangeException(nameof(format), format, "No such format.");

    /// <inheritdoc/>
    public Task<DuplicatesResult> FindDuplicatesAsync(QualifiedName table, IReadOnlyList<string> columns, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(columns);
        if (columns.Count == 0)
            throw new ArgumentException("Name a column at least.", nameof(columns));
        return _database.RunAsync("find duplicates", async (session, server) =>
            await Duplicates.FindAsync(session, await SetReader.StateAsync(session, server, Qualified(table)).ConfigureAwait(false), columns).ConfigureAwait(false), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<SqlPlan> PlanFreezeAsync(QualifiedName table, FreezeOptions? options = null, CancellationToken cancellationToken = default) =>
        new Freezer(_database, OptionsCheck.Require(options ?? new FreezeOptions()), Qualified(table)).PlanAsync(cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<FrozenPartition>> FreezeAsync(QualifiedName table, FreezeOptions? options = null, IProgress<FrozenPartition>? progress = null, CancellationToken cancellationToken = default) =>
        new Freezer(_database, OptionsCheck.Require(options ?? new FreezeOptions()), Qualified(table)).RunAsync(progress, _time, cancellationToken);

    /// <inheritdoc/>
    public Task<SqlPlan> PlanTiersAsync(QualifiedName table, TierOptions options, CancellationToken cancellationToken = default) =>
        Tiers(table, options).PlanAsync(cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<TieredPartition>> ApplyTiersAsync(QualifiedName table, TierOptions options, IProgress<TieredPartition>? progress = null, CancellationToken cancellationToken = default)
    {
        var tiers = Tiers(table, options);
        return RunLock.WithBothAsync(_database, table, _time, working => tiers.RunAsync(progress, working), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<SqlPlan> PlanConstraintsAsync(QualifiedName table, ConstraintOptions? options = null, CancellationToken cancellationToken = default) =>
        Constraints(table).PlanAsync(OptionsCheck.Require(options ?? new ConstraintOptions()), cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<ConstrainedColumn>> ApplyConstraintsAsync(QualifiedName table, ConstraintOptions? options = null, IProgress<ConstrainedColumn>? progress = null, CancellationToken cancellationToken = default)
    {
        var (constraints, wish) = (Constraints(table), OptionsCheck.Require(options ?? new ConstraintOptions()));
        return RunLock.WithBothAsync(_database, table, _time, working => constraints.ApplyAsync(wish, progress, working), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<ConstrainedColumn>> DropConstraintsAsync(QualifiedName table, IReadOnlyList<string>? columns = null, CancellationToken cancellationToken = default)
    {
        var constraints = Constraints(table);
        OptionsCheck.Require(new ConstraintOptions { Columns = columns });
        return RunLock.WithBothAsync(_database, table, _time, working => constraints.DropAsync(columns, working), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<string> GetGrantScriptAsync(PgIdentifier role, CancellationToken cancellationToken = default) =>
        _database.RunAsync("grants", (_, server) => Task.FromResult(SetConfiguration.GrantScript(server, role)), cancellationToken);

    private async Task<Conversion> OnConversionAsync(long id, Func<CancellationToken, Task<Conversion>> work, CancellationToken cancellationToken) =>
        await RunLock.WithBothAsync(_database, (await _converter.ToldAsync(id, cancellationToken).ConfigureAwait(false)).Table, _time, work, cancellationToken).ConfigureAwait(false);

    /// <summary>Works as a job of the log, under the name that the extension gives it.</summary>
    private async Task<T> LoggedAsync<T>(string name, QualifiedName table, Func<Task<T>> work, CancellationToken cancellationToken)
    {
        var log = await RunLog.StartAsync(_jobmon, _logger, $"PARTMAN {name}: {table.Schema!.Value.Value}.{table.Name.Value}", cancellationToken).ConfigureAwait(false);
        await using var closing = log.ConfigureAwait(false);
        try
        {
            var result = await work().ConfigureAwait(false);
            await log.EndAsync(null).ConfigureAwait(false);
            return result;
        }
        catch (PartmanException error)
        {
            await log.EndAsync(error).ConfigureAwait(false);
            throw;
        }
    }

    private static PartitionSetOptions Sound(PartitionSetOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return OptionsCheck.Require(options);
    }

    private static IReadOnlyList<KeyValuePair<QualifiedName, PartitionSetOptions>> Sound(IReadOnlyDictionary<QualifiedName, PartitionSetOptions> sets)
    {
        ArgumentNullException.ThrowIfNull(sets);
        foreach (var (table, wish) in sets)
            OptionsCheck.Require(wish, Qualified(table).ToString());
        return [.. sets.OrderBy(s => s.Key.ToString(), StringComparer.Ordinal)];
    }

    private Undo Undone(QualifiedName table, QualifiedName target, UndoOptions? options) =>
        new(_database, _options, _logger, _time, Qualified(table), Qualified(target), OptionsCheck.Require(options ?? new UndoOptions()));

    private static ConversionOptions Checked(ConversionOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(options.Set);
        OptionsCheck.Require(options.Set);
        return OptionsCheck.Require(options);
    }

    private Repartitioner Repartitioned(QualifiedName table, RepartitionOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new Repartitioner(_database, _options, _time, Qualified(table), OptionsCheck.Require(options));
    }

    private Tiering Tiers(QualifiedName table, TierOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new Tiering(_database, _options, _time, Qualified(table), OptionsCheck.Require(options));
    }

    private ColdConstraints Constraints(QualifiedName table) => new(_database, _options, _time, Qualified(table));

    private AdoptingRun Adopting(QualifiedName table, AdoptionOptions? options) =>
        new(_database, _options, _logger, _time, Qualified(table), OptionsCheck.Require(options ?? new AdoptionOptions()));

    private Task<SetState> StateAsync(QualifiedName table, bool withBytes, CancellationToken cancellationToken) => SetReader.StateAsync(_database, Qualified(table), withBytes, cancellationToken);

    private static QualifiedName Qualified(QualifiedName table) =>
        table.Schema is not null ? table : throw new ArgumentException($"Name the schema of '{table}': a search path decides nothing here.", nameof(table));
}
