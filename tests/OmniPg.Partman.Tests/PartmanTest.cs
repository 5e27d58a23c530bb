using OmniPg.Testing;

namespace OmniPg.Partman.Tests;

/// <summary>A database of its own for each test, and a client in it.</summary>
public abstract class PartmanTest(PgClusterFixture fixture) : IAsyncLifetime
{
    protected static readonly QualifiedName Events = QualifiedName.Parse("public.events");

    protected TestDatabase Database { get; private set; } = null!;

    protected PgCluster Cluster => fixture.Cluster;

    protected PartmanClient Partman { get; private set; } = null!;

    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    public virtual async ValueTask InitializeAsync()
    {
        Database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        Partman = Client();
    }

    public virtual async ValueTask DisposeAsync()
    {
        await Database.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    protected PartmanClient Client(Action<PartmanOptions>? configure = null)
    {
        var options = new PartmanOptions { LockTimeout = TimeSpan.FromMilliseconds(200), LockAttempts = 3, MaxBackoff = TimeSpan.FromMilliseconds(100) };
        configure?.Invoke(options);
        return new PartmanClient(Database.DataSource, options);
    }

    protected Task Run(string sql) => Database.ExecuteAsync(sql, Token);

    /// <summary>Runs each text by itself in one session of its own.</summary>
    protected void Sync(params string[] texts)
    {
        using var connection = new Npgsql.NpgsqlConnection(Database.ConnectionString + ";Pooling=false");
        connection.Open();
        foreach (var sql in texts)
        {
            using var command = new Npgsql.NpgsqlCommand(sql, connection);
            command.ExecuteNonQuery();
        }
    }

    protected Task<T> Ask<T>(string sql) => Database.ScalarAsync<T>(sql, Token);

    /// <summary>Names and bounds of the partitions of a table, one a line, in UTC.</summary>
    protected async Task<string[]> BoundsAsync(string table = "events") => await Ask<string[]>(
        $"SELECT array_agg(replace(replace(format('%s %s', c.relname, pg_get_expr(c.relpartbound, c.oid)), ' 00:00:00+00', ''), 'FOR VALUES ', '') ORDER BY c.relname) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = '{table}'::regclass");

    /// <summary>Names of the partitions of a table in order.</summary>
    protected async Task<string[]> NamesAsync(string table = "events") => await Ask<string[]>(
        $"SELECT COALESCE(array_agg(c.relname::text ORDER BY c.relname), '{{}}') FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = '{table}'::regclass");

    protected Task DailyTableAsync(string type = "timestamptz") => Run($"CREATE TABLE events (id bigint, at {type} NOT NULL, note text) PARTITION BY RANGE (at)");

    protected Task IdTableAsync() => Run("CREATE TABLE events (id bigint NOT NULL, note text) PARTITION BY RANGE (id)");

    protected static PartitionSetOptions Daily(Action<PartitionSetOptions>? configure = null)
    {
        var options = new PartitionSetOptions { Control = "at", Interval = PgInterval.OfDays(1) };
        configure?.Invoke(options);
        return options;
    }

    protected static PartitionSetOptions Tens(Action<PartitionSetOptions>? configure = null)
    {
        var options = new PartitionSetOptions { Control = "id", IdInterval = 10 };
        configure?.Invoke(options);
        return options;
    }

    protected static MaintenanceOptions Only(QualifiedName table) => new() { Table = table };

    protected async Task<SetResult> MaintainAsync(Action<MaintenanceOptions>? configure = null, PartmanClient? client = null)
    {
        var options = Only(Events);
        configure?.Invoke(options);
        return (await (client ?? Partman).MaintainAsync(options, cancellationToken: Token)).Sets.Single();
    }

    /// <summary>Acts at once, where <see cref="Progress{T}"/> would act at some time.</summary>
    protected sealed class Told(Action<PartitionChange> act) : IProgress<PartitionChange>
    {
        public void Report(PartitionChange value) => act(value);
    }

    /// <summary>Opens as many sessions as a pool may have, and gives them back: from then on its time-out is that of a wait for one of them, not that of a busy machine which opens one.</summary>
    protected static async Task FillAsync(Npgsql.NpgsqlDataSource pool, int size)
    {
        var held = new Stack<Npgsql.NpgsqlConnection>();
        await Eventually.TrueAsync(
            async () =>
            {
                try
                {
                    held.Push(await pool.OpenConnectionAsync(Token));
                }
                catch (Npgsql.NpgsqlException slow) when (slow.InnerException is TimeoutException)
                {
                    return false;
                }
                return held.Count == size;
            },
            "the pool is full", cancellationToken: Token);
        foreach (var session in held)
            await session.DisposeAsync();
    }
}
