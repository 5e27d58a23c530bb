using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.PgCron;

/// <summary>A server with pg_cron, where the installation has it; one for all classes of the collection.</summary>
public sealed class PgCronFixture : IAsyncLifetime
{
    // The script of the extension lets itself be run in the database of cron.database_name and in one of this name.
    private const string Template = "contrib_regression";

    private readonly List<PgCluster> _more = [];
    private PgCluster? _cluster;

    public PgCluster Cluster
    {
        get
        {
            Assert.SkipUnless(_cluster is not null, "The extension pg_cron is not installed (Debian: apt-get install postgresql-15-cron)");
            return _cluster!;
        }
    }

    public async ValueTask InitializeAsync()
    {
        var installed = PgInstallations.Find() is [var best, ..]
            && Directory.EnumerateFiles(Path.GetFullPath(Path.Combine(best.BinDirectory, "..")), "pg_cron.so", SearchOption.AllDirectories).Any();
        if (!installed)
            return;
        _cluster = await StartAsync();
        // Left behind on purpose, without a session: every test copies it.
        var database = await _cluster.CreateDatabaseAsync(Template);
        await database.ExecuteAsync("CREATE EXTENSION pg_cron", default);
        await database.DataSource.DisposeAsync();
    }

    /// <summary>A server of its own for one test.</summary>
    public async Task<PgCluster> StartAsync(params (string Name, string Value)[] settings)
    {
        var cluster = await PgCluster.StartAsync(new PgClusterOptions
        {
            Settings = new Dictionary<string, string>(settings.Select(s => KeyValuePair.Create(s.Name, s.Value))) { ["shared_preload_libraries"] = "pg_cron" },
        });
        _more.Add(cluster);
        return cluster;
    }

    public Task<TestDatabase> CreateDatabaseAsync() => Cluster.CreateDatabaseAsync(template: Template, cancellationToken: TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        foreach (var cluster in _more)
            await cluster.DisposeAsync();
    }
}
