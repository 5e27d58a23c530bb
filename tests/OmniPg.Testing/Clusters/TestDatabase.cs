using Npgsql;

namespace OmniPg.Testing;

/// <summary>A database of a throw-away server; dropped, with everybody still in it, on disposal.</summary>
public sealed class TestDatabase : IAsyncDisposable
{
    private readonly PgCluster _cluster;

    internal TestDatabase(PgCluster cluster, string name)
    {
        (_cluster, Name) = (cluster, name);
        ConnectionString = cluster.GetConnectionString(name);
        DataSource = NpgsqlDataSource.Create(ConnectionString);
    }

    /// <summary>Database name as the catalog stores it.</summary>
    public string Name { get; }

    /// <summary>Connection string of the superuser for this database.</summary>
    public string ConnectionString { get; }

    /// <summary>Data source of <see cref="ConnectionString"/>.</summary>
    public NpgsqlDataSource DataSource { get; }

    /// <summary>Runs SQL, several statements if need be.</summary>
    /// <param name="sql">The statements.</param>
    /// <param name="cancellationToken">Cancels them.</param>
    /// <returns>A task that ends with the last statement.</returns>
    public async Task ExecuteAsync(string sql, CancellationToken cancellationToken = default)
    {
        await using var command = PgCluster.Unhurried(DataSource, sql);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Reads one value.</summary>
    /// <typeparam name="T">Type of the value; a nullable type where the value may be null.</typeparam>
    /// <param name="sql">A query of one row and one column.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    /// <returns>The value.</returns>
    public async Task<T> ScalarAsync<T>(string sql, CancellationToken cancellationToken = default)
    {
        await using var command = PgCluster.Unhurried(DataSource, sql);
        return await command.ExecuteScalarAsync(cancellationToken) is T value ? value : default!;
    }

    /// <summary>Drops the database.</summary>
    /// <returns>A task that ends when it is gone.</returns>
    public async ValueTask DisposeAsync()
    {
        await DataSource.DisposeAsync();
        if (_cluster.IsRunning)
            await _cluster.ExecuteAsync($"DROP DATABASE IF EXISTS {Quote(Name)} WITH (FORCE)");
    }

    internal static string Quote(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
