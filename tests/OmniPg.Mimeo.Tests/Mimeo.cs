using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>A destination with the package's tables, a source called erp, and clients between them.</summary>
internal sealed class Mimeo : IAsyncDisposable
{
    private Mimeo(TwoDatabases databases, MimeoClient client) => (Databases, Client) = (databases, client);

    public TwoDatabases Databases { get; }

    public MimeoClient Client { get; }

    public static async Task<Mimeo> CreateAsync(PgCluster cluster, Action<MimeoOptions>? configure = null)
    {
        var databases = await TwoDatabases.CreateAsync(cluster);
        // A slot waits for every transaction of the server, and so for those of whichever tests run beside this one.
        var options = new MimeoOptions { LockTimeout = TimeSpan.FromMinutes(1) };
        configure?.Invoke(options);
        var client = new MimeoClient(databases.Destination.DataSource, options);
        await client.EnsureCreatedAsync(TestContext.Current.CancellationToken);
        await client.AddSourceAsync("erp", databases.Source.ConnectionString, TestContext.Current.CancellationToken);
        return new Mimeo(databases, client);
    }

    /// <summary>The table of the original's own tests: 10,000 rows with a number, a text and a time.</summary>
    public Task MakeSourceAsync(string name, string columns = "col1 int PRIMARY KEY, col2 text, col3 timestamptz DEFAULT clock_timestamp()") => Databases.AtSourceAsync(
        $"CREATE TABLE {name} ({columns}); INSERT INTO {name} (col1, col2) SELECT i, 'test' || i FROM generate_series(1, 10000) i");

    public Task AddRowsAsync(string name, int from, int to) =>
        Databases.AtSourceAsync($"INSERT INTO {name} (col1, col2) SELECT i, 'test' || i FROM generate_series({from}, {to}) i");

    public Task<CreateResult> CreateAsync(ReplicationKind kind, string source, Func<ReplicationSpec, ReplicationSpec>? change = null, CreateOptions? options = null)
    {
        var spec = new ReplicationSpec { Kind = kind, From = "erp", Source = QualifiedName.Parse(source) };
        return Client.CreateAsync(change is null ? spec : change(spec), options, cancellationToken: TestContext.Current.CancellationToken);
    }

    public Task<RefreshResult> RefreshAsync(string destination, RefreshOptions? options = null) =>
        Client.RefreshAsync(QualifiedName.Parse(destination), options, cancellationToken: TestContext.Current.CancellationToken);

    public Task<DropResult> DropAsync(string destination, bool keepTable = true) =>
        Client.DropAsync(QualifiedName.Parse(destination), keepTable, cancellationToken: TestContext.Current.CancellationToken);

    public ValueTask DisposeAsync() => Databases.DisposeAsync();
}
