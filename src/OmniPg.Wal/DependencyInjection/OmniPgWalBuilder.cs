using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Adds the parts of <c>OmniPg.Wal</c> to a host. Each is a singleton keyed by <see cref="Name"/>; the first of a kind is also the default.</summary>
public sealed class OmniPgWalBuilder
{
    internal OmniPgWalBuilder(IServiceCollection services, string name) => (Services, Name) = (services, name);

    /// <summary>The services the parts are registered in.</summary>
    public IServiceCollection Services { get; }

    /// <summary>Name and service key of the parts and of their options; empty for the default ones.</summary>
    public string Name { get; }

    /// <summary>Adds a <see cref="WalArchiver"/>.</summary>
    /// <param name="configure">Sets the options, which are checked when the host starts.</param>
    /// <returns>The same builder.</returns>
    public OmniPgWalBuilder AddArchiver(Action<WalArchiveOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        OptionsCheck.Add<WalArchiveOptions>(Services, Name).Configure(configure);
        return Add(static (provider, name) => new WalArchiver(
            provider.GetRequiredService<IOptionsMonitor<WalArchiveOptions>>().Get(name), provider.GetService<ILoggerFactory>(), provider.GetRequiredService<TimeProvider>()));
    }

    /// <summary>Adds a <see cref="WalArchiver"/> from a configuration section, such as <c>"OmniPg:Wal"</c>.</summary>
    /// <param name="section">Keys are the properties of <see cref="WalArchiveOptions"/>.</param>
    /// <returns>The same builder.</returns>
    public OmniPgWalBuilder AddArchiver(IConfiguration section)
    {
        ArgumentNullException.ThrowIfNull(section);
        return AddArchiver(options => section.Bind(options));
    }

    /// <summary>Runs the resident mode of the archiver (<see cref="WalResident"/>) as long as the host runs, and logs what happens.</summary>
    /// <param name="configure">Sets spool, socket and parallelism, which are checked when the host starts.</param>
    /// <returns>The same builder.</returns>
    public OmniPgWalBuilder AddResident(Action<WalResidentOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        OptionsCheck.Add<WalResidentOptions>(Services, Name).Configure(configure);
        var name = Name;
        Services.AddSingleton<IHostedService>(provider => new Resident(
            provider.GetRequiredKeyedService<WalArchiver>(name),
            provider.GetRequiredService<IOptionsMonitor<WalResidentOptions>>().Get(name),
            provider.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance));
        return this;
    }

    /// <summary>Runs the resident mode of the archiver with options from a configuration section.</summary>
    /// <param name="section">Keys are the properties of <see cref="WalResidentOptions"/>.</param>
    /// <returns>The same builder.</returns>
    public OmniPgWalBuilder AddResident(IConfiguration section)
    {
        ArgumentNullException.ThrowIfNull(section);
        return AddResident(options => section.Bind(options));
    }

    /// <summary>Adds a <see cref="WalReceiver"/>, which receives as long as the host runs; what ends it for good is the host's to handle.</summary>
    /// <param name="connectionString">Gives the connection string of the server.</param>
    /// <param name="configure">Sets the options, which are checked when the host starts.</param>
    /// <returns>The same builder.</returns>
    public OmniPgWalBuilder AddReceiver(Func<IServiceProvider, string> connectionString, Action<WalReceiverOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(connectionString);
        ArgumentNullException.ThrowIfNull(configure);
        OptionsCheck.Add<WalReceiverOptions>(Services, Name).Configure(configure);
        var name = Name;
        Services.AddSingleton<IHostedService>(provider => new Receiving(provider.GetRequiredKeyedService<WalReceiver>(name)));
        return Add((provider, key) => new WalReceiver(
            connectionString(provider), provider.GetRequiredService<IOptionsMonitor<WalReceiverOptions>>().Get(key), provider.GetService<ILoggerFactory>(), provider.GetRequiredService<TimeProvider>()));
    }

    /// <summary>Adds a <see cref="WalReceiver"/> with options from a configuration section.</summary>
    /// <param name="connectionString">Gives the connection string of the server.</param>
    /// <param name="section">Keys are the properties of <see cref="WalReceiverOptions"/>.</param>
    /// <returns>The same builder.</returns>
    public OmniPgWalBuilder AddReceiver(Func<IServiceProvider, string> connectionString, IConfiguration section)
    {
        ArgumentNullException.ThrowIfNull(section);
        return AddReceiver(connectionString, options => section.Bind(options));
    }

    /// <summary>Adds a <see cref="WalRestorer"/>.</summary>
    /// <param name="configure">Sets the options, the sources with them, which are checked when the host starts.</param>
    /// <returns>The same builder.</returns>
    public OmniPgWalBuilder AddRestorer(Action<WalRestoreOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        OptionsCheck.Add<WalRestoreOptions>(Services, Name).Configure(configure);
        return Add(static (provider, name) => new WalRestorer(
            provider.GetRequiredService<IOptionsMonitor<WalRestoreOptions>>().Get(name), provider.GetService<ILoggerFactory>(), provider.GetRequiredService<TimeProvider>()));
    }

    /// <summary>Adds a <see cref="WalRepository"/>.</summary>
    /// <param name="store">Makes or finds its store; the repository does not dispose it.</param>
    /// <returns>The same builder.</returns>
    public OmniPgWalBuilder AddRepository(Func<IServiceProvider, IObjectStore> store)
    {
        ArgumentNullException.ThrowIfNull(store);
        return Add((provider, _) => new WalRepository(store(provider), provider.GetService<ILoggerFactory>()));
    }

