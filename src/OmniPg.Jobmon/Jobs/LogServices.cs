using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>History, monitor and administration of the log that a client writes.</summary>
/// <remarks>The pool of the writer is small and keeps its sessions; reading may take longer and more connections, so it has another one.</remarks>
internal sealed class LogServices : IAsyncDisposable, IDisposable
{
    private readonly JobmonRuntime _runtime;
    private readonly NpgsqlDataSource _source;
    private readonly Lazy<NpgsqlDataSource?> _ownSource;
    private readonly Lazy<NpgsqlDataSource?> _ownCronSource;
    private readonly Lazy<JobmonDatabase> _database;
    private readonly Lazy<PgCronSource?> _pgCron;

    public LogServices(NpgsqlDataSource dataSource, JobmonRuntime runtime)
    {
        (_source, _runtime) = (dataSource, runtime);
        var options = runtime.Options;
        _ownSource = new(() => options is { WriterDataSource: null, ConnectionString: { } other } ? NpgsqlDataSource.Create(other) : null);
        _ownCronSource = new(() => options is { PgCronDataSource: null, PgCronConnectionString: { } other } ? NpgsqlDataSource.Create(other) : null);
        _database = new(() => new JobmonDatabase(
            Source, options.Schema is { } name ? PgIdentifier.Create(name) : null, PgIdentifier.Create(options.SideSchema), options.CommandTimeout));
        _pgCron = new(() => options.PgCron
            ? new PgCronSource(options.PgCronDataSource ?? _ownCronSource.Value ?? Source, options.CommandTimeout, options.PgCronStartGrace) : null);
    }

    public IJobHistory History
    {
        get
        {
            var log = new JobHistory(_database.Value, _runtime.Options.DeadAfter);
            return _pgCron.Value is { } cron ? new PgCronHistory(log, _database.Value, cron) : log;
        }
    }

    public IJobMonitor Monitor
    {
        get
        {
            var log = new JobMonitor(_database.Value, _runtime.Options.DeadAfter, _runtime.Time, () => _runtime.Writer.Backlogged().Count());
            return _pgCron.Value is { } cron ? new PgCronMonitor(log, _database.Value, cron) : log;
        }
    }

    public IJobmonAdmin Admin => new JobmonAdmin(_database.Value, _runtime.Options.DeadAfter);

    private NpgsqlDataSource Source => _runtime.Options.WriterDataSource ?? _ownSource.Value ?? _source;

    public async ValueTask<JobmonCapabilities> GetCapabilitiesAsync(CancellationToken cancellationToken)
    {
        _database.Value.Forget();
        return await _database.Value.RunAsync("detect", JobmonCapabilities.ReadAsync, cancellationToken).ConfigureAwait(false);
    }

    public void Dispose()
    {
        foreach (var own in Own)
            own.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var own in Own)
            await own.DisposeAsync().ConfigureAwait(false);
    }

    private IEnumerable<NpgsqlDataSource> Own =>
        new[] { _ownSource, _ownCronSource }.Where(own => own.IsValueCreated).Select(own => own.Value).OfType<NpgsqlDataSource>();
}
