using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using OmniPg;
using OmniPg.Partman;

namespace Snippets;

/// <summary>Code blocks of src/OmniPg.Partman/README.md and docs/partman.md.</summary>
internal static class PartmanSnippets
{
    public static async Task First(string connectionString)
    {
        #region partman-first
        await using var dataSource = NpgsqlDataSource.Create(connectionString);
        var partman = new PartmanClient(dataSource);

        await partman.CreateAsync(QualifiedName.Parse("app.events"), new PartitionSetOptions
        {
            Control = "created_at", Interval = "1 day", TimeZone = "Europe/Berlin", Premake = 7,
            Retention = "90 days", WhenExpired = ExpiredAction.Drop,
        });

        MaintenancePlan plan = await partman.PlanMaintenanceAsync();
        Console.WriteLine(plan.Sql.ToSqlScript());
        MaintenanceResult result = await partman.ApplyAsync(plan);
        #endregion

        Console.WriteLine(result.AllSucceeded);
    }

    public static async Task Archive(NpgsqlDataSource dataSource)
    {
        #region partman-archive
        var partman = new PartmanClient(dataSource, archive: new DirectoryObjectStore("/mnt/archive"));
        await partman.CreateAsync(QualifiedName.Parse("app.events"), new PartitionSetOptions
        {
            Control = "created_at", Interval = "1 day", Retention = "90 days", WhenExpired = ExpiredAction.Archive,
        });

        await partman.RestoreAsync("app.events_p20260131.manifest.json");
        #endregion
    }

    public static async Task SubPartitions(PartmanClient partman)
    {
        #region partman-sub-partitions
        await partman.CreateAsync(QualifiedName.Parse("app.events"), new PartitionSetOptions
        {
            Control = "tenant", IdInterval = 1000,
            SubPartitions = new PartitionSetOptions { Control = "created_at", Interval = "1 month", Retention = "1 year", WhenExpired = ExpiredAction.Drop },
        });
        #endregion
    }

    public static async Task Repartition(PartmanClient partman)
    {
        #region partman-repartition
        await partman.RepartitionAsync(QualifiedName.Parse("app.events"), new RepartitionOptions { Interval = "1 month", Rewrite = true });
        #endregion
    }

    public static void Host(IServiceCollection services, string connectionString)
    {
        #region partman-host
        services.AddSingleton(NpgsqlDataSource.Create(connectionString));
        services.AddOmniPgPartman(o => o.LockTimeout = TimeSpan.FromSeconds(1)).AddScheduler(TimeSpan.FromMinutes(30));
        services.AddHealthChecks().AddOmniPgPartman();
        #endregion
    }
}
