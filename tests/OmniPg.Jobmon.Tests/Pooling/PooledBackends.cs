using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Pooling;

/// <summary>A log behind a PgBouncer, and what another application of the same pool finds in the backends.</summary>
internal sealed class PooledBackends(JobLogDatabase log, PgBouncer pooler, int poolSize) : IAsyncDisposable
{
    private const int PoolSize = 2;

    // PgBouncer itself sets five parameters that it keeps for each client; those of a transaction begin anew with the next one.
    private const string Leftovers =
        """
        SELECT coalesce(string_agg(x, ', ' ORDER BY x), '') FROM (
            SELECT name || ' = ' || setting AS x FROM pg_settings WHERE source = 'session'
              AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings',
                'transaction_read_only', 'transaction_isolation', 'transaction_deferrable')
            UNION ALL SELECT 'prepared ' || name FROM pg_prepared_statements
            UNION ALL SELECT 'listens to ' || c FROM pg_listening_channels() c
            UNION ALL SELECT 'advisory lock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS found
        """;

    public JobLogDatabase Log => log;

    /// <summary>Connection string through the pooler, as a user would write it.</summary>
    public string ConnectionString => pooler.Through(log.ConnectionString);

    public static async Task<PooledBackends> StartAsync(PgCluster cluster, string mode = "transaction", int poolSize = PoolSize)
    {
        Assert.SkipWhen(PgBouncer.Program is null, "PgBouncer is not installed; OMNIPG_PGBOUNCER can name it.");
        var log = await JobLogDatabase.CreateAsync(cluster, dblink: false);
        await log.ExecuteAsync("CREATE TABLE orders (i int); INSERT INTO orders VALUES (1)");
        return new PooledBackends(log, await PgBouncer.StartAsync(cluster, mode, poolSize, TestContext.Current.CancellationToken), poolSize);
    }

    /// <summary>What every backend of the pool holds that its next user did not put there, one text for each; all of them are asked at once.</summary>
    public async Task<IReadOnlyList<string>> LeftoversAsync()
    {
        var found = new Dictionary<int, string>();
        var held = new List<NpgsqlConnection>();
        try
        {
            for (var i = 0; i < poolSize; i++)
            {
                // Each keeps its transaction open, so that the next one gets another backend.
                var other = await NeighbourAsync();
                held.Add(other);
                await log.RowsAsync(other, "BEGIN");
                var row = (await log.RowsAsync(other, $"SELECT pg_backend_pid(), ({Leftovers})")).Single().Split('|');
                found.Add(int.Parse(row[0]), row[1]);
            }
        }
        finally
        {
            foreach (var connection in held)
            {
                await log.RowsAsync(connection, "ROLLBACK");
                await connection.DisposeAsync();
            }
        }

        return [.. found.Values];
    }

    /// <summary>A connection of another application of the same pool.</summary>
    public async Task<NpgsqlConnection> NeighbourAsync()
    {
        var connection = new NpgsqlConnection(ConnectionString + ";Pooling=false;Application Name=shop");
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        return connection;
    }

    public async ValueTask DisposeAsync()
    {
        await pooler.DisposeAsync();
        await log.DisposeAsync();
    }
}
