using Npgsql;

namespace OmniPg.Jobmon;

/// <content>History, monitor and administration of the same log.</content>
public sealed partial class JobmonClient
{
    private readonly Lock _servicesGate = new();
    private NpgsqlDataSource? _ownServicesSource;
    private JobmonDatabase? _services;

    /// <inheritdoc/>
    public IJobHistory History => new JobHistory(Services, _options.DeadAfter);

    /// <inheritdoc/>
    public IJobMonitor Monitor => new JobMonitor(Services, _options.DeadAfter, _runtime.Time);

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
                        _options.WriterDataSource ?? _ownServicesSource ?? _dataSource, _options.Schema is { } name ? PgIdentifier.Create(name) : null,
                        PgIdentifier.Create(_options.SideSchema), _options.CommandTimeout);
                }
                return _services;
            }
        }
    }
}
