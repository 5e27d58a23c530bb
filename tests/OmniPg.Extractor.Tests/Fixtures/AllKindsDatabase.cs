using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests;

/// <summary>A database with an object of every kind (<c>all-kinds.sql</c>), one per test class.</summary>
public sealed class AllKindsDatabase(PgClusterFixture fixture) : IAsyncLifetime
{
    public PgCluster Cluster => fixture.Cluster;

    public TestDatabase Database { get; private set; } = null!;

    public string Name => Database.Name;

    /// <summary>Text of a fixture file.</summary>
    public static string Sql(string fileName) => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Fixtures", fileName));

    /// <summary>Fills a database with every kind that its server knows.</summary>
    public static async Task FillAsync(PgCluster cluster, TestDatabase database, CancellationToken cancellationToken = default)
    {
        await database.ExecuteAsync(Sql("all-kinds.sql"), cancellationToken);
        if (cluster.MajorVersion >= 14)
            await RunAsItIsAsync(database, Sql("all-kinds-14.sql").Split("\n\n"), cancellationToken);
        if (cluster.MajorVersion >= 15)
            await database.ExecuteAsync(Sql("all-kinds-15.sql"), cancellationToken);
    }

    // A command without parameters would be cut at the semicolons of the bodies.
    private static async Task RunAsItIsAsync(TestDatabase database, IEnumerable<string> statements, CancellationToken cancellationToken)
    {
        await using var batch = database.DataSource.CreateBatch();
        foreach (var statement in statements)
            batch.BatchCommands.Add(new NpgsqlBatchCommand(statement));
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    public async ValueTask InitializeAsync()
    {
        Database = await Cluster.CreateDatabaseAsync();
        await FillAsync(Cluster, Database);
    }

    public async ValueTask DisposeAsync()
    {
        // A database that a subscription belongs to cannot be dropped.
        await Database.ExecuteAsync("DROP SUBSCRIPTION IF EXISTS incoming");
        await Database.DisposeAsync();
    }
}
