using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Repartitioning;

/// <summary>A set gets another interval: what is ahead is made anew, and what has begun is merged and split without a row being lost.</summary>
public sealed class RepartitionTests(PgClusterFixture fixture) : RepartitionTest(fixture)
{
    [Fact]
    public async Task Partitions_ahead_are_made_anew_and_those_that_have_begun_stay()
    {
        await CreateAsync("id bigint NOT NULL, note text");

        var plan = await Partman.PlanRepartitionAsync(Events, Ids(100), Token);
        var before = await NamesAsync();
        var result = await Partman.RepartitionAsync(Events, Ids(100), cancellationToken: Token);
        await Run("INSERT INTO events VALUES (99, 'far')");
        var maintained = await MaintainAsync();
        var again = await Partman.RepartitionAsync(Events, Ids(100), cancellationToken: Token);

        plan.Steps.Select(s => s.Kind).Should().Equal("change-interval", "exchange-partitions");
        before.Should().Equal("events_default", "events_p0", "events_p10", "events_p20", "events_p30", "events_p40", "events_p50", "events_p60");
        result.Set.IdInterval.Should().Be(100);
        result.Groups.Should().BeEquivalentTo([new RepartitionedGroup([Part(30), Part(40), Part(50), Part(60)], [Part(30)], 0)]);
        maintained.Error.Should().BeNull();
        (await BoundsAsync()).Should().Equal("events_default DEFAULT", "events_p0 FROM ('0') TO ('10')", "events_p10 FROM ('10') TO ('20')", "events_p100 FROM ('100') TO ('200')", "events_p20 FROM ('20') TO ('30')",
            "events_p200 FROM ('200') TO ('300')", "events_p30 FROM ('30') TO ('100')", "events_p300 FROM ('300') TO ('400')", "events_p400 FROM ('400') TO ('500')");
        again.Groups.Should().BeEmpty();
    }

    [Fact]
    public async Task Partitions_with_rows_are_merged_and_split_and_no_row_changes()
    {
        await CreateAsync();
        var before = await Ask<string>(Content);
        var told = new List<ConversionStep>();

        var merged = await Partman.RepartitionAsync(Events, Ids(30, rewrite: true), new Steps(p => told.Add(p.Step)), Token);
        var (bounds, middle) = (await BoundsAsync(), await Ask<string>(Content));
        var split = await Partman.RepartitionAsync(Events, Ids(10, rewrite: true), cancellationToken: Token);

        merged.Groups.Select(g => (g.Former.Count, g.Partitions.Count, g.Rows)).Should().Equal((3, 1, 25), (3, 1, 0), (1, 1, 0));
        bounds.Should().Equal("events_default DEFAULT", "events_p0 FROM ('0') TO ('30')", "events_p30 FROM ('30') TO ('60')", "events_p60 FROM ('60') TO ('90')");
        told.Distinct().Should().BeEquivalentTo([ConversionStep.Copy, ConversionStep.Verify, ConversionStep.Swap]);
        middle.Should().Be(before);
        split.Groups.Select(g => (g.Former.Count, g.Partitions.Count, g.Rows)).Should().Equal((1, 3, 25), (1, 3, 0), (1, 3, 0));
        (await NamesAsync()).Should().Equal("events_default", "events_p0", "events_p10", "events_p20", "events_p30", "events_p40", "events_p50", "events_p60", "events_p70", "events_p80");
        (await Ask<string>(Content)).Should().Be(before);
        (await Ask<long>(Left)).Should().Be(0);
        (await Ask<long>("SELECT count(*) FROM pg_trigger WHERE tgname ~ 'omnipg'")).Should().Be(0);
        (await Ask<long>("SELECT count(*) FROM pg_constraint WHERE conname ~ 'omnipg'")).Should().Be(0);
        (await Ask<long>("SELECT count(*) FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indrelid WHERE h.inhparent = 'events'::regclass AND i.indisprimary AND i.indisvalid")).Should().Be(10);
        (await Partman.CheckAsync(Token)).Findings.Should().BeEmpty();
    }

