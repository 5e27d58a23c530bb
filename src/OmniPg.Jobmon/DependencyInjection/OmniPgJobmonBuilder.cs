using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Adds to a registered job log. Every method returns the same builder.</summary>
public sealed class OmniPgJobmonBuilder
{
    internal OmniPgJobmonBuilder(IServiceCollection services, string name) => (Services, Name) = (services, name);

    /// <summary>The services the log is registered in.</summary>
    public IServiceCollection Services { get; }

    /// <summary>Name and service key of the log; empty for the default one.</summary>
    public string Name { get; }

    /// <summary>Uses this data source; it is not disposed with the log.</summary>
    /// <param name="dataSource">Data source of the work, from which the own connections are derived.</param>
    public OmniPgJobmonBuilder UseDataSource(NpgsqlDataSource dataSource)
    {
        ArgumentNullException.ThrowIfNull(dataSource);
        return UseDataSource(_ => dataSource);
    }

    /// <summary>Uses the data source that the container gives.</summary>
    /// <param name="dataSource">Called once, when the log is first asked for; what it returns is not disposed with the log.</param>
    public OmniPgJobmonBuilder UseDataSource(Func<IServiceProvider, NpgsqlDataSource> dataSource)
    {
        ArgumentNullException.ThrowIfNull(dataSource);
        Services.AddKeyedSingleton(Name, new Source(dataSource));
        return this;
    }

    /// <summary>Installs or upgrades the log before the first hosted service starts, as <see cref="IJobmonAdmin.InstallAsync"/>.</summary>
    /// <param name="install">Where and for whom; null means all defaults.</param>
    /// <remarks>
    /// Hosts that start at once follow each other. Needs a role that may create the schemas, or that owns them; where the application has none, leave
    /// this out and let the owner run <c>omnipg jobmon install</c>. With <see cref="ErrorPolicy.LogAndContinue"/> a failure is logged (event 3304) and the
    /// host starts all the same; with <see cref="ErrorPolicy.Throw"/> it does not start.
    /// </remarks>
    public OmniPgJobmonBuilder AddInstall(InstallOptions? install = null)
    {
        Services.AddSingleton<IHostedService>(provider => new InstallService(
            provider.GetRequiredKeyedService<IJobmon>(Name), install ?? new InstallOptions(),
            provider.GetRequiredService<IOptionsMonitor<JobmonOptions>>().Get(Name).ErrorPolicy, Logger(provider)));
        return this;
    }

    /// <summary>Closes the runs of dead processes in the background, as <see cref="IJobmonAdmin.ReapAsync"/>.</summary>
    /// <param name="interval">Time between two looks; positive. Default 1 min; the first comes with the start.</param>
    /// <exception cref="ArgumentOutOfRangeException">The interval is not positive.</exception>
    /// <remarks>Before the log is installed each look is an error in the program's log (event 3301), and the next one tries again.</remarks>
    public OmniPgJobmonBuilder AddReaper(TimeSpan? interval = null)
    {
        var every = Positive(interval ?? TimeSpan.FromMinutes(1), nameof(interval));
        return AddPeriodic(every, TimeSpan.Zero, JobmonLog.ReapFailed, async (jobmon, logger, stop) =>
        {
            if (await jobmon.Admin.ReapAsync(stop).ConfigureAwait(false) is > 0 and var closed)
                JobmonLog.Reaped(logger, closed);
        });
    }

    /// <summary>Deletes old runs in the background, as <see cref="IJobmonAdmin.PurgeAsync"/>.</summary>
    /// <param name="purge">What to delete.</param>
    /// <param name="interval">Time between two purges; positive. Default 1 day; the first comes a minute after the start.</param>
    /// <exception cref="ArgumentOutOfRangeException">The interval is not positive.</exception>
    /// <remarks>Before the log is installed a purge is an error in the program's log (event 3303), and the next one tries again.</remarks>
    public OmniPgJobmonBuilder AddRetention(PurgeOptions purge, TimeSpan? interval = null)
    {
        OptionsCheck.Require(purge);
        var every = Positive(interval ?? TimeSpan.FromDays(1), nameof(interval));
        return AddPeriodic(every, TimeSpan.FromMinutes(1), JobmonLog.PurgeFailed, async (jobmon, logger, stop) =>
        {
            var done = await jobmon.Admin.PurgeAsync(purge, null, stop).ConfigureAwait(false);
            JobmonLog.Purged(logger, done.DeletedJobs);
        });
    }