    /// <summary>Adds a <see cref="RestoreDrill"/>, and with a period runs it as long as the host runs; its last verdict is what the health check <c>AddOmniPgDrill</c> tells.</summary>
    /// <param name="store">Makes or finds the store with the backups; not disposed.</param>
    /// <param name="archive">Makes or finds the WAL archive; null restores backups with their own WAL. Not disposed.</param>
    /// <param name="configure">Sets the options, which are checked when the host starts.</param>
    /// <param name="every">Time from the end of a drill to the begin of the next, positive; the first comes with the start. Null runs none: whoever has the drill calls it.</param>
    /// <returns>The same builder.</returns>
    /// <remarks>A drill that cannot run is logged, and the next one tries again. When the host stops, the copy under way is removed.</remarks>
    /// <exception cref="ArgumentOutOfRangeException">The period is not positive.</exception>
    public OmniPgWalBuilder AddDrill(
        Func<IServiceProvider, IObjectStore> store, Func<IServiceProvider, IObjectStore>? archive, Action<RestoreDrillOptions> configure, TimeSpan? every = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(configure);
        if (every is { } period)
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(period, TimeSpan.Zero, nameof(every));
        OptionsCheck.Add<RestoreDrillOptions>(Services, Name).Configure(configure);
        Add((provider, name) => new RestoreDrill(
            store(provider), archive?.Invoke(provider), provider.GetRequiredService<IOptionsMonitor<RestoreDrillOptions>>().Get(name), provider.GetService<ILoggerFactory>(),
            provider.GetRequiredService<TimeProvider>()));
        if (every is null)
            return this;
        Add((provider, name) => new DrillRounds(provider.GetRequiredKeyedService<RestoreDrill>(name), provider.GetRequiredService<TimeProvider>(), provider.GetService<ILoggerFactory>()));
        var key = Name;
        Services.AddSingleton<IHostedService>(provider =>
        {
            var rounds = provider.GetRequiredKeyedService<DrillRounds>(key);
            return new PeriodicService(rounds.RunAsync, every.Value, rounds.HasFailed, provider.GetRequiredService<TimeProvider>());
        });
        return this;
    }

    /// <summary>Adds a <see cref="WalMonitor"/>, which looks whenever it is asked: by the health check <c>AddOmniPgMonitor</c>, or by whoever has it.</summary>
    /// <param name="server">Makes or finds the data source of the server; null leaves out what only it can tell. Not disposed.</param>
    /// <param name="archive">Makes or finds the archive; null leaves out what it tells. Not disposed.</param>
    /// <param name="backups">Makes or finds the store of base backups; null leaves out what it tells. Not disposed.</param>
    /// <param name="configure">Sets the options, which are checked when the host starts; null takes the defaults.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">There is nothing to look at.</exception>
    public OmniPgWalBuilder AddMonitor(
        Func<IServiceProvider, NpgsqlDataSource>? server, Func<IServiceProvider, IObjectStore>? archive, Func<IServiceProvider, IObjectStore>? backups = null, Action<WalMonitorOptions>? configure = null)
    {
        if (server is null && archive is null && backups is null)
            throw new ArgumentException("A server, an archive or a store of backups is needed.", nameof(server));
        OptionsCheck.Add<WalMonitorOptions>(Services, Name).Configure(options => configure?.Invoke(options));
        return Add((provider, name) => new WalMonitor(
            server?.Invoke(provider), archive?.Invoke(provider), backups?.Invoke(provider), provider.GetRequiredService<IOptionsMonitor<WalMonitorOptions>>().Get(name),
            provider.GetService<ILoggerFactory>(), provider.GetRequiredService<TimeProvider>()));
    }

    private OmniPgWalBuilder Add<TPart>(Func<IServiceProvider, string, TPart> create)
        where TPart : class
    {
        var name = Name;
        Services.TryAddSingleton(TimeProvider.System);
        Services.TryAddKeyedSingleton(name, (provider, _) => create(provider, name));
        Services.TryAddSingleton(provider => provider.GetRequiredKeyedService<TPart>(name));
        return this;
    }

    private sealed class Receiving(WalReceiver receiver) : BackgroundService
    {
        protected override Task ExecuteAsync(CancellationToken stoppingToken) => receiver.RunAsync(stoppingToken);
    }

    private sealed class Resident(WalArchiver archiver, WalResidentOptions options, ILoggerFactory logs) : BackgroundService
    {
        private readonly ILogger _log = logs.CreateLogger<WalArchiver>();

        protected override async Task ExecuteAsync(CancellationToken stoppingToken)
        {
            await foreach (var happened in new WalResident(archiver, options).RunAsync(stoppingToken).ConfigureAwait(false))
                Say(happened);
        }

        private void Say(ArchiveEvent happened)
        {
            switch (happened)
            {
                case { Kind: ArchiveEventKind.Archived, File: { } file, Result: { } result }:
                    WalLog.Archived(_log, file, result.Elapsed.TotalSeconds, happened.Backlog);
                    break;
                case { Kind: ArchiveEventKind.Failed, File: { } file, Error: { } error }:
                    WalLog.Failed(_log, file, error.Message);
                    break;
                default:
                    WalLog.Backlog(_log, happened.Backlog);
                    break;
            }
        }
    }
}
