using Npgsql;
using OmniPg.Testing;

namespace EtlJob;

/// <summary>The database of the sample: a given one, or a throw-away server.</summary>
internal sealed class Server(NpgsqlDataSource dataSource, PgCluster? cluster) : IAsyncDisposable
{
    public NpgsqlDataSource DataSource => dataSource;

    public static async Task<Server> OpenAsync(string? connection, CancellationToken cancellationToken)
    {
        connection ??= Environment.GetEnvironmentVariable("OMNIPG_CONNECTION");
        if (connection is not null)
            return new Server(NpgsqlDataSource.Create(connection), null);
        var cluster = await PgCluster.StartAsync(cancellationToken: cancellationToken);
        return new Server(NpgsqlDataSource.Create(cluster.ConnectionString), cluster);
    }

    public async ValueTask DisposeAsync()
    {
        await dataSource.DisposeAsync();
        if (cluster is not null)
            await cluster.DisposeAsync();
    }
}
