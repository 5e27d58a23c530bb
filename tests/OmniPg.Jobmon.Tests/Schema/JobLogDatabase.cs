using System.Collections.Concurrent;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests;

/// <summary>A database with the SDK's own job log, for one test.</summary>
internal sealed class JobLogDatabase : IAsyncDisposable
{
    private static readonly ConcurrentDictionary<(PgCluster Cluster, bool Dblink), Lazy<Task<string>>> Templates = new();

    private readonly TestDatabase _database;

    private JobLogDatabase(TestDatabase database, JobmonDatabase access, string schema) => (_database, Access, Schema) = (database, access, schema);

    public JobmonDatabase Access { get; }

    public IJobHistory History => new JobHistory(Access, TimeSpan.FromSeconds(60));

    public IJobMonitor Monitor => new JobMonitor(Access, TimeSpan.FromSeconds(60), TimeProvider.System);

    public IJobmonAdmin Admin => new JobmonAdmin(Access, TimeSpan.FromSeconds(60));

    /// <summary>Schema of the log, quoted.</summary>
    public string Schema { get; }

    public string Name => _database.Name;

    public string ConnectionString => _database.ConnectionString;

    public NpgsqlDataSource DataSource => _database.DataSource;

    public static async Task<JobLogDatabase> CreateAsync(PgCluster cluster, bool dblink = true, string schema = "jobmon", string? name = null)
    {
        var cancellation = TestContext.Current.CancellationToken;
        var template = schema == "jobmon" ? await Templates.GetOrAdd((cluster, dblink), key => new Lazy<Task<string>>(() => MakeTemplateAsync(key))).Value : null;
        var database = await cluster.CreateDatabaseAsync(name, template, cancellation);
        var access = AccessTo(database);
        if (template is null)
            await InstallAsync(database, access, dblink, schema);
        return new JobLogDatabase(database, access, PgIdentifier.Create(schema).Quoted);
    }

    /// <summary>The same database seen by another role.</summary>
    public static JobmonDatabase AccessAs(NpgsqlDataSource dataSource) => new(dataSource, null, PgIdentifier.Create("omnipg_jobmon"), TimeSpan.FromSeconds(30));

    private static async Task<string> MakeTemplateAsync((PgCluster Cluster, bool Dblink) key)
    {
        // Left behind on purpose: the cluster goes with the assembly.
        var database = await key.Cluster.CreateDatabaseAsync($"jobmon_template_{key.Dblink}", cancellationToken: TestContext.Current.CancellationToken);
        await InstallAsync(database, AccessTo(database), key.Dblink, "jobmon");
        await database.DataSource.DisposeAsync();
        return database.Name;
    }

    private static async Task InstallAsync(TestDatabase database, JobmonDatabase access, bool dblink, string schema)
    {
        var cancellation = TestContext.Current.CancellationToken;
        if (dblink)
            await database.ExecuteAsync("CREATE EXTENSION dblink", cancellation);
        await new JobmonInstaller(access).InstallAsync(new InstallOptions { Schema = schema }, cancellation);
    }

    private static JobmonDatabase AccessTo(TestDatabase database) =>
        new(database.DataSource, null, PgIdentifier.Create("omnipg_jobmon"), TimeSpan.FromSeconds(30));

    /// <summary>Runs a statement in which <c>S.</c> stands for the schema of the log.</summary>
    public Task ExecuteAsync(string sql) => _database.ExecuteAsync(Fill(sql), TestContext.Current.CancellationToken);

    public Task<T> ScalarAsync<T>(string sql) => _database.ScalarAsync<T>(Fill(sql), TestContext.Current.CancellationToken);

    /// <summary>Rows as text, columns joined by <c>|</c>, null as <c>~</c>.</summary>
    public async Task<IReadOnlyList<string>> RowsAsync(string sql)
    {
        await using var connection = await DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        return await RowsAsync(connection, sql);
    }

    public async Task<IReadOnlyList<string>> RowsAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(Fill(sql), connection) { AllResultTypesAreUnknown = true };
        await using var reader = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        var rows = new List<string>();
        while (await reader.ReadAsync(TestContext.Current.CancellationToken))
            rows.Add(string.Join('|', Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? "~" : reader.GetString(i))));
        return rows;
    }

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    private string Fill(string sql) => sql.Replace("S.", Schema + ".", StringComparison.Ordinal);
}
