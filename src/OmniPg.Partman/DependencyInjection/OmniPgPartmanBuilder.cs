using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace OmniPg.Partman;

/// <summary>Adds to registered partition sets.</summary>
public sealed class OmniPgPartmanBuilder
{
    private const double Jitter = 0.1;

    internal OmniPgPartmanBuilder(IServiceCollection services, string name) => (Services, Name) = (services, name);

    /// <summary>The services the client is registered in.</summary>
    public IServiceCollection Services { get; }

    /// <summary>Name and service key of the client; empty for the default one.</summary>
    public string Name { get; }

    /// <summary>Gives the client the store that sets with <see cref="ExpiredAction.Archive"/> archive in.</summary>
    /// <param name="open">Makes the store, which the container disposes.</param>
    /// <returns>The same builder.</returns>
    public OmniPgPartmanBuilder AddArchive(Func<IServiceProvider, IObjectStore> open)
    {
        ArgumentNullException.ThrowIfNull(open);
        Services.AddKeyedSingleton<IObjectStore>(ArchiveKey(Name), (provider, _) => open(provider));
        return this;
    }

    // A key of its own: a store that is registered for something else is nobody's archive.
    internal static string ArchiveKey(string name) => "OmniPg.Partman archive " + name;

    /// <summary>Maintains all sets with automatic maintenance in the background. Stands for the extension's background worker.</summary>
    /// <param name="period">Time from the end of a round to the begin of the next, up to a tenth longer by chance; positive. The first comes with the start.</param>
    /// <param name="options">How; <see langword="null"/> means all defaults.</param>
    /// <returns>The same builder.</returns>
    /// <remarks>
    /// Several hosts may do this: each set is changed by one at a time, and a host that finds nothing to do changes nothing. A round that fails is logged, and
    /// the next one tries again. When the host stops, the partition at work is left as it was.
    /// </remarks>
    /// <exception cref="ArgumentOutOfRangeException">The period is not positive.</exception>
    public OmniPgPartmanBuilder AddScheduler(TimeSpan period, MaintenanceOptions? options = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(period, TimeSpan.Zero);
        Services.AddSingleton<IHostedService>(provider =>
        {
            var logger = provider.GetService<ILoggerFactory>()?.CreateLogger(PartmanTelemetry.SourceName) ?? NullLogger.Instance;
            return new PeriodicService(
                stop => provider.GetRequiredKeyedService<IPartman>(Name).MaintainAsync(options, cancellationToken: stop), period,
                error =>
                {
                    PartmanLog.RoundFailed(logger, error);
                    return error is PartmanException or Npgsql.NpgsqlException;
                },
                provider.GetRequiredService<TimeProvider>())
            {
                Jitter = Jitter,
            };
        });
        return this;
    }
}
