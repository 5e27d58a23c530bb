using System.Collections.Concurrent;
using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>Connections to sources by what is stored for them, kept open from one table to the next for as long as one call lasts.</summary>
internal sealed class SourcePools : IAsyncDisposable
{
    // As many as the options could ask for: the server's own limit is the one that counts.
    private const int Most = 64 * 65;

    private readonly ConcurrentDictionary<string, Lazy<NpgsqlDataSource>> _pools = new(StringComparer.Ordinal);

    /// <summary>The data source of a connection string; it is not the caller's.</summary>
    public NpgsqlDataSource Of(string connectionString) => _pools.GetOrAdd(connectionString, text => new Lazy<NpgsqlDataSource>(
        () => NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(text) { MaxPoolSize = Most }))).Value;

    public async ValueTask DisposeAsync()
    {
        foreach (var pool in _pools.Values.Where(p => p.IsValueCreated))
            await pool.Value.DisposeAsync().ConfigureAwait(false);
    }
}