    [Fact]
    public async Task Days_become_months_of_the_zone_of_the_set()
    {
        await Run("CREATE TABLE events (id bigint, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)");
        await Partman.CreateAsync(Events, Daily(o => (o.TimeZone, o.Start, o.Basis) = ("Europe/Madrid", new DateTimeOffset(2026, 3, 20, 0, 0, 0, TimeSpan.Zero), PremakeBasis.NewestRow)), Token);
        await Run("INSERT INTO events SELECT n, '2026-03-20 12:00Z'::timestamptz + n * interval '1 day' FROM generate_series(0, 20) n");

        var result = await Partman.RepartitionAsync(Events, new RepartitionOptions { Interval = PgInterval.OfMonths(1), Rewrite = true }, cancellationToken: Token);

        var bounds = await BoundsAsync();
        bounds.Should().StartWith("events_default DEFAULT", "events_p20260320 FROM ('2026-03-19 23:00:00+00') TO ('2026-03-31 22:00:00+00')", "events_p20260401 FROM ('2026-03-31 22:00:00+00') TO ('2026-04-30 22:00:00+00')");
        result.Groups.Sum(g => g.Rows).Should().Be(21);
        (await Ask<string[]>("SELECT array_agg(t ORDER BY t) FROM (SELECT DISTINCT tableoid::regclass::text AS t FROM events) e")).Should().Equal("events_p20260320", "events_p20260401");
        (await Partman.ListPartitionsAsync(Events, Token)).Where(p => !p.IsDefault && p.Fate == PartitionFate.Keep).Zip((await Partman.ListPartitionsAsync(Events, Token)).Where(p => !p.IsDefault && p.Fate == PartitionFate.Keep).Skip(1))
            .Should().OnlyContain(p => p.First.Upper == p.Second.Lower);
        (await MaintainAsync()).Error.Should().BeNull();
    }

