using Npgsql;

namespace OmniPg.Jobmon;

/// <content>History, monitor and administration of the same log.</content>
public sealed partial class JobmonClient
{
    private readonly Lock _servicesGate = new();
    private NpgsqlDataSource? _ownServicesSource;
    private NpgsqlDataSource? _ownCronSource;
    private JobmonDatabase? _services;
    private PgCronSource? _pgCron;

    /// <inheritdoc/>
    public IJobHistory History
    {
        get
        {
            var log = new JobHistory(Services, _options.DeadAfter);
            return PgCron is { } cron ? new PgCronHistory(log, new PgCronRunReader(cron, Services)) : log;
        }
    }

    /// <inheritdoc/>
    public IJobMonitor Monitor
    {
        get
        {
            var log = new JobMonitor(Services, _options.DeadAfter, _runtime.Time, () => _runtime.Writer.Backlogged().Count());
            return PgCron is { } cron ? new PgCronMonitor(log, Services, cron) : log;
        }
    }

    /// <inheritdoc/>
    public IJobmonAdmin Admin => new JobmonAdmin(Services, _options.DeadAfter);

    /// <inheritdoc/>
    public async ValueTask<JobmonCapabilities> GetCapabilitiesAsync(CancellationToken cancellationToken = default)
    {
        var database = Services;
        database.Forget();
        return await database.RunAsync("detect", CapabilityProbe.RunAsync, cancellationToken).ConfigureAwait(false);
    }

    // The pool of the writer is small and keeps its sessions; reading may take longer and more connections, so it has another one.
    private JobmonDatabase Services
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            lock (_servicesGate)
            {
                if (_services is null)
                {
                    if (_options.ConnectionString is { } other)
                        _ownServicesSource = NpgsqlDataSource.Create(other);
                    _services = new JobmonDatabase(
                        ServicesSource, _options.Schema is { } name ? PgIdentifier.Create(name) : null,
                        PgIdentifier.Create(_options.SideSchema), _options.CommandTimeout);
                }
                return _services;
            }
        }
    }

    private NpgsqlDataSource ServicesSource => _options.WriterDataSource ?? _ownServicesSource ?? _dataSource;

    private PgCronSource? PgCron
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            lock (_servicesGate)
            {
                if (_options.PgCron && _pgCron is null)
                {
                    if (_options.PgCronDataSource is null && _options.PgCronConnectionString is { } other)
                        _ownCronSource = NpgsqlDataSource.Create(other);
                    _pgCron = new PgCronSource(_options.PgCronDataSource ?? _ownCronSource ?? ServicesSource, _options.CommandTimeout, _options.PgCronStartGrace);
                }
                return _pgCron;
            }
        }
    }
}
