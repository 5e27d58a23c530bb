using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Benchmarks;

/// <summary>A throw-away server (fsync off) with the SDK's job log and, in another schema, what it is compared with.</summary>
public sealed class BenchmarkLog : IAsyncDisposable
{
    private readonly PgCluster _cluster;

    private BenchmarkLog(PgCluster cluster, JobmonClient jobmon, bool hasOriginal) =>
        (_cluster, Jobmon, HasOriginal) = (cluster, jobmon, hasOriginal);

    public JobmonClient Jobmon { get; }

    public NpgsqlDataSource DataSource => _cluster.DataSource;

    /// <summary>Whether <c>OMNIPG_PG_JOBMON_SQL</c> names the sources of the original; else its mechanism alone is measured.</summary>
    public bool HasOriginal { get; }

    public static async Task<BenchmarkLog> StartAsync()
    {
        var cluster = await PgCluster.StartAsync();
        await using (var command = cluster.DataSource.CreateCommand("CREATE EXTENSION dblink; CREATE SCHEMA original"))
            await command.ExecuteNonQueryAsync();
        var jobmon = new JobmonClient(cluster.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await jobmon.Admin.InstallAsync();
        var sources = Environment.GetEnvironmentVariable("OMNIPG_PG_JOBMON_SQL");
        if (sources is not null)
            await InstallOriginalAsync(cluster, sources);
        return new BenchmarkLog(cluster, jobmon, sources is not null);
    }

    /// <summary>Conninfo by which a backend of this server reaches its own server, as the original does for every call.</summary>
    public string Conninfo => $"host=127.0.0.1 port={_cluster.Port} dbname=postgres user=postgres";

    /// <summary>A second client of the same log; the caller disposes it.</summary>
    public JobmonClient Client(JobmonOptions options) => new(DataSource, options);

    public async Task<T> ScalarAsync<T>(string sql)
    {
        await using var command = DataSource.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    public async ValueTask DisposeAsync()
    {
        await Jobmon.DisposeAsync();
        await _cluster.DisposeAsync();
    }

    /// <summary>The directory is the original's folder <c>sql</c> with <c>tables</c> and <c>functions</c>, as for the tests.</summary>
    private static async Task InstallOriginalAsync(PgCluster cluster, string directory)
    {
        string[] files = [Path.Combine(directory, "tables", "tables.sql"), .. Directory.GetFiles(Path.Combine(directory, "functions"), "*.sql").Order(StringComparer.Ordinal)];
        // Statements about extension membership have no meaning outside CREATE EXTENSION.
        var sql = string.Join('\n', files.SelectMany(File.ReadLines).Where(l => !l.Contains("pg_extension_config_dump", StringComparison.Ordinal)))
            .Replace("@extschema@", "original", StringComparison.Ordinal);
        await using var connection = await cluster.DataSource.OpenConnectionAsync();
        await using (var command = new NpgsqlCommand($"SET search_path = original, public; {sql}", connection))
            await command.ExecuteNonQueryAsync();
        await using var mapping = new NpgsqlCommand(
            $"INSERT INTO original.dblink_mapping_jobmon (username, port, host) VALUES ('postgres', '{cluster.Port}', '127.0.0.1')", connection);
        await mapping.ExecuteNonQueryAsync();
    }
}
