using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>A source and a destination database of one server, for one test.</summary>
internal sealed class TwoDatabases(TestDatabase source, TestDatabase destination) : IAsyncDisposable
{
    public TestDatabase Source => source;

    public TestDatabase Destination => destination;

    public static async Task<TwoDatabases> CreateAsync(PgCluster cluster)
    {
        var cancellation = TestContext.Current.CancellationToken;
        return new TwoDatabases(await cluster.CreateDatabaseAsync(cancellationToken: cancellation), await cluster.CreateDatabaseAsync(cancellationToken: cancellation));
    }

    public Task AtSourceAsync(string sql) => source.ExecuteAsync(sql, TestContext.Current.CancellationToken);

    public Task AtDestinationAsync(string sql) => destination.ExecuteAsync(sql, TestContext.Current.CancellationToken);

    public Task<T> SourceAsync<T>(string sql) => source.ScalarAsync<T>(sql, TestContext.Current.CancellationToken);

    public Task<T> DestinationAsync<T>(string sql) => destination.ScalarAsync<T>(sql, TestContext.Current.CancellationToken);

    /// <summary>Count and checksum of a query's rows, in any order.</summary>
    public static Task<string> ContentAsync(TestDatabase database, string query) => database.ScalarAsync<string>(
        $"SELECT count(*) || ' ' || coalesce(sum(('x' || substr(md5(r::text), 1, 15))::bit(60)::bigint), 0) FROM ({query}) AS r", TestContext.Current.CancellationToken);

    public async Task ShouldBeEqualAsync(string sourceQuery, string destinationQuery) =>
        (await ContentAsync(destination, destinationQuery)).Should().Be(await ContentAsync(source, sourceQuery));

    public async ValueTask DisposeAsync()
    {
        await source.DisposeAsync();
        await destination.DisposeAsync();
    }
}
