using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>Adds to a registered client of pulled tables.</summary>
public sealed class OmniPgMimeoBuilder
{
    private const double Jitter = 0.1;

    internal OmniPgMimeoBuilder(IServiceCollection services, string name) => (Services, Name) = (services, name);

    /// <summary>The services the client is registered in.</summary>
    public IServiceCollection Services { get; }

    /// <summary>Name and service key of the client; empty for the default one.</summary>
    public string Name { get; }

    /// <summary>Reads a source through a data source of the application, in place of the connection that is stored for it.</summary>
    /// <param name="source">Name of the source.</param>
    /// <param name="open">Finds the data source, which stays the container's.</param>
    /// <returns>The same builder.</returns>
    public OmniPgMimeoBuilder AddSource(string source, Func<IServiceProvider, NpgsqlDataSource> open)
    {
        ArgumentException.ThrowIfNullOrEmpty(source);
        ArgumentNullException.ThrowIfNull(open);
        Services.AddOptions<MimeoOptions>(Name).Configure<IServiceProvider>((options, provider) =>
            options.Sources = new Dictionary<string, NpgsqlDataSource>(options.Sources, StringComparer.Ordinal) { [source] = open(provider) });
        return this;
    }

    /// <summary>Refreshes in the background what is due by <see cref="ReplicationSpec.Period"/>. Stands for <c>run_refresh.py</c> in cron.</summary>
    /// <param name="tick">Time from the end of a round to the begin of the next, up to a tenth longer by chance; positive. The first comes with the start.</param>
    /// <param name="options">Which tables, and how many at once; null for all, one after another.</param>
    /// <returns>The same builder.</returns>
    /// <remarks>
    /// Several hosts may do this: a table is refreshed by one at a time. One that fails is logged and stops no other; it is due again in the next round. When the host stops, the
    /// table at work stays as it was.
    /// </remarks>
    /// <exception cref="ArgumentOutOfRangeException">The tick is not positive.</exception>
    public OmniPgMimeoBuilder AddScheduler(TimeSpan tick, DueOptions? options = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(tick, TimeSpan.Zero);
        Services.AddSingleton<IHostedService>(provider =>
        {
            var logger = provider.GetService<ILoggerFactory>()?.CreateLogger(MimeoTelemetry.SourceName) ?? NullLogger.Instance;
            return new PeriodicService(
                async stop =>
                {
                    var due = await provider.GetRequiredKeyedService<IMimeo>(Name).RefreshDueAsync(options, cancellationToken: stop).ConfigureAwait(false);
                    foreach (var failure in due.Failures)
                        MimeoLog.DueFailed(logger, failure.Destination.ToString(), failure.Error);
                },
                tick,
                error =>
                {
                    MimeoLog.RoundFailed(logger, error);
                    return error is MimeoException or NpgsqlException;
                },
                provider.GetRequiredService<TimeProvider>())
            {
                Jitter = Jitter,
            };
        });
        return this;
    }
}