    [Fact]
    public async Task What_a_partition_takes_from_its_set_and_template_is_there_behind_it()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL, note text, twice bigint GENERATED ALWAYS AS (id * 2) STORED, CHECK (id < 1000000), PRIMARY KEY (id)) PARTITION BY RANGE (id); CREATE INDEX ON events (note); "
            + "CREATE TABLE form (LIKE events) WITH (fillfactor = 70); CREATE UNIQUE INDEX ON form (note, id); CREATE ROLE repartition_reader; GRANT SELECT ON events TO repartition_reader; ALTER TABLE events REPLICA IDENTITY FULL");
        try
        {
            await Partman.CreateAsync(Events, Tens(o => (o.Template, o.InheritPrivileges) = (QualifiedName.Parse("public.form"), true)), Token);
            await Run("INSERT INTO events (id, note) SELECT n, 'n' || n FROM generate_series(1, 15) n");
            var before = await Ask<string>(Content);

            await Partman.RepartitionAsync(Events, Ids(20, rewrite: true), cancellationToken: Token);

            (await Ask<string>(Content)).Should().Be(before);
            (await Ask<string>("SELECT concat_ws(' ', array_to_string(c.reloptions, ','), c.relreplident, (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid), has_table_privilege('repartition_reader', c.oid, 'SELECT')) FROM pg_class c WHERE c.oid = 'events_p0'::regclass"))
                .Should().Be("fillfactor=70 f 3 t");
        }
        finally
        {
            await Run("DROP OWNED BY repartition_reader; DROP ROLE repartition_reader");
        }
    }

    [Fact]
    public async Task Former_partitions_stay_as_tables_where_that_is_wished()
    {
        await CreateAsync(rows: 15);

        await Partman.RepartitionAsync(Events, new RepartitionOptions { IdInterval = 20, Rewrite = true, KeepTables = true }, cancellationToken: Token);

        (await Ask<long[]>("SELECT ARRAY[(SELECT count(*) FROM events), (SELECT count(*) FROM events_p0_omnipg_old), (SELECT count(*) FROM events_p10_omnipg_old)]")).Should().Equal(15, 9, 6);
        (await Ask<long>("SELECT count(*) FROM pg_trigger WHERE tgname ~ 'omnipg'")).Should().Be(0);
    }

    [Fact]
    public async Task A_run_that_ends_at_any_step_leaves_every_row_and_nothing_else()
    {
        await CreateAsync();
        var before = await Ask<string>(Content);

        foreach (var step in new[] { ConversionStep.Copy, ConversionStep.Verify, ConversionStep.Swap })
        {
            var act = () => Partman.RepartitionAsync(Events, Ids(30, rewrite: true), new Steps(p =>
            {
                if (p.Step == step)
                    throw new TimeoutException();
            }), Token);

            await act.Should().ThrowAsync<TimeoutException>();
            (await Ask<string>(Content)).Should().Be(before);
            (await Ask<long>(Left)).Should().Be(0);
            (await Ask<long>("SELECT count(*) FROM pg_trigger WHERE tgname ~ 'omnipg'")).Should().Be(0);
        }
        var done = await Partman.RepartitionAsync(Events, Ids(30, rewrite: true), cancellationToken: Token);

        done.Groups.Should().HaveCount(3);
        (await Ask<string>(Content)).Should().Be(before);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_a_run_left_that_could_not_clear_up_is_told_and_goes(bool abort)
    {
        await CreateAsync();
        var before = await Ask<string>(Content);
        await LeaveAsync();
        var check = await Partman.CheckAsync(Token);
        await Run("INSERT INTO events VALUES (29, 'noted')");
        var forget = () => Partman.ForgetAsync(Events, Token);
        (await forget.Should().ThrowAsync<PartitionSetConfigurationException>()).Which.Hint.Should().Be("Abort the repartitioning first.");

        var gone = abort && await Partman.AbortRepartitionAsync(Events, Token);
        if (!abort)
            await Partman.RepartitionAsync(Events, Ids(30, rewrite: true), cancellationToken: Token);

        check.Findings.Should().ContainSingle(f => f.Kind == FindingKind.Repartition);
        gone.Should().Be(abort);
        (await Ask<string>("SELECT count(*) || ' ' || md5(string_agg(e::text, E'\\n' ORDER BY id)) FROM events e WHERE note <> 'noted'")).Should().Be(before);
        (await Ask<long>("SELECT count(*) FROM events")).Should().Be(26);
        (await Ask<long>(Left)).Should().Be(0);
        (await Ask<long>("SELECT count(*) FROM pg_trigger WHERE tgname ~ 'omnipg'")).Should().Be(0);
        (await NamesAsync()).Should().HaveCount(abort ? 8 : 4);
        (await Partman.AbortRepartitionAsync(Events, Token)).Should().BeFalse();
    }

    [Fact]
    public async Task A_row_that_comes_into_an_empty_partition_at_the_last_moment_keeps_it()
    {
        await CreateAsync();
        var patient = Client(o => o.LockTimeout = TimeSpan.FromSeconds(30));
        await using var writer = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await writer.BeginTransactionAsync(Token);
        await using (var insert = new NpgsqlCommand("INSERT INTO events VALUES (45, 'last')", writer, transaction))
            await insert.ExecuteNonQueryAsync(Token);

        var running = patient.RepartitionAsync(Events, Ids(100), cancellationToken: Token);
        await Eventually.TrueAsync(async () => await Ask<long>("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'events'::regclass") > 0, "the wait for the lock", cancellationToken: Token);
        await transaction.CommitAsync(Token);
        var act = () => running;

        await act.Should().ThrowAsync<StalePlanException>().WithMessage("*'public.events_p40' holds rows by now*");
        (await Ask<string>("SELECT tableoid::regclass::text FROM events WHERE id = 45")).Should().Be("events_p40");
    }

    [Fact]
    public async Task Triggers_that_were_off_for_a_while_end_it()
    {
        await CreateAsync();
        var before = await Ask<string>(Content);

        var act = () => Partman.RepartitionAsync(Events, Ids(30, rewrite: true), new Steps(p =>
        {
            if (p.Step == ConversionStep.Swap)
                Sync("ALTER TABLE events_p0 DISABLE TRIGGER USER", "ALTER TABLE events_p0 ENABLE TRIGGER USER");
        }), Token);

        await act.Should().ThrowAsync<PartmanException>().Where(e => e is ConversionVerificationException || e is StalePlanException);
        (await Ask<string>(Content)).Should().Be(before);
        (await Ask<long>(Left)).Should().Be(0);
    }

    [Theory]
    [InlineData("ALTER TABLE events ADD COLUMN more text")]
    [InlineData("ALTER TABLE events DETACH PARTITION events_p10")]
    [InlineData("ALTER TABLE events_p10 RENAME TO other")]
    [InlineData("GRANT SELECT ON events_p10 TO PUBLIC")]
    [InlineData("COMMENT ON TABLE events_p0 IS 'late'")]
    [InlineData("CREATE INDEX late ON events_p0 (note)")]
    [InlineData("ALTER TABLE events_p20 ENABLE ROW LEVEL SECURITY")]
    public async Task What_somebody_changes_meanwhile_ends_it_and_every_row_stays(string change)
    {
        await CreateAsync();

        var act = () => Partman.RepartitionAsync(Events, Ids(30, rewrite: true), new Steps(p =>
        {
            if (p.Step == ConversionStep.Swap)
                Sync(change);
        }), Token);

        await act.Should().ThrowAsync<StalePlanException>();
        var apart = change.Contains("DETACH", StringComparison.Ordinal) ? await Ask<long>("SELECT count(*) FROM events_p10") : 0;
        (await Ask<long>("SELECT count(*) FROM events")).Should().Be(25 - apart);
        (await Ask<long>(Left)).Should().Be(0);
        (await Ask<long>("SELECT count(*) FROM pg_trigger WHERE tgname ~ 'omnipg'")).Should().Be(0);
    }

    [Fact]
    public async Task Rows_in_the_default_partition_keep_the_last_range_where_it_ends()
    {
        await CreateAsync();
        await Run("INSERT INTO events VALUES (85, 'beyond')");

        var result = await Partman.RepartitionAsync(Events, Ids(100), cancellationToken: Token);

        result.Groups.Single().Partitions.Should().Equal(Part(30));
        (await BoundsAsync()).Should().Contain("events_p30 FROM ('30') TO ('70')");
        (await Ask<string>("SELECT tableoid::regclass::text FROM events WHERE id = 85")).Should().Be("events_default");
    }

    [Fact]
    public async Task A_large_default_partition_is_proven_empty_beside_readers_and_writers()
    {
        await CreateAsync(rows: 15);
        var careful = Client(o => o.SafeAttachBytes = 0);

        var plan = await careful.PlanRepartitionAsync(Events, Ids(20, rewrite: true), Token);
        await careful.RepartitionAsync(Events, Ids(20, rewrite: true), cancellationToken: Token);

        plan.Steps.Select(s => s.Kind).Should().StartWith(["change-interval", "log-keys", "reserve-ranges", "prove-empty", "copy-rows", "swap-partitions"]);
        (await Ask<long>("SELECT count(*) FROM events")).Should().Be(15);
        (await Ask<long>("SELECT count(*) FROM pg_constraint WHERE conrelid = 'events_default'::regclass AND contype = 'c'")).Should().Be(0);
    }

    [Fact]
    public async Task Checks_of_a_run_that_ended_behind_the_proof_go_with_it()
    {
        await CreateAsync(rows: 15);
        var careful = Client(o => o.SafeAttachBytes = 0);
        var act = () => careful.RepartitionAsync(Events, Ids(20, rewrite: true), new Steps(p =>
        {
            if (p.Step == ConversionStep.Swap)
                throw new TimeoutException();
        }), Token);

        await act.Should().ThrowAsync<TimeoutException>();
        var left = await Ask<long>("SELECT count(*) FROM pg_constraint WHERE conrelid = 'events_default'::regclass AND contype = 'c'");
        var again = await careful.RepartitionAsync(Events, Ids(20, rewrite: true), cancellationToken: Token);

        left.Should().Be(0);
        again.Groups.Should().NotBeEmpty();
        (await Ask<long>("SELECT count(*) FROM events")).Should().Be(15);
        (await Partman.CheckAsync(Token)).Findings.Should().NotContain(f => f.Kind == FindingKind.AttachCheck);
    }

    [Theory]
    [InlineData("CREATE TABLE other (id bigint REFERENCES events)", 30, true, "A foreign key of 'public.other' refers to it")]
    [InlineData("ALTER TABLE events DROP CONSTRAINT events_pkey", 30, true, "without a primary key")]
    [InlineData("CREATE TABLE word (w text PRIMARY KEY); ALTER TABLE events ADD COLUMN w text REFERENCES word", 30, true, "which its foreign key 'events_w_fkey' would be checked for")]
    public async Task What_cannot_be_done_safely_is_refused_before_anything_changes(string sql, long interval, bool rewrite, string reason)
    {
        await CreateAsync();
        await Run(sql);

        var act = () => Partman.RepartitionAsync(Events, Ids(interval, rewrite), cancellationToken: Token);

        (await act.Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which.Message.Should().Contain(reason);
        (await Partman.FindAsync(Events, Token))!.IdInterval.Should().Be(10);
        (await NamesAsync()).Should().HaveCount(8);
        (await Ask<long>(Left)).Should().Be(0);
    }

    [Fact]
    public async Task An_interval_of_the_other_kind_and_a_name_that_is_taken_are_refused()
    {
        await CreateAsync();
        var wrong = () => Partman.RepartitionAsync(Events, new RepartitionOptions { Interval = PgInterval.OfDays(1) }, cancellationToken: Token);
        (await wrong.Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which.Message.Should().Contain("It is a set by id, and '1 day' is none of its intervals.");
        await Run("CREATE TABLE events_p15 (id bigint)");

        var taken = () => Partman.RepartitionAsync(Events, Ids(5, rewrite: true), cancellationToken: Token);

        await taken.Should().ThrowAsync<PartitionNameCollisionException>();
        (await Partman.FindAsync(Events, Token))!.IdInterval.Should().Be(10);
    }

    private static QualifiedName Part(int lower) => QualifiedName.Parse($"public.events_p{lower}");
}
