using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Maintaining;

public sealed class MaintainTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    [Fact]
    public async Task A_second_run_changes_nothing_and_sends_no_ddl()
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(), Token);
        var first = await MaintainAsync();
        var before = await Ask<long>("SELECT count(*) FROM pg_class");

        var plan = await Partman.PlanMaintenanceAsync(cancellationToken: Token);
        var second = await MaintainAsync();

        first.Changes.Should().BeEmpty();
        plan.Sql.IsEmpty.Should().BeTrue();
        second.Should().BeEquivalentTo(new { Table = "public.events", Error = (Exception?)null });
        second.Changes.Should().BeEmpty();
        (await Ask<long>("SELECT count(*) FROM pg_class")).Should().Be(before);
        (await Partman.FindAsync(Events, Token))!.LastMaintenance.Should().NotBeNull();
    }

    [Theory]
    [InlineData(1, 4)]
    [InlineData(30, 4)]
    public async Task A_look_at_sets_that_need_nothing_takes_four_round_trips_however_many_there_are(int sets, int trips)
    {
        for (var n = 1; n <= sets; n++)
        {
            await Run($"CREATE TABLE set{n} (at timestamptz NOT NULL) PARTITION BY RANGE (at)");
            await Partman.CreateAsync(QualifiedName.Parse($"public.set{n}"), Daily(o => o.Premake = 1), Token);
        }
        using var counted = new RoundTrips(Database.ConnectionString);
        await using var source = Npgsql.NpgsqlDataSource.Create(counted.ConnectionString);
        var client = new PartmanClient(source);
        // What a first call has to find out, of types and tables, is remembered.
        await client.MaintainAsync(cancellationToken: Token);

        MaintenanceResult? result = null;
        var count = await counted.CountAsync(async () => result = await client.MaintainAsync(cancellationToken: Token));

        result!.Sets.Should().HaveCount(sets).And.OnlyContain(s => s.Error == null && s.Changes.Count == 0);
        count.Should().Be(trips);
    }

    [Fact]
    public async Task A_larger_premake_grows_the_set_and_a_smaller_one_leaves_it()
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(), Token);
        var today = await Ask<DateTime>("SELECT date_trunc('day', now() AT TIME ZONE 'UTC')");

        await Run("UPDATE omnipg_partman.part_config SET premake = 6");
        var grown = await MaintainAsync();
        await Run("UPDATE omnipg_partman.part_config SET premake = 2");
        var left = await MaintainAsync();

        grown.Changes.Select(c => c.Partition.Name.Value).Should().Equal($"events_p{today.AddDays(5):yyyyMMdd}", $"events_p{today.AddDays(6):yyyyMMdd}");
        left.Changes.Should().BeEmpty();
    }

    [Fact]
    public async Task A_set_by_id_follows_its_newest_row_and_retires_by_it()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(o => (o.IdRetention, o.WhenExpired) = (5, ExpiredAction.Drop)), Token);
        await Run("INSERT INTO events SELECT generate_series(1, 25)");

        var result = await MaintainAsync();

        result.Error.Should().BeNull();
        result.Changes.Select(c => (c.Partition.Name.Value, c.Fate)).Should().Equal(
            ("events_p50", PartitionFate.Create), ("events_p60", PartitionFate.Create), ("events_p0", PartitionFate.Drop), ("events_p10", PartitionFate.Drop));
        (await NamesAsync()).Should().Equal("events_default", "events_p20", "events_p30", "events_p40", "events_p50", "events_p60");
    }

    [Fact]
    public async Task The_newest_id_is_the_highest_number_and_not_the_last_text()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(o => (o.IdInterval, o.IdStart, o.IdRetention, o.WhenExpired) = (1000, -1000, 50, ExpiredAction.Drop)), Token);
        await Run("INSERT INTO events VALUES (5), (100)");

        var result = await MaintainAsync();

        result.Changes.Where(c => c.Fate == PartitionFate.Drop).Select(c => c.Partition.Name.Value).Should().Equal("events_p-1000");
    }

    [Fact]
    public async Task The_last_partition_never_goes()
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(o => (o.Retention, o.WhenExpired, o.Basis) = (PgInterval.OfDays(30), ExpiredAction.Drop, PremakeBasis.NewestRow)), Token);
        await Run("DO $$ DECLARE t text; BEGIN FOR t IN SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'events'::regclass AND inhrelid::regclass::text <> 'events_default' LOOP EXECUTE 'DROP TABLE ' || t; END LOOP; END $$");
        await Run("CREATE TABLE events_p20200101 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')");

        var result = await MaintainAsync();

        result.Changes.Should().BeEmpty();
        result.Skipped.Select(s => s.Reason).Should().Equal(SkipReason.NoRows, SkipReason.LastPartition);
        (await NamesAsync()).Should().Equal("events_default", "events_p20200101");
    }

    [Fact]
    public async Task A_partition_goes_by_its_real_upper_bound_a_microsecond_after_its_time()
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(o => o.Retention = PgInterval.OfDays(30)), Token);
        // Named like an old day, but as wide as to the day before the retention's edge, and one that ends right on the far side of it.
        await Run("""
            CREATE TABLE legacy PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2019-01-01');
            DO $$ BEGIN EXECUTE format('CREATE TABLE events_p20190102 PARTITION OF events FOR VALUES FROM (%L) TO (%L)', '2019-01-01', now() - interval '29 days'); END $$;
            """);

        var result = await MaintainAsync();

        result.Changes.Select(c => (c.Partition.Name.Value, c.Fate)).Should().Equal(("legacy", PartitionFate.Detach));
        (await NamesAsync()).Should().Contain("events_p20190102");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_retired_partition_moves_without_its_indexes_and_publications(bool withDefault)
    {
        await Run("CREATE SCHEMA old; CREATE TABLE events (id bigint, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at); CREATE INDEX ON events (at)");
        await Partman.CreateAsync(Events, Daily(o => (o.Retention, o.WhenExpired, o.RetentionSchema, o.KeepIndexes, o.DefaultPartition) = (PgInterval.OfDays(30), ExpiredAction.Move, "old", false, withDefault)), Token);
        await Run("CREATE TABLE gone PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-01-02'); INSERT INTO events VALUES (7, '2020-01-01 12:00Z'); CREATE PUBLICATION pub FOR TABLE gone");

        var plan = await Partman.PlanMaintenanceAsync(Only(Events), Token);
        var result = await MaintainAsync();

        result.Error.Should().BeNull();
        result.Changes.Select(c => (c.Partition.Name.Value, c.Fate)).Should().Equal(("gone", PartitionFate.Move));
        plan.Sql.Steps.Any(s => s.Kind == "detach-concurrently").Should().Be(!withDefault);
        plan.Sql.BlocksReads.Should().BeTrue();
        (await Ask<long>("SELECT id FROM old.gone")).Should().Be(7);
        (await Ask<long>("SELECT count(*) FROM pg_index WHERE indrelid = 'old.gone'::regclass")).Should().Be(0);
        (await Ask<long>("SELECT count(*) FROM pg_publication_rel")).Should().Be(0);
        (await Ask<long>("SELECT count(*) FROM omnipg_partman.operation")).Should().Be(0);
    }

    [Fact]
    public async Task Without_a_default_readers_and_writers_go_on_while_a_partition_leaves()
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(o => (o.Retention, o.WhenExpired, o.DefaultPartition) = (PgInterval.OfDays(30), ExpiredAction.Drop, false)), Token);
        await Run("CREATE TABLE gone PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')");
        var plan = await Partman.PlanMaintenanceAsync(Only(Events), Token);

        var result = await MaintainAsync();

        plan.Sql.Steps.Select(s => s.Kind).Should().Equal("detach-concurrently", "note-retirement", "drop-partition");
        plan.Sql.Steps[0].Locks.Should().NotContain(l => l.Relation == Events && l.Mode == PgLockMode.AccessExclusive);
        plan.Sql.DestroysData.Should().BeTrue();
        result.Changes.Select(c => (c.Partition.Name.Value, c.Fate)).Should().Equal(("gone", PartitionFate.Drop));
        (await Ask<bool>("SELECT to_regclass('gone') IS NULL")).Should().BeTrue();
    }

    [Fact]
    public async Task An_interrupted_concurrent_detach_is_finished_first_and_then_dropped()
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(o => (o.Retention, o.WhenExpired, o.DefaultPartition) = (PgInterval.OfDays(30), ExpiredAction.Drop, false)), Token);
        await Run("CREATE TABLE gone PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-01-02'); CREATE TABLE gone2 PARTITION OF events FOR VALUES FROM ('2020-01-02') TO ('2020-01-03')");
        await using var reader = await Database.DataSource.OpenConnectionAsync(Token);
        await using (var transaction = await reader.BeginTransactionAsync(Token))
        {
            await using (var look = new NpgsqlCommand("SELECT count(*) FROM events", reader, transaction))
                await look.ExecuteScalarAsync(Token);
            var blocked = await MaintainAsync();
            blocked.Error.Should().BeOfType<PartitionLockTimeoutException>().Which.Holders.Select(h => h.ProcessId).Should().Contain(reader.ProcessID);
            (await Ask<bool>("SELECT bool_or(inhdetachpending) FROM pg_inherits")).Should().BeTrue();
            await transaction.RollbackAsync(Token);
        }

        var plan = await Partman.PlanMaintenanceAsync(Only(Events), Token);
        var result = await MaintainAsync();

        plan.Sql.Steps[0].Sql.Should().Contain("FINALIZE");
        result.Error.Should().BeNull();
        result.Changes.Select(c => c.Fate).Should().Equal(PartitionFate.Drop, PartitionFate.Drop);
        (await Ask<bool>("SELECT to_regclass('gone') IS NULL AND to_regclass('gone2') IS NULL AND NOT EXISTS (SELECT FROM omnipg_partman.operation)")).Should().BeTrue();
    }

    [Fact]
    public async Task A_run_that_died_between_detach_and_drop_is_finished()
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(o => (o.Retention, o.WhenExpired, o.DefaultPartition) = (PgInterval.OfDays(30), ExpiredAction.Drop, false)), Token);
        await Run("CREATE TABLE gone PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')");
        var plan = await Partman.PlanMaintenanceAsync(Only(Events), Token);
        await Run(plan.Sql.Steps[0].Sql!);
        await Run(plan.Sql.Steps[1].Sql!);

        var result = await MaintainAsync();

        result.Error.Should().BeNull();
        (await Ask<bool>("SELECT to_regclass('gone') IS NULL AND NOT EXISTS (SELECT FROM omnipg_partman.operation)")).Should().BeTrue();
    }

    [Fact]
    public async Task A_lock_that_is_held_times_out_writers_go_on_and_a_retry_succeeds()
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(o => (o.Retention, o.WhenExpired) = (PgInterval.OfDays(30), ExpiredAction.Drop)), Token);
        await Run("CREATE TABLE gone PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')");
        await using var writer = await Database.DataSource.OpenConnectionAsync(Token);
        await using (var transaction = await writer.BeginTransactionAsync(Token))
        {
            await using (var write = new NpgsqlCommand("INSERT INTO events (at) VALUES (now())", writer, transaction))
                await write.ExecuteNonQueryAsync(Token);
            var blocked = await MaintainAsync();
            blocked.Error.Should().BeOfType<PartitionLockTimeoutException>().Which.Holders.Single().ProcessId.Should().Be(writer.ProcessID);
            await Run("INSERT INTO events (at) VALUES (now())");
            await transaction.CommitAsync(Token);
        }

        var result = await MaintainAsync();

        result.Changes.Select(c => c.Fate).Should().Equal(PartitionFate.Drop);
        (await Ask<long>("SELECT count(*) FROM events")).Should().Be(2);
    }

    [Fact]
    public async Task A_run_that_is_the_victim_of_a_deadlock_tries_again()
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(), Token);
        await Run("UPDATE omnipg_partman.part_config SET premake = 6");
        await using var other = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await other.BeginTransactionAsync(Token);
        async Task Other(string sql)
        {
            await using var command = new NpgsqlCommand(sql, other, transaction) { CommandTimeout = 0 };
            await command.ExecuteNonQueryAsync(Token);
        }
        Task WaitingAsync(int sessions) => Eventually.TrueAsync(async () => await Ask<long>("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'events'::regclass") == sessions, $"{sessions} wait for the set", cancellationToken: Token);
        // The other one never looks for a deadlock by itself.
        await Other("SET LOCAL deadlock_timeout = '1min'");
        await Other("LOCK TABLE events_default IN ROW EXCLUSIVE MODE");

        // Both wait for the set, the run before the other: once it has it, its wait for the rest of them closes the circle, and it alone looks.
        await using var gate = await Database.DataSource.OpenConnectionAsync(Token);
        var closed = await gate.BeginTransactionAsync(Token);
        await using (var hold = new NpgsqlCommand("LOCK TABLE events IN SHARE UPDATE EXCLUSIVE MODE", gate, closed))
            await hold.ExecuteNonQueryAsync(Token);
        var running = MaintainAsync(client: Client(o => o.LockTimeout = TimeSpan.FromMinutes(1)));
        await WaitingAsync(1);
        var locking = Other("LOCK TABLE events IN SHARE UPDATE EXCLUSIVE MODE");
        await WaitingAsync(2);
        await closed.CommitAsync(Token);
        await locking;
        await transaction.CommitAsync(Token);
        var result = await running;

        result.Error.Should().BeNull();
        result.Changes.Should().HaveCount(2);
        await Eventually.TrueAsync(async () => await Ask<long>("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 1, "the deadlock is counted", cancellationToken: Token);
    }

    [Fact]
    public async Task A_zone_of_the_server_that_changes_between_two_runs_changes_nothing()
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(o => o.TimeZone = "Europe/Berlin"), Token);
        await Run("UPDATE omnipg_partman.part_config SET premake = 6");
        var name = await Ask<string>("SELECT quote_ident(current_database())");
        await Run($"ALTER DATABASE {name} SET TimeZone = 'Asia/Tokyo'");
        await using var source = NpgsqlDataSource.Create(Database.ConnectionString);

        var result = (await new PartmanClient(source).MaintainAsync(Only(Events), cancellationToken: Token)).Sets.Single();
        var check = await Partman.CheckAsync(Token);

        result.Changes.Should().HaveCount(2);
        check.Findings.Should().BeEmpty();
        await using var zone = source.CreateCommand("SELECT current_setting('TimeZone')");
        (await zone.ExecuteScalarAsync(Token)).Should().Be("Asia/Tokyo");
        (await Ask<long>("SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid, LATERAL (SELECT (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \\(''(.*)''\\) TO'))[1]) b (f) WHERE i.inhparent = 'events'::regclass AND (f::timestamptz AT TIME ZONE 'Europe/Berlin')::time = '00:00'"))
            .Should().Be(11);
    }

    [Fact]
    public async Task A_range_with_rows_in_the_default_is_reported_and_the_others_are_made()
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(), Token);
        var today = await Ask<DateTime>("SELECT date_trunc('day', now() AT TIME ZONE 'UTC')");
        await Run($"UPDATE omnipg_partman.part_config SET premake = 7; INSERT INTO events (id, at) VALUES (1, '{today.AddDays(6):yyyy-MM-dd} 12:00Z')");

        var conflict = await MaintainAsync();
        var drained = await MaintainAsync(o => o.DrainDefault = true);

        conflict.Error.Should().BeOfType<DefaultPartitionConflictException>().Which.Child.Name.Value.Should().Be($"events_p{today.AddDays(6):yyyyMMdd}");
        conflict.Changes.Select(c => c.Partition.Name.Value).Should().Equal($"events_p{today.AddDays(5):yyyyMMdd}", $"events_p{today.AddDays(7):yyyyMMdd}");
        drained.Error.Should().BeNull();
        drained.Changes.Select(c => c.Partition.Name.Value).Should().Equal($"events_p{today.AddDays(6):yyyyMMdd}");
        (await Ask<string>("SELECT tableoid::regclass::text FROM events")).Should().Be($"events_p{today.AddDays(6):yyyyMMdd}");
    }

    [Fact]
    public async Task A_big_default_is_scanned_beside_its_writers_and_not_by_the_attach()
    {
        await DailyTableAsync();
        var client = Client(o => o.SafeAttachBytes = 0);
        await client.CreateAsync(Events, Daily(), Token);
        await Run("UPDATE omnipg_partman.part_config SET premake = 6; INSERT INTO events (at) VALUES ('1999-01-01'); ANALYZE events_default");

        var plan = await client.PlanMaintenanceAsync(Only(Events), Token);
        var result = await MaintainAsync(client: client);

        plan.Sql.Steps.Select(s => s.Kind).Should().Equal("reserve-ranges", "prove-empty", "create-partition", "create-partition");
        result.Error.Should().BeNull();
        result.Changes.Should().HaveCount(2);
        (await Ask<long>("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'omnipg_attach_%'")).Should().Be(0);
    }

    [Fact]
    public async Task A_check_that_an_interrupted_attach_left_is_swept()
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(), Token);
        await Run("ALTER TABLE events_default ADD CONSTRAINT omnipg_attach_1 CHECK (at < '2001-01-01') NOT VALID");

        var check = await Partman.CheckAsync(Token);
        var result = await MaintainAsync();

        check.Findings.Select(f => f.Kind).Should().Equal(FindingKind.AttachCheck);
        check.Worst.Should().Be(FindingLevel.Critical);
        result.Error.Should().BeNull();
        (await Ask<long>("SELECT count(*) FROM pg_constraint WHERE conname = 'omnipg_attach_1'")).Should().Be(0);
    }

    [Theory]
    [InlineData("infinity")]
    [InlineData("2097-01-01")]
    public async Task A_row_of_a_far_future_makes_no_flood(string at)
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(o => o.Basis = PremakeBasis.NewestRow), Token);
        await Run($"CREATE TABLE far PARTITION OF events FOR VALUES FROM ('2097-01-01') TO (MAXVALUE); INSERT INTO events (at) VALUES ('{at}')");

        var result = await MaintainAsync();

        result.Error.Should().BeNull();
        result.Changes.Should().BeEmpty();
        result.Skipped.Select(s => s.Reason).Should().Equal(SkipReason.Outlier);
    }

    [Fact]
    public async Task One_run_makes_no_more_than_it_may_and_the_next_goes_on()
    {
        await IdTableAsync();
        var client = Client(o => o.MaxPartitionsPerRun = 3);
        await client.CreateAsync(Events, Tens(), Token);
        await Run("CREATE TABLE far PARTITION OF events FOR VALUES FROM (50) TO (100); INSERT INTO events VALUES (99)");

        var first = await MaintainAsync(client: client);
        var second = await MaintainAsync(client: client);

        first.Changes.Select(c => c.Partition.Name.Value).Should().Equal("events_p100", "events_p110", "events_p120");
        first.Skipped.Select(s => s.Reason).Should().Equal(SkipReason.TooMany);
        second.Changes.Select(c => c.Partition.Name.Value).Should().Equal("events_p130");
    }

    [Fact]
    public async Task A_foreign_key_with_rows_keeps_its_partition_and_without_rows_lets_it_go()
    {
        await Run("CREATE TABLE events (id bigint, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)");
        await Partman.CreateAsync(Events, Daily(o => (o.Retention, o.WhenExpired) = (PgInterval.OfDays(30), ExpiredAction.Drop)), Token);
        await Run("""
            CREATE TABLE gone PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-01-02');
            CREATE TABLE gone2 PARTITION OF events FOR VALUES FROM ('2020-01-02') TO ('2020-01-03');
            INSERT INTO events VALUES (1, '2020-01-01 12:00Z');
            CREATE TABLE refers (id bigint, at timestamptz, FOREIGN KEY (id, at) REFERENCES events); INSERT INTO refers VALUES (1, '2020-01-01 12:00Z');
            """);

        var held = await MaintainAsync();
        await Run("DELETE FROM refers");
        var free = await MaintainAsync();

        held.Error.Should().BeOfType<ForeignKeyBlocksDetachException>().Which.Child.Name.Value.Should().Be("gone");
        held.Changes.Select(c => (c.Partition.Name.Value, c.Fate)).Should().Equal(("gone2", PartitionFate.Drop));
        free.Changes.Select(c => (c.Partition.Name.Value, c.Fate)).Should().Equal(("gone", PartitionFate.Drop));
    }

    [Fact]
    public async Task A_set_that_fails_does_not_concern_the_others()
    {
        await IdTableAsync();
        await Run("CREATE TABLE others (id bigint NOT NULL) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(Events, Tens(), Token);
        await Partman.CreateAsync(QualifiedName.Parse("public.others"), Tens(), Token);
        await Run("""
            INSERT INTO events VALUES (25); INSERT INTO others VALUES (25);
            INSERT INTO omnipg_partman.part_config (parent_table, control, partition_interval, partition_type) VALUES ('public.nothing', 'id', '10', 'range');
            INSERT INTO omnipg_partman.part_option VALUES ('public.events', 'time_zone', '"Mars/Olympus"') ON CONFLICT (parent_table, key) DO UPDATE SET value = EXCLUDED.value;
            """);

        var result = await Partman.MaintainAsync(cancellationToken: Token);

        result.AllSucceeded.Should().BeFalse();
        result.Sets.Select(s => (s.Table, s.Error?.GetType(), s.Changes.Count)).Should().Equal(
            ("public.events", typeof(PartmanServerException), 0), ("public.nothing", typeof(PartitionSetConfigurationException), 0), ("public.others", null, 2));
        (await Ask<string>("SELECT string_agg(parent_table, ',') FROM omnipg_partman.part_config WHERE maintenance_last_run IS NOT NULL")).Should().Be("public.others");
    }

    [Fact]
    public async Task A_plan_that_the_catalog_has_overtaken_is_refused_and_one_that_holds_is_done()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(), Token);
        await Run("INSERT INTO events VALUES (25)");
        var old = await Partman.PlanMaintenanceAsync(Only(Events), Token);
        await Run("CREATE TABLE quick PARTITION OF events FOR VALUES FROM (50) TO (55)");

        var act = () => Partman.ApplyAsync(old, cancellationToken: Token);

        await act.Should().ThrowAsync<StalePlanException>();
        var fresh = await Partman.PlanMaintenanceAsync(Only(Events), Token);
        (await Partman.ApplyAsync(fresh, cancellationToken: Token)).Sets.Single().Changes.Should().Equal(fresh.Sets.Single().Changes);
        (await BoundsAsync()).Should().Contain("events_p55 FROM ('55') TO ('60')");
    }

    [Fact]
    public async Task Twenty_runners_at_once_do_the_work_once()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(), Token);
        await Run("INSERT INTO events VALUES (45)");

        var results = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => MaintainAsync()));

        results.SelectMany(r => r.Changes).Select(c => c.Partition.Name.Value).Should().BeEquivalentTo("events_p50", "events_p60", "events_p70", "events_p80");
        results.Select(r => r.Error).Should().OnlyContain(e => e == null || e is PartmanBusyException);
        (await NamesAsync()).Should().HaveCount(10);
    }

    [Fact]
    public async Task What_was_wrong_before_the_lock_and_is_not_any_more_is_no_failure()
    {
        await IdTableAsync();
        await Run("CREATE TABLE earlier (id bigint NOT NULL) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(QualifiedName.Parse("public.earlier"), Tens(), Token);
        await Partman.CreateAsync(Events, Tens(), Token);
        await Run("CREATE TABLE events_p50 (); INSERT INTO earlier VALUES (15); INSERT INTO events VALUES (15)");

        var result = await Partman.MaintainAsync(progress: new Told(change => Sync(change.Partition.Name.Value == "earlier_p50" ? "DROP TABLE events_p50" : "SELECT")), cancellationToken: Token);

        result.AllSucceeded.Should().BeTrue();
        result.Sets.SelectMany(s => s.Changes).Select(c => c.Partition.Name.Value).Should().Equal("earlier_p50", "events_p50");
    }

    [Fact]
    public async Task A_jump_of_the_clock_stops_retention_until_it_is_confirmed()
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(o => (o.Retention, o.WhenExpired) = (PgInterval.OfDays(30), ExpiredAction.Drop)), Token);
        await Run("CREATE TABLE gone PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-01-02'); UPDATE omnipg_partman.part_config SET maintenance_last_run = now() - interval '11 days'");

        var stopped = await MaintainAsync();
        var again = await MaintainAsync();
        var confirmed = await MaintainAsync(o => o.AcceptClockJump = true);

        stopped.Error.Should().BeOfType<ClockJumpException>();
        stopped.Changes.Should().BeEmpty();
        again.Error.Should().BeOfType<ClockJumpException>();
        again.Changes.Should().BeEmpty();
        confirmed.Changes.Select(c => (c.Partition.Name.Value, c.Fate)).Should().Equal(("gone", PartitionFate.Drop));
    }

    [Fact]
    public async Task A_jump_of_the_clock_is_seen_after_a_run_that_failed()
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(o => (o.Retention, o.WhenExpired) = (PgInterval.OfDays(30), ExpiredAction.Drop)), Token);
        await Run("CREATE TABLE gone PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-01-02'); UPDATE omnipg_partman.part_config SET premake = 6, template_table = 'public.nothing'");
        var failed = await MaintainAsync();
        var check = await Partman.CheckAsync(Token);
        await Run("UPDATE omnipg_partman.part_config SET template_table = NULL; UPDATE omnipg_partman.part_option SET value = to_jsonb((value #>> '{}')::timestamptz - interval '11 days') WHERE key = 'last_failure'");

        var stopped = await MaintainAsync();
        var confirmed = await MaintainAsync(o => o.AcceptClockJump = true);

        failed.Error.Should().BeOfType<PartitionSetConfigurationException>();
        check.Findings.Select(f => f.Kind).Should().Equal(FindingKind.TooFewAhead, FindingKind.Gap, FindingKind.Expired, FindingKind.Maintenance);
        stopped.Error.Should().BeOfType<ClockJumpException>();
        confirmed.Changes.Select(c => (c.Partition.Name.Value, c.Fate)).Should().Contain(("gone", PartitionFate.Drop));
        (await Partman.CheckAsync(Token)).Findings.Should().BeEmpty();
    }

    [Theory]
    [InlineData("undo_in_progress = true", "an undo")]
    [InlineData("async_partitioning_in_progress = '2026-01-01'", "a drain of the default partition from '2026-01-01' on")]
    public async Task A_set_that_the_extension_undoes_or_drains_is_left_alone(string state, string what)
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(), Token);
        await Run($"INSERT INTO events VALUES (25), (95); DROP TABLE events_p10; UPDATE omnipg_partman.part_config SET {state}");

        var result = await MaintainAsync();
        var drain = () => Partman.DrainDefaultAsync(Events, cancellationToken: Token);
        var fill = () => Partman.FillGapsAsync(Events, Token);

        result.Changes.Should().BeEmpty();
        result.Skipped.Should().Equal(new PartitionSkipped(SkipReason.InProgress, $"'public.events' is left alone while {what} is under way."));
        (await drain.Should().ThrowAsync<PartmanBusyException>()).WithMessage($"*{what}*");
        (await fill.Should().ThrowAsync<PartmanBusyException>()).WithMessage($"*{what}*");
        (await NamesAsync()).Should().Equal("events_default", "events_p0", "events_p20", "events_p30", "events_p40");
    }

    [Theory]
    [InlineData("smallint", "INSERT INTO events VALUES (32760)", null)]
    [InlineData("numeric", "INSERT INTO events VALUES (1e30)", typeof(PartitionSetConfigurationException))]
    [InlineData("numeric", "INSERT INTO events VALUES ('NaN')", typeof(PartitionSetConfigurationException))]
    public async Task A_key_beyond_what_can_be_counted_does_not_concern_the_other_sets(string type, string insert, Type? error)
    {
        await Run($"CREATE TABLE events (id {type} NOT NULL) PARTITION BY RANGE (id); CREATE TABLE others (id bigint NOT NULL) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(Events, Tens(o => o.DefaultPartition = false), Token);
        await Partman.CreateAsync(QualifiedName.Parse("public.others"), Tens(), Token);
        await Run($"CREATE TABLE far PARTITION OF events FOR VALUES FROM (50) TO ({(type == "smallint" ? "32761" : "MAXVALUE")}); {insert}; INSERT INTO others VALUES (25)");

        var result = await Partman.MaintainAsync(cancellationToken: Token);

        result.Sets.Select(s => (s.Table, s.Error?.GetType())).Should().Equal(("public.events", error), ("public.others", null));
        result.Sets[1].Changes.Should().HaveCount(2);
    }

    [Fact]
    public async Task A_row_that_no_moment_of_this_platform_can_name_is_told_by_drain_and_check()
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(), Token);
        await Run("INSERT INTO events (at) VALUES ('20000-01-01')");

        await FluentActions.Awaiting(() => Partman.DrainDefaultAsync(Events, cancellationToken: Token)).Should().ThrowAsync<PartitionSetConfigurationException>().WithMessage("*20000-01-01*");
        (await Partman.CheckAsync(Token)).Findings.Select(f => f.Kind).Should().Equal(FindingKind.DefaultRows);
    }

    [Fact]
    public async Task A_run_killed_between_the_check_and_the_attach_refuses_rows_until_the_next_one()
    {
        await DailyTableAsync();
        var client = Client(o => o.SafeAttachBytes = 0);
        await client.CreateAsync(Events, Daily(), Token);
        var ahead = await Ask<DateTime>("SELECT date_trunc('day', now() AT TIME ZONE 'UTC') + interval '5 days 12 hours'");
        await Run("UPDATE omnipg_partman.part_config SET premake = 6; INSERT INTO events (at) VALUES ('1999-01-01'); ANALYZE events_default");
        var plan = await client.PlanMaintenanceAsync(Only(Events), Token);
        await Run(plan.Sql.Steps[0].Sql!);
        var write = $"INSERT INTO events (at) VALUES ('{ahead:yyyy-MM-dd HH:mm}Z')";
        await FluentActions.Awaiting(() => Run(write)).Should().ThrowAsync<PostgresException>().Where(e => e.SqlState == PostgresErrorCodes.CheckViolation);

        var check = await client.CheckAsync(Token);
        var result = await MaintainAsync(client: client);
        await Run(write);

        check.Findings.Count(f => f.Kind == FindingKind.AttachCheck).Should().Be(2);
        result.Error.Should().BeNull();
        result.Changes.Should().HaveCount(2);
        (await Ask<long>("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'omnipg_attach_%'")).Should().Be(0);
        (await Ask<string>("SELECT max(tableoid::regclass::text) FROM events WHERE at > now()")).Should().Be($"events_p{ahead:yyyyMMdd}");
    }

    [Fact]
    public async Task A_check_of_that_name_on_a_partition_that_is_no_default_is_nobodys()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(o => o.DefaultPartition = false), Token);
        await Run("ALTER TABLE events_p0 ADD CONSTRAINT omnipg_attach_1 CHECK (id < 5); INSERT INTO events VALUES (15)");

        var result = await MaintainAsync();

        result.Error.Should().BeNull();
        result.Changes.Should().ContainSingle();
        (await Partman.CheckAsync(Token)).Findings.Should().BeEmpty();
    }

    [Fact]
    public async Task A_creation_that_died_after_its_first_transaction_is_finished_by_maintenance()
    {
        await IdTableAsync();
        var plan = await Partman.PlanCreateAsync(Events, Tens(o => o.Premake = 250), Token);
        await Run(plan.Steps[0].Sql!);
        await Run("INSERT INTO events VALUES (5), (100000)");

        var result = await MaintainAsync();

        plan.Steps.Should().HaveCount(2);
        result.Error.Should().BeNull();
        (await NamesAsync()).Should().HaveCount(252).And.Contain("events_default");
        (await Ask<string>("SELECT tableoid::regclass::text FROM events WHERE id = 100000")).Should().Be("events_default");
    }

    [Fact]
    public async Task Gaps_behind_are_filled_on_request_and_negative_ids_are_found()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(o => (o.IdStart, o.Premake) = (-20, 5)), Token);
        await Run("DROP TABLE \"events_p-10\"; DROP TABLE events_p0; INSERT INTO events VALUES (25)");

        var located = await Partman.LocateAsync(Events, PartitionBound.Of(-5), Token);
        var maintained = await MaintainAsync();
        var filled = await Partman.FillGapsAsync(Events, Token);

        located.Should().Be(new PartitionLocation(QualifiedName.Create("public", "events_p-10"), PartitionBound.Of(-10), PartitionBound.Of(0), Exists: false));
        maintained.Changes.Should().NotContain(c => c.Lower < PartitionBound.Of(20));
        filled.Select(c => c.Partition.Name.Value).Should().Equal("events_p-10", "events_p0");
        (await Partman.LocateAsync(Events, PartitionBound.Of(-5), Token)).Exists.Should().BeTrue();
    }

    [Fact]
    public async Task Without_an_anchor_ranges_of_old_rows_lie_where_those_of_the_partitions_do()
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(o => o.Premake = 1), Token);
        await Run("DELETE FROM omnipg_partman.part_option WHERE key = 'anchor'; INSERT INTO events VALUES (1, '2020-01-05 13:47:22Z'), (2, '2020-01-05 08:00Z'), (3, '2020-01-06 09:00Z')");

        await Partman.DrainDefaultAsync(Events, cancellationToken: Token);

        (await BoundsAsync()).Take(3).Should().Equal("events_default DEFAULT", "events_p20200105 FROM ('2020-01-05') TO ('2020-01-06')", "events_p20200106 FROM ('2020-01-06') TO ('2020-01-07')");
    }

    [Fact]
    public async Task The_default_is_drained_range_by_range_and_a_reader_sees_every_row_all_the_time()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL, note text GENERATED ALWAYS AS ('n' || id) STORED, number bigint GENERATED ALWAYS AS IDENTITY) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(Events, Tens(), Token);
        await Run("INSERT INTO events (id) SELECT i FROM generate_series(-25, -1) i UNION ALL SELECT generate_series(95, 104)");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var counts = Task.Run(async () =>
        {
            var seen = new HashSet<long>();
            while (!stop.IsCancellationRequested)
                seen.Add(await Ask<long>("SELECT count(*) FROM events"));
            return seen;
        }, Token);

        var moved = await Partman.DrainDefaultAsync(Events, cancellationToken: Token);
        await stop.CancelAsync();

        moved.Select(c => c.Partition.Name.Value).Should().Equal("events_p-30", "events_p-20", "events_p-10", "events_p90", "events_p100");
        (await counts).Should().Equal(35);
        (await Ask<long>("SELECT count(*) FROM events_default")).Should().Be(0);
        (await Ask<string>("SELECT tableoid::regclass || ' ' || note FROM events WHERE id = -5")).Should().Be("\"events_p-10\" n-5");
        (await Ask<long>("SELECT count(DISTINCT number) FROM events")).Should().Be(35);
        (await Partman.DrainDefaultAsync(Events, cancellationToken: Token)).Should().BeEmpty();
    }

    [Fact]
    public async Task Values_of_a_column_that_is_new_when_a_drain_gets_its_lock_do_not_stay_behind()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(o => o.Premake = 1), Token);
        await Run("INSERT INTO events VALUES (95, 'x')");
        await using var connection = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await connection.BeginTransactionAsync(Token);
        async Task Hold(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection, transaction);
            await command.ExecuteNonQueryAsync(Token);
        }
        await Hold("LOCK TABLE ONLY events IN SHARE UPDATE EXCLUSIVE MODE");

        var draining = Client(o => o.LockTimeout = TimeSpan.FromSeconds(30)).DrainDefaultAsync(Events, cancellationToken: Token);
        await Eventually.TrueAsync(() => Ask<bool>($"SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND {connection.ProcessID} = ANY (pg_blocking_pids(pid)))"), "the drain waits", cancellationToken: Token);
        await Hold("ALTER TABLE events ADD extra text; UPDATE events SET extra = 'kept'");
        await transaction.CommitAsync(Token);
        await FluentActions.Awaiting(() => draining).Should().ThrowAsync<StalePlanException>();
        await Partman.DrainDefaultAsync(Events, cancellationToken: Token);

        (await Ask<string>("SELECT tableoid::regclass || ' ' || extra FROM events")).Should().Be("events_p90 kept");
    }

    [Theory]
    [InlineData("CREATE TABLE refers (id bigint REFERENCES events ON DELETE CASCADE); INSERT INTO refers VALUES (95)", "*of 'public.refers' refers to its rows*")]
    [InlineData("ALTER TABLE events ADD up bigint REFERENCES events ON DELETE CASCADE; INSERT INTO events VALUES (96, 95)", "*of 'public.events' refers to its rows*")]
    [InlineData("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$; CREATE TRIGGER t AFTER DELETE ON events FOR EACH ROW EXECUTE FUNCTION f()", "*Trigger 't' of 'public.events_default' would take rows that move for deleted*")]
    public async Task Rows_do_not_move_where_that_would_pass_for_a_deletion(string sql, string message)
    {
        await Run("CREATE TABLE events (id bigint PRIMARY KEY) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(Events, Tens(), Token);
        await Run("INSERT INTO events VALUES (95); " + sql);

        var act = () => Partman.DrainDefaultAsync(Events, cancellationToken: Token);

        var before = await Ask<long>("SELECT count(*) FROM events_default");
        await act.Should().ThrowAsync<PartitionSetConfigurationException>().WithMessage(message);
        (await Ask<long>("SELECT count(*) FROM events_default")).Should().Be(before);
    }

    [Fact]
    public async Task Runs_are_in_the_job_log()
    {
        await IdTableAsync();
        using var factory = new Microsoft.Extensions.Logging.LoggerFactory();
        var jobs = new OmniPg.Jobmon.RecordingJobmon();
        var client = new PartmanClient(Database.DataSource, new PartmanOptions(), factory, TimeProvider.System, jobs);

        await client.CreateAsync(Events, Tens(o => o.Premake = 1), Token);
        await Run("INSERT INTO events VALUES (15), (25)");
        await MaintainAsync(client: client);

        jobs.Jobs.Select(j => (j.Name, j.Status)).Should().Equal(("PARTMAN SETUP PARENT: public.events", "OK"), ("PARTMAN RUN MAINTENANCE", "CRITICAL"));
        jobs.Jobs[1].Step("Maintaining public.events").Status.Should().Be("CRITICAL");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_job_log_that_cannot_be_written_ends_no_run(bool goesLater)
    {
        await IdTableAsync();
        var jobmon = new Jobmon.JobmonClient(Database.DataSource, new Jobmon.JobmonOptions { ErrorPolicy = Jobmon.ErrorPolicy.Throw });
        if (goesLater)
            await jobmon.Admin.InstallAsync(cancellationToken: Token);
        var logger = new FakeLoggerFactory();
        var client = new PartmanClient(Database.DataSource, new PartmanOptions(), logger, TimeProvider.System, jobmon);
        await client.CreateAsync(Events, Tens(o => o.Premake = 1), Token);
        await Run("INSERT INTO events VALUES (15)");
        var gone = new Told(_ =>
        {
            if (goesLater)
                Sync("DO $$ BEGIN EXECUTE (SELECT format('DROP SCHEMA %I CASCADE', n.nspname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = 'job_log'); END $$");
        });

        var result = (await client.MaintainAsync(Only(Events), gone, Token)).Sets.Single();

        result.Error.Should().BeNull();
        result.Changes.Select(c => c.Partition.Name.Value).Should().Equal("events_p20");
        (await Ask<bool>("SELECT maintenance_last_run IS NOT NULL FROM omnipg_partman.part_config")).Should().BeTrue();
        logger.Lines.Should().Contain(e => e.Id.Id == 5004);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_loses_its_lock_ends_before_it_changes_anything(bool drains)
    {
        await IdTableAsync();
        var clock = new WaitableTimeProvider();
        var client = new PartmanClient(Database.DataSource, new PartmanOptions { LockTimeout = TimeSpan.FromMinutes(1) }, null, clock);
        await client.CreateAsync(Events, Tens(), Token);
        await Run("INSERT INTO events VALUES (95); CREATE TABLE far PARTITION OF events FOR VALUES FROM (70) TO (80)");
        var before = await NamesAsync();
        await using var holder = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await holder.BeginTransactionAsync(Token);
        await using (var hold = new NpgsqlCommand("LOCK TABLE events IN SHARE UPDATE EXCLUSIVE MODE", holder, transaction))
            await hold.ExecuteNonQueryAsync(Token);

        var running = drains ? client.DrainDefaultAsync(Events, cancellationToken: Token) : client.FillGapsAsync(Events, Token);
        await Eventually.TrueAsync(async () => await Ask<bool>("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'events'::regclass)"), "the wait of the run", cancellationToken: Token);
        await Run("SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE l.locktype = 'advisory' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())");
        clock.Advance(TimeSpan.FromSeconds(6));

        await FluentActions.Awaiting(() => running).Should().ThrowAsync<PartmanBusyException>();
        await transaction.RollbackAsync(Token);
        (await NamesAsync()).Should().Equal(before);
        (await Ask<long>("SELECT count(*) FROM events_default")).Should().Be(1);
    }

    [Fact]
    public async Task The_list_shows_what_will_come_and_go()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(o => (o.IdRetention, o.WhenExpired) = (5, ExpiredAction.Drop)), Token);
        await Run("INSERT INTO events SELECT generate_series(1, 25); ANALYZE events");

        var list = await Partman.ListPartitionsAsync(Events, Token);

        list.Select(p => (p.Name.Name.Value, p.Fate)).Should().Equal(
            ("events_p0", PartitionFate.Drop), ("events_p10", PartitionFate.Drop), ("events_p20", PartitionFate.Keep), ("events_p30", PartitionFate.Keep),
            ("events_p40", PartitionFate.Keep), ("events_p50", PartitionFate.Create), ("events_p60", PartitionFate.Create), ("events_default", PartitionFate.Keep));
        list[0].EstimatedRows.Should().Be(9);
        list[0].TotalBytes.Should().BePositive();
    }

    [Fact]
    public async Task Partitions_that_are_dropped_while_the_list_is_read_do_not_end_it()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(), Token);
        await using var other = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await other.BeginTransactionAsync(Token);
        await using (var drop = new Npgsql.NpgsqlCommand("DROP TABLE events_p0, events_p10, events_p20", other, transaction))
            await drop.ExecuteNonQueryAsync(Token);

        var list = Partman.ListPartitionsAsync(Events, Token);
        await Eventually.TrueAsync(() => Ask<bool>("SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE NOT l.granted AND l.locktype = 'relation' AND d.datname = current_database())"), "the list waits", cancellationToken: Token);
        await transaction.CommitAsync(Token);
        var names = (await list).Select(p => p.Name.Name.Value).ToList();

        // The one whose size it waited for is told as it was.
        names.Should().Contain(["events_p30", "events_p40", "events_default"]);
        names.Intersect(["events_p0", "events_p10", "events_p20"]).Should().HaveCountLessThanOrEqualTo(1);
    }

    [Fact]
    public async Task A_pooler_in_transaction_mode_is_refused()
    {
        Assert.SkipWhen(PgBouncer.Program is null, "PgBouncer is not installed.");
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(), Token);
        await Run("INSERT INTO events VALUES (25)");
        await using var bouncer = await PgBouncer.StartAsync(Cluster, cancellationToken: Token);
        await using var pooled = NpgsqlDataSource.Create(bouncer.Through(Database.ConnectionString) + ";No Reset On Close=true");

        var result = await new PartmanClient(pooled).MaintainAsync(Only(Events), cancellationToken: Token);

        result.Sets.Single().Error.Should().BeOfType<PartmanPoolerException>();
        (await NamesAsync()).Should().HaveCount(6);
    }
}
