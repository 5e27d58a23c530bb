using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Creating;

/// <summary>Partitions that somebody asks for by the values that they are to take.</summary>
public sealed class CreatePartitionsTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private static PartitionBound[] Ids(params long[] ids) => [.. ids.Select(PartitionBound.Of)];

    private async Task TensAsync(Action<PartitionSetOptions>? configure = null)
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(o =>
        {
            o.Premake = 1;
            configure?.Invoke(o);
        }), Token);
    }

    [Fact]
    public async Task Each_value_gets_the_partition_of_its_boundaries_once_and_what_is_there_is_left_alone()
    {
        await TensAsync();
        var told = new List<PartitionChange>();

        var made = await Partman.CreatePartitionsAsync(Events, Ids(125, 5, -5, 121, 64), new Told(told.Add), Token);
        var again = await Partman.CreatePartitionsAsync(Events, Ids(125, 5, -5, 121, 64), cancellationToken: Token);

        made.Select(c => $"{c.Partition.Name.Value} {c.Lower} {c.Upper} {c.Fate}").Should().Equal("events_p120 120 130 Create", "events_p-10 -10 0 Create", "events_p60 60 70 Create");
        told.Should().Equal(made);
        again.Should().BeEmpty();
        (await BoundsAsync()).Should().Equal(
            "events_default DEFAULT", "events_p-10 FROM ('-10') TO ('0')", "events_p0 FROM ('0') TO ('10')", "events_p10 FROM ('10') TO ('20')", "events_p120 FROM ('120') TO ('130')", "events_p60 FROM ('60') TO ('70')");
    }

    [Fact]
    public async Task Whoever_lost_his_lock_leaves_the_checks_to_the_next_run_which_they_may_be_of()
    {
        await TensAsync();
        await Run("INSERT INTO events VALUES (5)");
        await using var holder = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await holder.BeginTransactionAsync(Token);
        // The checks are on the default partition; the partitions wait for the set.
        await using (var hold = new Npgsql.NpgsqlCommand("LOCK TABLE ONLY events IN SHARE UPDATE EXCLUSIVE MODE", holder, transaction))
            await hold.ExecuteNonQueryAsync(Token);
        const string Checks = "SELECT count(*) FROM pg_constraint WHERE conname LIKE 'omnipg_attach_%'";
        var running = Client(o => (o.SafeAttachBytes, o.LockTimeout) = (0, TimeSpan.FromSeconds(30))).CreatePartitionsAsync(Events, Ids(125), cancellationToken: Token);
        await Eventually.TrueAsync(async () => await Ask<long>(Checks) == 1 && await Ask<bool>("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'events'::regclass)"), "the partition waits for the set", cancellationToken: Token);

        await Run("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())");

        await FluentActions.Awaiting(() => running).Should().ThrowAsync<PartmanBusyException>();
        (await Ask<long>(Checks)).Should().Be(1);
        await transaction.RollbackAsync(Token);
        (await MaintainAsync()).Error.Should().BeNull();
        (await Ask<long>(Checks)).Should().Be(0);
    }

    [Fact]
    public async Task A_role_that_does_not_own_the_set_is_told_so_before_anything_is_tried()
    {
        await TensAsync();
        await Run("DO $$ BEGIN CREATE ROLE passer_by LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$; GRANT USAGE ON SCHEMA omnipg_partman TO passer_by; GRANT SELECT ON ALL TABLES IN SCHEMA omnipg_partman TO passer_by; GRANT SELECT ON events TO passer_by");
        await using var source = Npgsql.NpgsqlDataSource.Create(new Npgsql.NpgsqlConnectionStringBuilder(Database.ConnectionString) { Username = "passer_by" }.ConnectionString);

        var refused = (await new PartmanClient(source).Awaiting(p => p.PlanPartitionsAsync(Events, Ids(125), Token)).Should().ThrowAsync<PartmanPrivilegeException>()).Which;

        refused.MissingGrants.Should().Equal("ALTER TABLE \"public\".\"events\" OWNER TO \"passer_by\";");
    }

    [Fact]
    public async Task A_partition_is_cut_off_where_another_one_begins_and_ends()
    {
        await TensAsync(o => o.DefaultPartition = false);
        await Run("CREATE TABLE odd PARTITION OF events FOR VALUES FROM (43) TO (46)");

        var made = await Partman.CreatePartitionsAsync(Events, Ids(41, 49), cancellationToken: Token);

        made.Select(c => $"{c.Lower} {c.Upper}").Should().Equal("40 43", "46 50");
    }

    [Fact]
    public async Task Moments_are_of_the_sets_zone_and_clock()
    {
        await DailyTableAsync("timestamp");
        await Partman.CreateAsync(Events, Daily(o => (o.TimeZone, o.Premake) = ("Europe/Madrid", 1)), Token);

        var made = await Partman.CreatePartitionsAsync(Events, [PartitionBound.Of(new DateTimeOffset(2024, 6, 30, 22, 30, 0, TimeSpan.Zero))], cancellationToken: Token);

        made.Single().Partition.Name.Value.Should().Be("events_p20240701");
        (await BoundsAsync()).Should().Contain("events_p20240701 FROM ('2024-07-01 00:00:00') TO ('2024-07-02 00:00:00')");
    }

    [Fact]
    public async Task Where_one_cannot_be_the_others_are_made_and_the_reason_is_told()
    {
        await TensAsync();
        await Run("INSERT INTO events VALUES (75, 'late'); CREATE TABLE events_p90 (x int)");

        var conflict = () => Partman.CreatePartitionsAsync(Events, Ids(55, 75, 65), cancellationToken: Token);
        var collision = () => Partman.CreatePartitionsAsync(Events, Ids(95, 105), cancellationToken: Token);
        var plan = () => Partman.PlanPartitionsAsync(Events, Ids(95), Token);

        (await conflict.Should().ThrowAsync<DefaultPartitionConflictException>()).Which.Child.Name.Value.Should().Be("events_p70");
        (await collision.Should().ThrowAsync<PartitionNameCollisionException>()).Which.Message.Should().Contain("events_p90");
        await plan.Should().ThrowAsync<PartitionNameCollisionException>();
        (await NamesAsync()).Should().Equal("events_default", "events_p0", "events_p10", "events_p100", "events_p50", "events_p60");
        (await Ask<string>("SELECT note FROM events_default")).Should().Be("late");
    }

    [Fact]
    public async Task Beside_a_large_default_the_ranges_that_nobody_writes_to_are_proven_empty_first_and_no_check_is_left()
    {
        await TensAsync();
        var careful = Client(o => o.SafeAttachBytes = 0);
        await Run("INSERT INTO events VALUES (5, 'x'), (1000, 'far'); ANALYZE events_default");

        var plan = await careful.PlanPartitionsAsync(Events, Ids(55), Token);
        var made = await careful.CreatePartitionsAsync(Events, Ids(55), cancellationToken: Token);

        plan.Steps.Select(s => s.Kind).Should().Equal("reserve-ranges", "prove-empty", "create-partition");
        made.Single().Partition.Name.Value.Should().Be("events_p50");
        (await Ask<long>("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'omnipg%'")).Should().Be(0);
    }

    [Fact]
    public async Task What_fails_on_the_way_leaves_no_check_that_would_refuse_rows()
    {
        await TensAsync();
        var careful = Client(o => o.SafeAttachBytes = 0);
        await Run("INSERT INTO events VALUES (5, 'x'), (1000, 'far'); ANALYZE events_default");
        await using var holder = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await holder.BeginTransactionAsync(Token);
        // The partition waits for the set; the checks, on the default one, do not.
        await using (var hold = new Npgsql.NpgsqlCommand("LOCK TABLE ONLY events IN SHARE UPDATE EXCLUSIVE MODE", holder, transaction))
            await hold.ExecuteNonQueryAsync(Token);

        var make = () => careful.CreatePartitionsAsync(Events, Ids(55), cancellationToken: Token);

        await make.Should().ThrowAsync<PartitionLockTimeoutException>();
        (await Ask<long>("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'omnipg%'")).Should().Be(0);
        await transaction.RollbackAsync(Token);
        await Run("INSERT INTO events VALUES (55, 'not refused')");
    }

    [Fact]
    public async Task A_branch_makes_its_own_partitions_and_none_outside_of_its_bounds()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL, note text) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(Events, new PartitionSetOptions { Control = "id", IdInterval = 100, Premake = 1, SubPartitions = new PartitionSetOptions { Control = "id", IdInterval = 10, Premake = 1 } }, Token);
        var branch = QualifiedName.Parse("public.events_p100");

        var above = await Partman.CreatePartitionsAsync(Events, Ids(505), cancellationToken: Token);
        var below = await Partman.CreatePartitionsAsync(branch, Ids(185), cancellationToken: Token);
        var outside = () => Partman.CreatePartitionsAsync(branch, Ids(205), cancellationToken: Token);

        above.Single().Partition.Name.Value.Should().Be("events_p500");
        (await NamesAsync("events_p500")).Should().Contain("events_p500_p500");
        below.Single().Partition.Name.Value.Should().Be("events_p100_p180");
        (await outside.Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which.Message.Should().Contain("It takes '100' up to '200' itself, and '205' is none of that.");
    }

    [Fact]
    public async Task What_is_no_value_of_the_set_and_what_is_too_many_is_refused_before_anything_is_made()
    {
        await TensAsync();
        var before = await NamesAsync();

        var moment = () => Partman.CreatePartitionsAsync(Events, [PartitionBound.Of(5), PartitionBound.Of(DateTimeOffset.UnixEpoch)], cancellationToken: Token);
        var end = () => Partman.CreatePartitionsAsync(Events, [PartitionBound.MaxValue], cancellationToken: Token);
        var many = () => Client(o => o.MaxPartitionsPerRun = 2).CreatePartitionsAsync(Events, Ids(55, 65, 75), cancellationToken: Token);
        var missing = () => Partman.CreatePartitionsAsync(QualifiedName.Parse("public.nothing"), Ids(1), cancellationToken: Token);

        await moment.Should().ThrowAsync<ArgumentException>();
        await end.Should().ThrowAsync<ArgumentException>();
        (await many.Should().ThrowAsync<ArgumentException>()).Which.Message.Should().Contain("These are 3 new partitions, and one call makes 2");
        await missing.Should().ThrowAsync<PartitionSetNotFoundException>();
        (await NamesAsync()).Should().Equal(before);
    }

    [Fact]
    public async Task Ranges_that_retention_would_take_at_once_are_passed_over_and_told()
    {
        await DailyTableAsync();
        var today = await Ask<DateTime>("SELECT date_trunc('day', now() AT TIME ZONE 'UTC')");
        var wish = Daily(o => (o.Start, o.Retention, o.Premake) = (new DateTimeOffset(today.AddDays(-10), TimeSpan.Zero), PgInterval.OfDays(3), 1));

        var plan = await Partman.PlanCreateAsync(Events, wish, Token);
        var made = await Partman.CreateAsync(Events, wish, Token);

        var text = $"Of 'public.events' 7 ranges before '{PartitionBound.Of(new DateTimeOffset(today.AddDays(-3), TimeSpan.Zero))}' are not made: older than '3 days', the next maintenance would take them. Their rows go to the default partition.";
        made.Skipped.Should().Equal(new PartitionSkipped(SkipReason.Expired, text));
        made.Partitions[0].Name.Name.Value.Should().Be($"events_p{today.AddDays(-3):yyyyMMdd}");
        plan.Steps[0].Reason.Should().EndWith(text);
        (await MaintainAsync()).Changes.Should().BeEmpty();
    }
}
