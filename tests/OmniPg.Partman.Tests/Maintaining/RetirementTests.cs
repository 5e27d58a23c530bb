using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Maintaining;

/// <summary>Nobody's rows are lost while a partition leaves: others write, detach and attach at the same time.</summary>
public sealed class RetirementTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_partition_that_somebody_detached_since_the_plan_stays(bool withDefault)
    {
        await CreateAsync(withDefault);
        await Run("CREATE TABLE gone2 PARTITION OF events FOR VALUES FROM ('2020-01-02') TO ('2020-01-03'); INSERT INTO events (id, at) VALUES (2, '2020-01-02 12:00Z')");
        var rescue = new Told(change =>
        {
            if (change.Partition.Name.Value == "gone")
                Sync("ALTER TABLE events DETACH PARTITION gone2");
        });

        var result = (await Partman.MaintainAsync(Only(Events), rescue, Token)).Sets.Single();
        var next = await MaintainAsync();

        result.Error.Should().BeOfType<StalePlanException>();
        result.Changes.Select(c => c.Partition.Name.Value).Should().Equal("gone");
        next.Error.Should().BeNull();
        (await Ask<long>("SELECT id FROM gone2")).Should().Be(2);
        (await Ask<long>("SELECT count(*) FROM omnipg_partman.operation")).Should().Be(0);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_partition_that_got_other_bounds_since_the_plan_stays(bool withDefault)
    {
        await CreateAsync(withDefault);
        await Run("CREATE TABLE gone2 PARTITION OF events FOR VALUES FROM ('2020-01-02') TO ('2020-01-03'); INSERT INTO events (id, at) VALUES (2, '2020-01-02 12:00Z')");
        var widen = new Told(change =>
        {
            if (change.Partition.Name.Value == "gone")
                Sync("ALTER TABLE events DETACH PARTITION gone2; ALTER TABLE events ATTACH PARTITION gone2 FOR VALUES FROM ('2020-01-02') TO ('" + DateTime.UtcNow.AddDays(-10).ToString("yyyy-MM-dd", null) + "')");
        });

        var result = (await Partman.MaintainAsync(Only(Events), widen, Token)).Sets.Single();
        await MaintainAsync();

        result.Error.Should().BeOfType<StalePlanException>();
        (await Ask<string>("SELECT tableoid::regclass::text FROM events")).Should().Be("gone2");
    }

    [Fact]
    public async Task A_partition_that_somebody_detached_after_a_run_gave_up_stays()
    {
        await CreateAsync(withDefault: false);
        await using (var holder = await Database.DataSource.OpenConnectionAsync(Token))
        {
            await using var transaction = await holder.BeginTransactionAsync(Token);
            await using var hold = new NpgsqlCommand("LOCK TABLE events IN SHARE UPDATE EXCLUSIVE MODE", holder, transaction);
            await hold.ExecuteNonQueryAsync(Token);
            (await MaintainAsync()).Error.Should().BeOfType<PartitionLockTimeoutException>();
        }
        await Run("ALTER TABLE events DETACH PARTITION gone");

        var result = await MaintainAsync();

        result.Error.Should().BeNull();
        result.Changes.Should().BeEmpty();
        (await Ask<long>("SELECT id FROM gone")).Should().Be(1);
        (await Ask<long>("SELECT count(*) FROM omnipg_partman.operation")).Should().Be(0);
    }

    [Fact]
    public async Task A_partition_that_somebody_detached_between_two_attempts_stays()
    {
        await CreateAsync(withDefault: false);
        var patient = Client(o => (o.LockTimeout, o.LockAttempts, o.MaxBackoff) = (TimeSpan.FromMilliseconds(50), 1000, TimeSpan.FromMilliseconds(20)));
        await using var holder = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await holder.BeginTransactionAsync(Token);
        await using (var hold = new NpgsqlCommand("LOCK TABLE events IN SHARE UPDATE EXCLUSIVE MODE", holder, transaction))
            await hold.ExecuteNonQueryAsync(Token);

        var running = MaintainAsync(client: patient);
        var waits = new HashSet<string>();
        await Eventually.TrueAsync(async () =>
        {
            waits.Add(await Ask<string>("SELECT COALESCE(max(waitstart)::text, '') FROM pg_locks WHERE NOT granted AND relation = 'events'::regclass"));
            return waits.Count > 3;
        }, "the third attempt", cancellationToken: Token);
        await using (var detach = new NpgsqlCommand("ALTER TABLE events DETACH PARTITION gone", holder, transaction))
            await detach.ExecuteNonQueryAsync(Token);
        await transaction.CommitAsync(Token);
        var result = await running;

        result.Error.Should().NotBeNull();
        result.Changes.Should().BeEmpty();
        (await MaintainAsync()).Error.Should().BeNull();
        (await Ask<long>("SELECT id FROM gone")).Should().Be(1);
    }

    [Fact]
    public async Task A_detach_that_somebody_else_began_is_finished_and_the_table_stays()
    {
        await CreateAsync(withDefault: false);
        await using (var reader = await Database.DataSource.OpenConnectionAsync(Token))
        {
            await using var transaction = await reader.BeginTransactionAsync(Token);
            await using (var look = new NpgsqlCommand("SELECT count(*) FROM events", reader, transaction))
                await look.ExecuteScalarAsync(Token);
            await using var other = await Database.DataSource.OpenConnectionAsync(Token);
            await using (var limit = new NpgsqlCommand("SET lock_timeout = '100ms'", other))
                await limit.ExecuteNonQueryAsync(Token);
            await using var detach = new NpgsqlCommand("ALTER TABLE events DETACH PARTITION gone CONCURRENTLY", other);
            await FluentActions.Awaiting(() => detach.ExecuteNonQueryAsync(Token)).Should().ThrowAsync<PostgresException>().Where(e => e.SqlState == PostgresErrorCodes.LockNotAvailable);
        }

        var result = await MaintainAsync();

        result.Error.Should().BeNull();
        result.Changes.Select(c => (c.Partition.Name.Value, c.Fate)).Should().Equal(("gone", PartitionFate.Detach));
        (await Ask<long>("SELECT id FROM gone")).Should().Be(1);
    }

    [Fact]
    public async Task A_detach_that_somebody_else_began_since_the_plan_is_theirs_and_the_table_stays()
    {
        await CreateAsync(withDefault: false);
        await Run("CREATE TABLE gone2 PARTITION OF events FOR VALUES FROM ('2020-01-02') TO ('2020-01-03'); INSERT INTO events (id, at) VALUES (2, '2020-01-02 12:00Z')");
        var other = new Told(change =>
        {
            if (change.Partition.Name.Value != "gone")
                return;
            using var reader = Database.DataSource.OpenConnection();
            using var transaction = reader.BeginTransaction();
            using (var look = new NpgsqlCommand("SELECT count(*) FROM events", reader, transaction))
                look.ExecuteScalar();
            FluentActions.Invoking(() => Sync("SET lock_timeout = '100ms'", "ALTER TABLE events DETACH PARTITION gone2 CONCURRENTLY")).Should().Throw<PostgresException>();
        });

        var result = (await Partman.MaintainAsync(Only(Events), other, Token)).Sets.Single();
        var next = await MaintainAsync();

        result.Error.Should().BeOfType<StalePlanException>();
        result.Changes.Select(c => c.Partition.Name.Value).Should().Equal("gone");
        next.Error.Should().BeNull();
        next.Changes.Select(c => (c.Partition.Name.Value, c.Fate)).Should().Equal(("gone2", PartitionFate.Detach));
        (await Ask<long>("SELECT id FROM gone2")).Should().Be(2);
        (await Ask<long>("SELECT count(*) FROM omnipg_partman.operation")).Should().Be(0);
    }

    [Fact]
    public async Task A_detach_that_somebody_else_began_between_two_attempts_is_theirs_and_the_table_stays()
    {
        await CreateAsync(withDefault: false);
        var patient = Client(o => (o.LockTimeout, o.LockAttempts, o.MaxBackoff) = (TimeSpan.FromMilliseconds(50), 1000, TimeSpan.FromMilliseconds(20)));
        await using var reader = await Database.DataSource.OpenConnectionAsync(Token);
        await using var reading = await reader.BeginTransactionAsync(Token);
        await using (var look = new NpgsqlCommand("SELECT count(*) FROM events", reader, reading))
            await look.ExecuteScalarAsync(Token);
        await using var holder = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await holder.BeginTransactionAsync(Token);
        await using (var hold = new NpgsqlCommand("LOCK TABLE events IN SHARE UPDATE EXCLUSIVE MODE", holder, transaction))
            await hold.ExecuteNonQueryAsync(Token);
        await using var other = await Database.DataSource.OpenConnectionAsync(Token);
        await using var detach = new NpgsqlCommand("ALTER TABLE events DETACH PARTITION gone CONCURRENTLY", other);
        // First in the queue for the lock, because attempts come and go.
        var detaching = detach.ExecuteNonQueryAsync(Token);
        await Eventually.TrueAsync(async () => await Ask<bool>("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'events'::regclass)"), "the other's wait", cancellationToken: Token);

        var running = MaintainAsync(client: patient);
        var waits = new HashSet<string>();
        await Eventually.TrueAsync(async () =>
        {
            waits.Add(await Ask<string>($"SELECT COALESCE(max(waitstart)::text, '') FROM pg_locks WHERE NOT granted AND relation = 'events'::regclass AND pid <> {other.ProcessID}"));
            return waits.Count > 3;
        }, "the third attempt", cancellationToken: Token);
        await transaction.CommitAsync(Token);
        var result = await running;
        await reading.CommitAsync(Token);
        await detaching;

        result.Error.Should().BeOfType<StalePlanException>();
        result.Changes.Should().BeEmpty();
        (await MaintainAsync()).Error.Should().BeNull();
        (await Ask<long>("SELECT id FROM gone")).Should().Be(1);
        (await Ask<long>("SELECT count(*) FROM omnipg_partman.operation")).Should().Be(0);
    }

    [Theory]
    [InlineData(true, "ALTER TABLE gone RENAME TO kept; CREATE TABLE gone (LIKE events); INSERT INTO gone VALUES (7, '2020-01-01')")]
    [InlineData(true, "ALTER TABLE events DETACH PARTITION gone")]
    [InlineData(false, "ALTER TABLE gone RENAME TO kept; CREATE TABLE gone (LIKE events); INSERT INTO gone VALUES (7, '2020-01-01')")]
    [InlineData(false, "ALTER TABLE events DETACH PARTITION gone")]
    [InlineData(false, "ALTER TABLE events RENAME TO others; ALTER TABLE gone RENAME TO kept; CREATE TABLE events (LIKE others) PARTITION BY RANGE (at); CREATE TABLE gone PARTITION OF events DEFAULT; INSERT INTO events VALUES (7, '2020-01-01')")]
    public async Task A_printed_plan_that_the_catalog_has_overtaken_drops_nothing(bool withDefault, string since)
    {
        await CreateAsync(withDefault);
        var script = (await Partman.PlanMaintenanceAsync(Only(Events), Token)).Sql.ToSqlScript();
        await Run(since);
        var file = Path.Combine(Cluster.RootDirectory, Path.GetRandomFileName());
        await File.WriteAllTextAsync(file, script, Token);

        var ran = await Cluster.RunProgramAsync("psql", "-X", "-h", "127.0.0.1", "-p", $"{Cluster.Port}", "-U", "postgres", "-d", Database.Name, "-f", file);

        ran.ExitCode.Should().NotBe(0);
        (await Ask<long>("SELECT count(*) FROM gone")).Should().Be(1);
        (await Ask<long>("SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename IN ('gone', 'kept')")).Should().Be(since.Contains("kept", StringComparison.Ordinal) ? 2 : 1);
    }

    [Fact]
    public async Task A_detach_whose_backend_was_killed_between_its_transactions_is_finished_and_the_table_dropped()
    {
        await CreateAsync(withDefault: false);
        await using (var reader = await Database.DataSource.OpenConnectionAsync(Token))
        {
            await using var transaction = await reader.BeginTransactionAsync(Token);
            await using (var look = new NpgsqlCommand("SELECT count(*) FROM events", reader, transaction))
                await look.ExecuteScalarAsync(Token);
            var running = MaintainAsync(client: Client(o => o.LockTimeout = TimeSpan.FromMinutes(1)));
            await Eventually.TrueAsync(async () => await Ask<bool>("SELECT bool_or(inhdetachpending) FROM pg_inherits"), "the first half of the detach", cancellationToken: Token);
            await Run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'ALTER TABLE%CONCURRENTLY'");
            (await running).Error.Should().BeOfType<PartmanServerException>();
        }
        (await Ask<bool>("SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = 'gone'::regclass")).Should().BeTrue();

        var result = await MaintainAsync();

        result.Error.Should().BeNull();
        result.Changes.Select(c => (c.Partition.Name.Value, c.Fate)).Should().Equal(("gone", PartitionFate.Drop));
        (await Ask<bool>("SELECT to_regclass('gone') IS NULL AND NOT EXISTS (SELECT FROM omnipg_partman.operation)")).Should().BeTrue();
    }

    [Fact]
    public async Task Rows_are_not_drained_from_a_default_that_somebody_detached_since_the_plan()
    {
        await CreateAsync(withDefault: true);
        await Run("DROP TABLE gone; INSERT INTO events (id, at) VALUES (1, '2020-01-01 12:00Z'), (2, '2020-01-02 12:00Z')");
        var detached = false;
        var rescue = new Told(_ =>
        {
            if (!detached)
                Sync("ALTER TABLE events DETACH PARTITION events_default");
            detached = true;
        });
        var (plan, options) = (await Partman.PlanMaintenanceAsync(Only(Events), Token), new MaintenanceOptions { Table = Events, DrainDefault = true });
        await Run("UPDATE omnipg_partman.part_config SET premake = 6; INSERT INTO events (id, at) SELECT i, date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + i * interval '1 day 1 hour' FROM generate_series(5, 6) i");

        var result = (await Partman.MaintainAsync(options, rescue, Token)).Sets.Single();

        plan.Sql.IsEmpty.Should().BeTrue();
        result.Error.Should().BeOfType<StalePlanException>();
        (await Ask<long>("SELECT count(*) FROM events_default")).Should().Be(3);
    }

    [Theory]
    [InlineData("ALTER TABLE events ATTACH PARTITION gone FOR VALUES FROM ('2020-01-01') TO ('2020-01-02'); ALTER TABLE events DETACH PARTITION gone")]
    [InlineData("CREATE TABLE archive (LIKE events) PARTITION BY RANGE (at); ALTER TABLE archive ATTACH PARTITION gone DEFAULT; ALTER TABLE archive DETACH PARTITION gone")]
    [InlineData("ALTER TABLE gone RENAME TO kept; ALTER TABLE kept RENAME TO gone")]
    [InlineData("UPDATE omnipg_partman.part_config SET retention_keep_table = true")]
    [InlineData("UPDATE omnipg_partman.part_config SET retention = NULL")]
    public async Task What_a_run_left_behind_is_not_dropped_when_somebody_took_it_over_since(string takeover)
    {
        await CreateAsync(withDefault: false);
        var plan = await Partman.PlanMaintenanceAsync(Only(Events), Token);
        await Run(plan.Sql.Steps[0].Sql!);
        await Run(plan.Sql.Steps[1].Sql!);
        foreach (var statement in takeover.Split("; "))
            await Run(statement);

        var result = await MaintainAsync();

        result.Error.Should().BeNull();
        result.Changes.Should().NotContain(c => c.Fate == PartitionFate.Drop);
        (await Ask<long>("SELECT id FROM gone")).Should().Be(1);
        (await Ask<long>("SELECT count(*) FROM omnipg_partman.operation")).Should().Be(0);
    }

    [Fact]
    public async Task A_run_that_died_after_the_detach_is_finished_with_indexes_and_publications()
    {
        await CreateAsync(withDefault: false, o => (o.WhenExpired, o.RetentionSchema, o.KeepIndexes) = (ExpiredAction.Move, "old", false));
        await Run("CREATE INDEX ON gone (id); CREATE PUBLICATION pub FOR TABLE gone");
        var plan = await Partman.PlanMaintenanceAsync(Only(Events), Token);
        await Run(plan.Sql.Steps[0].Sql!);
        await Run(plan.Sql.Steps[1].Sql!);
        await Run("ANALYZE gone");
        await Run("VACUUM gone");

        var result = await MaintainAsync();

        result.Changes.Select(c => (c.Partition.Name.Value, c.Fate)).Should().Equal(("gone", PartitionFate.Move));
        (await Ask<long>("SELECT id FROM old.gone")).Should().Be(1);
        (await Ask<long>("SELECT (SELECT count(*) FROM pg_index WHERE indrelid = 'old.gone'::regclass) + (SELECT count(*) FROM pg_publication_rel)")).Should().Be(0);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Late_writers_lose_no_row_that_was_acknowledged_while_partitions_leave(bool withDefault)
    {
        await CreateAsync(withDefault, o => (o.WhenExpired, o.RetentionSchema) = (ExpiredAction.Move, "old"));
        await Run("DO $$ BEGIN FOR i IN 2..20 LOOP EXECUTE format('CREATE TABLE gone%s PARTITION OF events FOR VALUES FROM (%L) TO (%L)', i, date '2020-01-01' + i - 1, date '2020-01-01' + i); END LOOP; END $$");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var started = new CountdownEvent(4);
        var writers = Enumerable.Range(0, 4).Select(w => Task.Run(async () =>
        {
            var acknowledged = 0L;
            await using var connection = await Database.DataSource.OpenConnectionAsync(Token);
            for (var i = 0; !stop.IsCancellationRequested; i++)
            {
                try
                {
                    await using var write = new NpgsqlCommand($"INSERT INTO events (id, at) VALUES ({i}, timestamptz '2020-01-01 12:00Z' + interval '1 day' * {(i + (w * 5)) % 20})", connection);
                    acknowledged += await write.ExecuteNonQueryAsync(Token);
                }
                catch (PostgresException refused) when (refused.SqlState == PostgresErrorCodes.CheckViolation && !withDefault)
                {
                }
                if (i == 20)
                    started.Signal();
            }
            return acknowledged;
        }, Token)).ToList();
        // A writer that fails says so here, and is not waited for.
        await await Task.WhenAny([Task.Run(() => started.Wait(Token), Token), .. writers]);

        var result = await MaintainAsync(client: Client(o => (o.LockTimeout, o.LockAttempts) = (TimeSpan.FromSeconds(2), 20)));
        await stop.CancelAsync();
        var acknowledgedByAll = (await Task.WhenAll(writers)).Sum();

        result.Error.Should().BeNull();
        result.Changes.Should().HaveCount(20).And.OnlyContain(c => c.Fate == PartitionFate.Move);
        var moved = string.Join(" UNION ALL ", result.Changes.Select(c => $"SELECT FROM old.{c.Partition.Name.Quoted}"));
        // One row was there before.
        (await Ask<long>($"SELECT count(*) FROM (SELECT FROM events UNION ALL {moved}) AS a")).Should().Be(acknowledgedByAll + 1);
    }

    private async Task CreateAsync(bool withDefault, Action<PartitionSetOptions>? configure = null)
    {
        await DailyTableAsync();
        await Run("CREATE SCHEMA old");
        await Partman.CreateAsync(Events, Daily(o =>
        {
            (o.Retention, o.WhenExpired, o.DefaultPartition) = (PgInterval.OfDays(30), ExpiredAction.Drop, withDefault);
            configure?.Invoke(o);
        }), Token);
        await Run("CREATE TABLE gone PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-01-02'); INSERT INTO events (id, at) VALUES (1, '2020-01-01 12:00Z')");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_set_whose_rows_refer_to_those_of_another_retires_first_unless_the_order_says_otherwise(bool otherwise)
    {
        await Run("CREATE TABLE accounts (id bigint PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE payments (id bigint PRIMARY KEY, account bigint REFERENCES accounts) PARTITION BY RANGE (id)");
        foreach (var (name, order) in new[] { ("accounts", otherwise ? 1 : (int?)null), ("payments", otherwise ? 2 : null) })
            await Partman.CreateAsync(QualifiedName.Create("public", name), Tens(o => (o.IdRetention, o.WhenExpired, o.MaintenanceOrder, o.Premake) = (5, ExpiredAction.Drop, order, 2)), Token);
        await Run("INSERT INTO accounts SELECT generate_series(1, 25); INSERT INTO payments SELECT n, n FROM generate_series(1, 25) n");

        var result = await Partman.MaintainAsync(cancellationToken: Token);

        result.Sets.Select(s => s.Table).Should().Equal(otherwise ? ["public.accounts", "public.payments"] : ["public.payments", "public.accounts"]);
        result.Sets.Select(s => s.Error?.GetType()).Should().Equal(otherwise ? [typeof(ForeignKeyBlocksDetachException), null] : [null, null]);
        (await NamesAsync("payments")).Should().NotContain("payments_p0").And.NotContain("payments_p10");
        (await NamesAsync("accounts")).Contains("accounts_p0").Should().Be(otherwise);
    }
}