    /// <summary>Makes check, health check and history tell of the jobs of pg_cron, too: <see cref="JobmonOptions.PgCron"/>.</summary>
    /// <param name="dataSource">
    /// Data source of the database that <c>cron.database_name</c> names; it is not disposed with the log. Default null: that of the log, or
    /// <see cref="JobmonOptions.PgCronConnectionString"/>.
    /// </param>
    public OmniPgJobmonBuilder AddPgCron(NpgsqlDataSource? dataSource = null)
    {
        Services.Configure<JobmonOptions>(Name, options =>
        {
            options.PgCron = true;
            options.PgCronDataSource = dataSource ?? options.PgCronDataSource;
        });
        return this;
    }

    /// <summary>Stores what is logged inside a job with its run (table <c>log_line</c>), whatever the logger's category.</summary>
    /// <param name="minimum">Lowest level stored. Default <see cref="LogLevel.Information"/>.</param>
    /// <remarks>At most <see cref="JobmonOptions.MaxLogLines"/> lines per run. Lines of this package and of the driver are left out.</remarks>
    public OmniPgJobmonBuilder AddLogCapture(LogLevel minimum = LogLevel.Information)
    {
        Services.TryAddEnumerable(ServiceDescriptor.Singleton<ILoggerProvider, JobmonLoggerProvider>(_ => new JobmonLoggerProvider(minimum)));
        return this;
    }

    private OmniPgJobmonBuilder AddPeriodic(
        TimeSpan every, TimeSpan firstAfter, Action<ILogger, string, Exception> logFailure, Func<IJobmon, ILogger, CancellationToken, Task> work)
    {
        Services.AddSingleton<IHostedService>(provider =>
        {
            var (jobmon, logger) = (provider.GetRequiredKeyedService<IJobmon>(Name), Logger(provider));
            return new PeriodicService(stop => work(jobmon, logger, stop), every, Failed, provider.GetRequiredService<TimeProvider>()) { FirstAfter = firstAfter };

            bool Failed(Exception error)
            {
                var expected = WriteFailures.IsExpected(error);
                if (expected)
                    logFailure(logger, error.Message, error);
                return expected;
            }
        });
        return this;
    }

    private static TimeSpan Positive(TimeSpan interval, string name) =>
        interval > TimeSpan.Zero ? interval : throw new ArgumentOutOfRangeException(name, interval, "The interval must be positive.");

    private static ILogger Logger(IServiceProvider provider) => provider.GetRequiredService<ILoggerFactory>().CreateLogger("OmniPg.Jobmon");

    /// <summary>The data source chosen for one named log.</summary>
    internal sealed record Source(Func<IServiceProvider, NpgsqlDataSource> Get);

    /// <summary>Installs the job log before any hosted service starts. Several hosts at once follow each other by the installation's own lock.</summary>
    private sealed class InstallService(IJobmon jobmon, InstallOptions install, ErrorPolicy policy, ILogger logger) : IHostedLifecycleService
    {
        // The host calls this for all its services before it starts the first, in whatever order they were registered.
        public async Task StartingAsync(CancellationToken cancellationToken)
        {
            try
            {
                var result = await jobmon.Admin.InstallAsync(install, cancellationToken).ConfigureAwait(false);
                if (!result.AlreadyInstalled || result.Upgraded)
                    JobmonLog.Installed(logger, result.Upgraded ? "Upgraded" : "Installed", result.Schema.Value, result.SideSchema.Value);
            }
            catch (Exception error) when (policy == ErrorPolicy.LogAndContinue && WriteFailures.IsExpected(error))
            {
                JobmonLog.InstallFailed(logger, error.Message, error);
            }
        }

        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    /// <summary>
    /// Hands what is logged inside a job to its run, whoever keeps that: a client or a log in memory. Knows runs only through the current flow.
    /// </summary>
    private sealed class JobmonLoggerProvider(LogLevel minimum) : ILoggerProvider
    {
        public ILogger CreateLogger(string categoryName) =>
            // What the log's own writing says would be written in turn.
            categoryName.StartsWith("OmniPg.Jobmon", StringComparison.Ordinal) || categoryName.StartsWith("Npgsql", StringComparison.Ordinal)
                ? Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance
                : new CapturingLogger(categoryName, minimum);

        public void Dispose()
        {
        }

        private sealed class CapturingLogger(string category, LogLevel minimum) : ILogger
        {
            public IDisposable? BeginScope<TState>(TState state)
                where TState : notnull => null;

            public bool IsEnabled(LogLevel logLevel) => logLevel >= minimum && logLevel != LogLevel.None && JobScope.Current is not null;

            public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
            {
                if (logLevel < minimum || logLevel == LogLevel.None || JobScope.Current is not { } scope)
                    return;
                var message = formatter(state, exception);
                scope.Job.Capture(scope.Step, logLevel, category, exception is null ? message : $"{message}\n{exception}");
            }
        }
    }
}
