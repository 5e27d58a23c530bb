using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Maintaining;

/// <summary>Retention by number and by size: the oldest partitions go, and never the current one.</summary>
public sealed class LimitTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    [Fact]
    public async Task So_many_partitions_stay_and_those_ahead_are_not_counted()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(o => (o.RetentionCount, o.WhenExpired) = (2, ExpiredAction.Drop)), Token);
        await Run("INSERT INTO events SELECT generate_series(1, 35)");

        var plan = await Partman.PlanMaintenanceAsync(Only(Events), Token);
        var result = await MaintainAsync();
        var again = await MaintainAsync();

        plan.Sql.Steps.Where(s => s.Kind == "drop-partition").Select(s => s.Reason).Should().Equal(
            "'public.events_p0' ends at '10', which is before the 2 partitions that stay.", "'public.events_p10' ends at '20', which is before the 2 partitions that stay.");
        result.Error.Should().BeNull();
        result.Changes.Where(c => c.Fate == PartitionFate.Drop).Select(c => c.Partition.Name.Value).Should().Equal("events_p0", "events_p10");
        (await NamesAsync()).Should().Equal("events_default", "events_p20", "events_p30", "events_p40", "events_p50", "events_p60", "events_p70");
        (await Ask<long>("SELECT min(id) FROM events")).Should().Be(20);
        again.Changes.Should().BeEmpty();
    }

    [Fact]
    public async Task The_partition_of_the_newest_row_stays_whatever_the_limits()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(o => (o.RetentionCount, o.RetentionBytes, o.WhenExpired) = (1, 1, ExpiredAction.Drop)), Token);
        await Run("INSERT INTO events SELECT generate_series(1, 35)");

        var result = await MaintainAsync();

        result.Error.Should().BeNull();
        (await NamesAsync()).Should().Equal("events_default", "events_p30", "events_p40", "events_p50", "events_p60", "events_p70");
        (await Ask<long>("SELECT count(*) FROM events")).Should().Be(6);
    }

    [Fact]
    public async Task A_set_without_rows_loses_nothing()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(o => (o.RetentionCount, o.RetentionBytes, o.WhenExpired) = (1, 1, ExpiredAction.Drop)), Token);

        (await MaintainAsync()).Changes.Should().BeEmpty();
    }

    [Fact]
    public async Task A_set_that_goes_by_its_rows_keeps_them_when_none_came_for_long()
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, MonthlyByRows(PremakeBasis.NewestRow, 2), Token);
        await Run("INSERT INTO events (id, at) SELECT n, date_trunc('month', now()) - n * interval '1 month' + interval '1 day' FROM generate_series(5, 10) n");

        var result = await MaintainAsync();

        result.Error.Should().BeNull();
        result.Changes.Count(c => c.Fate == PartitionFate.Drop).Should().BeGreaterThanOrEqualTo(4);
        (await Ask<long[]>("SELECT array_agg(id ORDER BY id) FROM events")).Should().Equal(5, 6);
    }

    [Fact]
    public async Task A_row_ahead_of_the_clock_makes_no_partition_old()
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, MonthlyByRows(PremakeBasis.NewestRow, 1), Token);
        await Run("INSERT INTO events (id, at) VALUES (1, now()), (2, date_trunc('month', now()) + interval '2 months 1 day'), (3, now() - interval '3 months')");

        var result = await MaintainAsync();

        result.Error.Should().BeNull();
        (await Ask<long[]>("SELECT array_agg(id ORDER BY id) FROM events")).Should().Equal(1, 2);
    }

    [Fact]
    public async Task The_oldest_partitions_go_until_the_rest_is_small_enough()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL, note text) PARTITION BY RANGE (id); CREATE INDEX ON events (note)");
        var options = new PartitionSetOptions { Control = "id", IdInterval = 1000, Premake = 1, RetentionBytes = long.MaxValue, WhenExpired = ExpiredAction.Drop };
        await Partman.CreateAsync(Events, options, Token);
        await MaintainAsync();
        for (var from = 1; from < 4000; from += 1000)
        {
            await Run($"INSERT INTO events SELECT n, repeat(md5(n::text), 8) FROM generate_series({from}, {from + 998}) n");
            await MaintainAsync();
        }
        var whole = await SizeAsync("true");
        var fits = await SizeAsync("c.relname <> 'events_p0'");

        var kept = await LimitedAsync(fits + 1);
        var first = await LimitedAsync(fits);
        var second = await LimitedAsync(fits - 1);
        var all = await LimitedAsync(1);

        whole.Should().BeGreaterThan(fits);
        kept.Should().Equal("events_p0");
        first.Should().BeEmpty();
        second.Should().Equal("events_p1000");
        all.Should().Equal("events_p2000");
        (await NamesAsync()).Should().Equal("events_default", "events_p3000", "events_p4000");
        (await Ask<long>("SELECT count(*) FROM events")).Should().Be(999);

        Task<long> SizeAsync(string which) => Ask<long>(
            $"SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'events'::regclass AND c.relname <> 'events_default' AND {which}");

        async Task<string[]> LimitedAsync(long bytes)
        {
            options.RetentionBytes = bytes;
            await Partman.ApplySetsAsync(new Dictionary<QualifiedName, PartitionSetOptions> { [Events] = options }, Token);
            var result = await MaintainAsync();
            result.Error.Should().BeNull();
            return [.. result.Changes.Where(c => c.Fate == PartitionFate.Drop).Select(c => c.Partition.Name.Value)];
        }
    }

    [Theory]
    [InlineData(null, 2)]
    [InlineData("40 days", null)]
    public async Task A_plan_that_retires_is_done_as_it_is(string? age, int? count)
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(o => (o.Retention, o.RetentionCount, o.WhenExpired) = (age is null ? (PgInterval?)null : PgInterval.Parse(age), count, ExpiredAction.Drop)), Token);
        await Run("CREATE TABLE gone PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')");

        var plan = await Partman.PlanMaintenanceAsync(Only(Events), Token);
        var result = await Partman.ApplyAsync(plan, cancellationToken: Token);

        result.Sets.Single().Error.Should().BeNull();
        result.Sets.Single().Changes.Should().Equal(plan.Sets.Single().Changes).And.Contain(c => c.Partition.Name.Value == "gone" && c.Fate == PartitionFate.Drop);
    }

    [Fact]
    public async Task What_is_too_many_is_archived_before_it_is_dropped()
    {
        var store = new MemoryObjectStore();
        var client = new PartmanClient(Database.DataSource, archive: store);
        await IdTableAsync();
        await client.CreateAsync(Events, Tens(o => (o.RetentionCount, o.WhenExpired) = (1, ExpiredAction.Archive)), Token);
        await Run("INSERT INTO events SELECT generate_series(1, 15)");

        var without = await MaintainAsync();
        var result = await MaintainAsync(client: client);
        var back = await client.RestoreAsync("public.events_p0.manifest.json", cancellationToken: Token);

        without.Error.Should().BeOfType<PartmanArchiveException>();
        result.Changes.Where(c => c.Fate == PartitionFate.Archive).Select(c => c.Partition.Name.Value).Should().Equal("events_p0");
        back.Rows.Should().Be(9);
    }

    [Fact]
    public async Task A_jump_of_the_clock_stops_retention_by_number_as_well()
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(o => (o.RetentionCount, o.WhenExpired) = (3, ExpiredAction.Drop)), Token);
        await Run("CREATE TABLE gone PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-01-02'); UPDATE omnipg_partman.part_config SET maintenance_last_run = now() - interval '11 days'");

        var stopped = await MaintainAsync();
        var check = await Partman.CheckAsync(Token);
        var confirmed = await MaintainAsync(o => o.AcceptClockJump = true);

        stopped.Error.Should().BeOfType<ClockJumpException>();
        stopped.Changes.Should().BeEmpty();
        check.Findings.Where(f => f.Kind == FindingKind.Expired).Select(f => f.Text.Split(' ')[0]).Should().HaveCount(3).And.StartWith("'public.gone'");
        confirmed.Changes.Select(c => c.Fate).Should().Equal(PartitionFate.Drop, PartitionFate.Drop, PartitionFate.Drop);
        confirmed.Changes[0].Partition.Name.Value.Should().Be("gone");
    }

    [Theory]
    [InlineData("retention_count", "many")]
    [InlineData("retention_bytes", "0")]
    [InlineData("retention_bytes", "-1")]
    public async Task A_limit_that_is_none_is_told_and_nothing_retires(string key, string value)
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(o => (o.RetentionCount, o.RetentionBytes, o.WhenExpired) = (1, 1, ExpiredAction.Drop)), Token);
        await Run($"INSERT INTO events SELECT generate_series(1, 35); UPDATE omnipg_partman.part_option SET value = to_jsonb('{value}'::text) WHERE key = '{key}'");

        var result = await MaintainAsync();

        result.Changes.Should().BeEmpty();
        result.Error.Should().BeOfType<PartitionSetConfigurationException>().Which.Message.Should().Be(
            $"The configuration of 'public.events' says '{value}' in option '{key}', where a whole positive number belongs. Hint: Correct the row in part_option.");
    }

    private static PartitionSetOptions MonthlyByRows(PremakeBasis basis, int count) => new()
    {
        Control = "at", Interval = PgInterval.OfMonths(1), Basis = basis, Start = DateTimeOffset.UtcNow.AddMonths(-11), RetentionCount = count, WhenExpired = ExpiredAction.Drop,
    };
}
