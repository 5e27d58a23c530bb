using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

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

    /// <summary>Makes the sets what a configuration declares, when the host starts: missing ones are created, others changed, and those that are so already left alone.</summary>
    /// <param name="sets">A section for each table, by its name with the schema: <c>"app.events": { "Control": "created_at", "Interval": "1 day" }</c>. See <see cref="PartitionSetOptions.Parse"/>.</param>
    /// <returns>The same builder.</returns>
    /// <remarks>
    /// What will be done is logged first. Services that are registered behind this one find the partitions there. Where a set cannot be made or changed so, nothing
    /// is changed at all, and the host does not start: <see cref="OptionsValidationException"/> for what the section says, <see cref="PartmanException"/> for what the
    /// database does. Several hosts may do this at the same time: one that finds another at work looks again, five times, a second apart.
    /// </remarks>
    public OmniPgPartmanBuilder AddSets(IConfiguration sets)
    {
        ArgumentNullException.ThrowIfNull(sets);
        Services.AddSingleton<IHostedService>(provider => new DeclaredService(
            sets, provider.GetRequiredKeyedService<IPartman>(Name), provider.GetService<ILoggerFactory>()?.CreateLogger(PartmanTelemetry.SourceName) ?? NullLogger.Instance,
            provider.GetRequiredService<TimeProvider>()));
        return this;
    }

    private sealed class DeclaredService(IConfiguration sets, IPartman partman, ILogger logger, TimeProvider time) : IHostedService
    {
        private const int Attempts = 5;
        private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

        public async Task StartAsync(CancellationToken cancellationToken)
        {
            var declared = Declared();
            for (var attempt = 1; ; attempt++)
            {
                try
                {
                    foreach (var step in (await partman.PlanSetsAsync(declared, cancellationToken).ConfigureAwait(false)).Steps)
                        PartmanLog.SetPlanned(logger, step.Kind, step.Reason);
                    foreach (var set in await partman.ApplySetsAsync(declared, cancellationToken).ConfigureAwait(false))
                        PartmanLog.SetDeclared(logger, set.Table.ToString(), set.Outcome);
                    return;
                }
                catch (PartmanException error) when (attempt < Attempts && (error is not InvalidPartitionDefinitionException invalid || IsBeingMade(invalid)))
                {
                    // Another host that starts may have made them between two looks, or between the look and the lock.
                    await Task.Delay(Pause, time, cancellationToken).ConfigureAwait(false);
                }
            }
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        private static bool IsBeingMade(InvalidPartitionDefinitionException error) =>
            error.Reasons.All(r => r.Reason is InvalidDefinitionReason.HasPartitions or InvalidDefinitionReason.AlreadyConfigured);

        private Dictionary<QualifiedName, PartitionSetOptions> Declared()
        {
            var (declared, failures) = (new Dictionary<QualifiedName, PartitionSetOptions>(), new List<string>());
            foreach (var set in sets.GetChildren())
            {
                try
                {
                    var options = PartitionSetOptions.Parse(set.AsEnumerable(makePathsRelative: true));
                    failures.AddRange(OptionsCheck.FailuresOf(options).Select(f => $"'{set.Path}': {f}"));
                    if (!declared.TryAdd(QualifiedName.Parse(set.Key), options))
                        failures.Add($"'{set.Path}': It stands there twice.");
                }
                catch (Exception error) when (error is FormatException or ArgumentException)
                {
                    failures.Add($"'{set.Path}': {error.Message}");
                }
            }
            return failures.Count == 0 ? declared : throw new OptionsValidationException("", typeof(PartitionSetOptions), failures);
        }
    }

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
