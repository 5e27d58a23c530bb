using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Maintaining;

/// <summary>A transaction that writes to a table, and then a row that refers to it, meets a change that locks both: it is never the one that a deadlock ends.</summary>
public sealed class LockOrderTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private static readonly QualifiedName Orders = QualifiedName.Parse("public.orders");

    private async Task PlainAsync() => await Run(
        """
        CREATE TABLE customers (name text PRIMARY KEY); INSERT INTO customers VALUES ('a');
        CREATE TABLE orders (id int PRIMARY KEY, customer text REFERENCES customers); INSERT INTO orders SELECT n, 'a' FROM generate_series(1, 95) n;
        """);

    private async Task SetAsync()
    {
        await Run("CREATE TABLE customers (name text PRIMARY KEY); INSERT INTO customers VALUES ('a'); CREATE TABLE orders (id int PRIMARY KEY, customer text REFERENCES customers) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(Orders, Tens(), Token);
        await Run("INSERT INTO orders SELECT n, 'a' FROM generate_series(1, 25) n");
        await Partman.MaintainAsync(cancellationToken: Token);
    }

    private static ConversionOptions By(ConversionStrategy strategy) =>
        new() { Strategy = strategy, Set = new PartitionSetOptions { Control = "id", IdInterval = 100, Premake = 2 } };

    /// <summary>Lets the change wait for the table that is referred to, and writes to the one that refers to it meanwhile.</summary>
    private async Task MeetAsync(int id, Func<PartmanClient, Action, Task> change, string first = "UPDATE customers SET name = name")
    {
        await using var writer = await Database.DataSource.OpenConnectionAsync(Token);
        var running = change(Client(o => (o.LockTimeout, o.LockAttempts) = (TimeSpan.FromSeconds(30), 2)), () =>
        {
            // The first of both to look for a deadlock is the one that it ends.
            using var begin = new NpgsqlCommand($"BEGIN; SET LOCAL deadlock_timeout = '10ms'; {first}", writer);
            begin.ExecuteNonQuery();
        });
        await Eventually.TrueAsync(() => Ask<bool>("SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE NOT l.granted AND l.locktype = 'relation' AND d.datname = current_database())"), "the change waits", cancellationToken: Token);

        await using (var insert = new NpgsqlCommand($"INSERT INTO orders (id, customer) VALUES ({id}, 'a'); COMMIT", writer))
            await insert.ExecuteNonQueryAsync(Token);
        await running;

        (await Ask<long>("SELECT pg_stat_get_db_deadlocks(oid) FROM pg_database WHERE datname = current_database()")).Should().Be(0);
    }

    [Theory]
    [InlineData(ConversionStrategy.AttachAsLegacy)]
    [InlineData(ConversionStrategy.DrainDefault)]
    [InlineData(ConversionStrategy.CopyAndSwap)]
    public async Task A_table_is_swapped_for_a_set(ConversionStrategy strategy)
    {
        await PlainAsync();

        await MeetAsync(0, (partman, begin) => partman.ConvertAsync(Orders, By(strategy), new Swap<ConversionProgress>(p => p.Step == ConversionStep.Swap, begin), Token));

        (await Ask<long>("SELECT count(*) FROM orders WHERE customer = 'a'")).Should().Be(96);
        (await Ask<string>("SELECT relkind::text FROM pg_class WHERE oid = 'orders'::regclass")).Should().Be("p");
    }

    [Fact]
    public async Task A_set_is_swapped_back_for_the_table()
    {
        await PlainAsync();
        var swapped = await Partman.ConvertAsync(Orders, By(ConversionStrategy.CopyAndSwap), cancellationToken: Token);

        await MeetAsync(0, (partman, begin) => partman.SwapBackAsync(swapped.Id, new Swap<ConversionProgress>(p => p.Step == ConversionStep.Swap, begin), Token));

        (await Ask<long>("SELECT count(*) FROM orders WHERE customer = 'a'")).Should().Be(96);
        (await Ask<string>("SELECT relkind::text FROM pg_class WHERE oid = 'orders'::regclass")).Should().Be("r");
    }

    [Fact]
    public async Task A_set_is_undone()
    {
        await SetAsync();
        await Run("CREATE TABLE target (id int, customer text)");

        await MeetAsync(26, (partman, begin) =>
        {
            begin();
            return partman.UndoAsync(Orders, QualifiedName.Parse("public.target"), new UndoOptions { KeepTables = true }, cancellationToken: Token);
        });

        (await Ask<long>("SELECT count(*) FROM target")).Should().Be(26);
    }

    [Fact]
    public async Task Rows_leave_the_default_partition()
    {
        await SetAsync();
        await Run("INSERT INTO orders VALUES (75, 'a')");

        await MeetAsync(26, (partman, begin) =>
        {
            begin();
            return partman.DrainDefaultAsync(Orders, cancellationToken: Token);
        });

        (await Ask<string>("SELECT tableoid::regclass::text FROM orders WHERE id = 75")).Should().Be("orders_p70");
    }

    [Fact]
    public async Task Empty_partitions_are_exchanged()
    {
        await SetAsync();

        await MeetAsync(26, (partman, begin) =>
        {
            begin();
            return partman.RepartitionAsync(Orders, new RepartitionOptions { IdInterval = 100 }, cancellationToken: Token);
        });

        (await NamesAsync("orders")).Should().Equal("orders_default", "orders_p0", "orders_p10", "orders_p20", "orders_p30");
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public async Task An_expired_partition_goes(bool hasDefault, bool keeps)
    {
        await SetAsync();
        if (!hasDefault)
            await Run("DROP TABLE orders_default");
        await Run($"UPDATE omnipg_partman.part_config SET retention = '5', retention_keep_table = {keeps}");

        await MeetAsync(26, (partman, begin) =>
        {
            begin();
            return partman.MaintainAsync(Only(Orders), cancellationToken: Token);
        });

        (await NamesAsync("orders")).Should().NotContain("orders_p10");
        (await Ask<bool>("SELECT to_regclass('orders_p10') IS NOT NULL")).Should().Be(keeps);
    }

    /// <summary>Tables that a step locks, in its order.</summary>
    private static IEnumerable<string> LocksOf(SqlPlanStep step) => step.Sql!.Split(";\n").Where(s => s.StartsWith("LOCK TABLE ", StringComparison.Ordinal)).Select(s => s["LOCK TABLE ".Length..].Replace("\"public\".", "", StringComparison.Ordinal).Replace("\"", "", StringComparison.Ordinal));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Tables_of_foreign_keys_are_locked_by_schema_and_name_whatever_order_they_were_made_in(bool keeps)
    {
        await Run("""
            CREATE SCHEMA a; CREATE TABLE z_to (n int PRIMARY KEY); CREATE TABLE b_to (n int PRIMARY KEY); CREATE TABLE a.y_to (n int PRIMARY KEY);
            CREATE TABLE orders (id int PRIMARY KEY, z int REFERENCES z_to, b int REFERENCES b_to, y int REFERENCES a.y_to) PARTITION BY RANGE (id);
            CREATE TABLE z_from (n int REFERENCES orders); CREATE TABLE b_from (n int REFERENCES orders); CREATE TABLE a.y_from (n int REFERENCES orders);
            """);
        await Partman.CreateAsync(Orders, Tens(o => (o.Premake, o.IdRetention, o.WhenExpired) = (2, 5, keeps ? ExpiredAction.Detach : ExpiredAction.Drop)), Token);
        await Run("INSERT INTO orders VALUES (25)");

        var plan = await Partman.PlanMaintenanceAsync(Only(Orders), Token);

        LocksOf(plan.Sql.Steps.First(s => s.Kind == "detach-partition")).Should().Equal(
            "ONLY a.y_to IN SHARE ROW EXCLUSIVE MODE", "ONLY b_to IN SHARE ROW EXCLUSIVE MODE", "ONLY z_to IN SHARE ROW EXCLUSIVE MODE", "ONLY orders IN ACCESS EXCLUSIVE MODE",
            "ONLY a.y_from IN SHARE MODE", "ONLY b_from IN SHARE MODE", "ONLY z_from IN SHARE MODE", "ONLY orders_default IN ACCESS EXCLUSIVE MODE", "ONLY orders_p0 IN ACCESS EXCLUSIVE MODE");
        if (!keeps)
            LocksOf(plan.Sql.Steps.First(s => s.Kind == "drop-partition")).Should().Equal("ONLY a.y_to IN ACCESS EXCLUSIVE MODE", "ONLY b_to IN ACCESS EXCLUSIVE MODE", "ONLY z_to IN ACCESS EXCLUSIVE MODE", "ONLY orders_p0 IN ACCESS EXCLUSIVE MODE");
        LocksOf(plan.Sql.Steps.First(s => s.Kind == "create-partition")).Should().Equal("ONLY orders IN SHARE UPDATE EXCLUSIVE MODE", "ONLY a.y_to IN SHARE ROW EXCLUSIVE MODE", "ONLY b_to IN SHARE ROW EXCLUSIVE MODE", "ONLY z_to IN SHARE ROW EXCLUSIVE MODE", "ONLY orders_default IN ACCESS EXCLUSIVE MODE");
    }

    [Theory]
    [InlineData("UPDATE customers SET name = name")]
    [InlineData("SELECT FROM customers")]
    public async Task A_drop_takes_its_locks_in_the_order_of_a_writer_with_and_without_tables_that_refer_to_the_set(string first)
    {
        await SetAsync();
        await Run("CREATE TABLE lines (id int REFERENCES orders); UPDATE omnipg_partman.part_config SET retention = '5', retention_keep_table = false");

        await MeetAsync(26, (partman, begin) =>
        {
            begin();
            return partman.MaintainAsync(Only(Orders), cancellationToken: Token);
        }, first);

        (await NamesAsync("orders")).Should().NotContain("orders_p10").And.Contain("orders_p20");
        (await Ask<bool>("SELECT to_regclass('orders_p10') IS NULL AND to_regclass('orders_p0') IS NULL")).Should().BeTrue();
        (await Ask<long>("SELECT count(*) FROM orders")).Should().Be(7);
    }

    [Fact]
    public async Task A_partition_that_is_dropped_where_it_stands_needs_no_lock_of_the_tables_that_it_refers_to()
    {
        await SetAsync();
        await Run("UPDATE omnipg_partman.part_config SET retention = '5', retention_keep_table = false");
        await using var writer = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await writer.BeginTransactionAsync(Token);
        await using (var update = new NpgsqlCommand("UPDATE customers SET name = name", writer, transaction))
            await update.ExecuteNonQueryAsync(Token);

        // It would wait for the writer, and give up.
        var result = (await Client(o => o.LockAttempts = 1).MaintainAsync(Only(Orders), cancellationToken: Token)).Sets.Single();

        result.Error.Should().BeNull();
        result.Changes.Where(c => c.Fate == PartitionFate.Drop).Select(c => c.Partition.Name.Value).Should().Equal("orders_p0", "orders_p10");
    }

    private static async Task<NpgsqlTransaction> ReaderAsync(NpgsqlConnection reader)
    {
        var transaction = await reader.BeginTransactionAsync(Token);
        await using var read = new NpgsqlCommand("SELECT FROM customers", reader, transaction);
        await read.ExecuteNonQueryAsync(Token);
        return transaction;
    }

    [Fact]
    public async Task A_set_is_undone_beside_a_reader_of_a_table_that_it_refers_to()
    {
        await SetAsync();
        await Run("CREATE TABLE target (id int, customer text)");
        await using var reader = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await ReaderAsync(reader);

        // However often it tried: the reader does not let go.
        await Client(o => o.LockAttempts = 10).UndoAsync(Orders, QualifiedName.Parse("public.target"), cancellationToken: Token);

        (await Ask<long>("SELECT count(*) FROM target")).Should().Be(25);
        (await Ask<bool>("SELECT to_regclass('orders_p0') IS NULL")).Should().BeTrue();
    }

    [Fact]
    public async Task Whoever_waits_for_readers_of_a_table_that_the_set_refers_to_does_not_hold_the_set_and_goes_on_with_the_next_run()
    {
        await SetAsync();
        await Run("CREATE TABLE lines (id int REFERENCES orders); UPDATE omnipg_partman.part_config SET retention = '15', retention_keep_table = false");
        await using var reader = await Database.DataSource.OpenConnectionAsync(Token);
        var transaction = await ReaderAsync(reader);

        var waited = (await Client(o => o.LockAttempts = 1).MaintainAsync(Only(Orders), cancellationToken: Token)).Sets.Single();
        var left = await Ask<string>("SELECT string_agg(relname || ' ' || relispartition, ', ') FROM pg_class WHERE relname = 'orders_p0'");
        await transaction.RollbackAsync(Token);
        var again = (await Partman.MaintainAsync(Only(Orders), cancellationToken: Token)).Sets.Single();

        waited.Error.Should().BeOfType<PartitionLockTimeoutException>().Which.Message.Should().StartWith("'drop-partition' on 'public.orders'");
        left.Should().Be("orders_p0 false");
        again.Error.Should().BeNull();
        again.Changes.Select(c => (c.Partition.Name.Value, c.Fate)).Should().Equal(("orders_p0", PartitionFate.Drop));
        (await Ask<bool>("SELECT to_regclass('orders_p0') IS NULL AND NOT EXISTS (SELECT FROM omnipg_partman.operation)")).Should().BeTrue();
    }

    [Fact]
    public async Task The_plan_of_an_exchange_names_the_locks_that_it_takes()
    {
        await SetAsync();

        var step = (await Partman.PlanRepartitionAsync(Orders, new RepartitionOptions { IdInterval = 100 }, Token)).Steps.Single(s => s.Kind == "exchange-partitions");

        step.Locks.Should().Contain(new SqlPlanLock(QualifiedName.Parse("public.customers"), PgLockMode.ShareRowExclusive)).And.NotContain(l => l.Mode == PgLockMode.AccessExclusive && l.Relation == QualifiedName.Parse("public.customers"));
        LocksOf(step).Should().StartWith("ONLY customers IN SHARE ROW EXCLUSIVE MODE");
    }

    private sealed class Swap<T>(Func<T, bool> isDue, Action act) : IProgress<T>
    {
        private bool _isDone;

        public void Report(T value)
        {
            if (_isDone || !isDue(value))
                return;
            _isDone = true;
            act();
        }
    }
}
