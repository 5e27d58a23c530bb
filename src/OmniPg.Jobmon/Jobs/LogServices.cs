using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>History, monitor and administration of the log that a client writes.</summary>
/// <remarks>The pool of the writer is small and keeps its sessions; reading may take longer and more connections, so it has another one.</remarks>
internal sealed class LogServices
{
    private readonly JobmonDatabase _database;
    private readonly List<NpgsqlDataSource> _own = [];

    public LogServices(NpgsqlDataSource dataSource, JobmonRuntime runtime)
    {
        var options = runtime.Options;
        var source = options.WriterDataSource ?? Own(options.ConnectionString) ?? dataSource;
        _database = new JobmonDatabase(
            source, options.Schema is { } name ? PgIdentifier.Create(name) : null, PgIdentifier.Create(options.SideSchema), options.CommandTimeout);
        History = new JobHistory(_database, options.DeadAfter);
        Monitor = new JobMonitor(_database, options.DeadAfter, runtime.Time, () => runtime.Writer.Backlogged().Count());
        Admin = new JobmonAdmin(_database, options.DeadAfter);
        if (!options.PgCron)
            return;
        var cron = new PgCronSource(options.PgCronDataSource ?? Own(options.PgCronConnectionString) ?? source, options.CommandTimeout, options.PgCronStartGrace);
        (History, Monitor) = (new PgCronHistory(History, _database, cron), new PgCronMonitor(Monitor, _database, cron));
    }

    public IJobHistory History { get; }

    public IJobMonitor Monitor { get; }

    public IJobmonAdmin Admin { get; }

    public Task<JobmonCapabilities> GetCapabilitiesAsync(CancellationToken cancellationToken)
    {
        _database.Forget();
        return _database.RunAsync("detect", JobmonCapabilities.ReadAsync, cancellationToken);
    }

    public async ValueTask CloseAsync(bool async)
    {
        foreach (var own in _own)
            await SyncCall.CloseAsync(async, own).ConfigureAwait(false);
    }

    private NpgsqlDataSource? Own(string? connectionString)
    {
        if (connectionString is null)
            return null;
        _own.Add(NpgsqlDataSource.Create(connectionString));
        return _own[^1];
    }
}
