using OmniPg.Partman.Tests.Archiving;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Creating;

public sealed class SubPartitionTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private static readonly PgInterval Month = PgInterval.OfMonths(1);

    private Task TableAsync(string by = "id") => Run($"CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, note text) PARTITION BY RANGE ({by})");

    private Task<DateTime> TodayAsync() => Ask<DateTime>("SELECT date_trunc('day', now() AT TIME ZONE 'UTC')");

    private Task<string[]> ConfiguredAsync() => Ask<string[]>("SELECT array_agg(DISTINCT t ORDER BY t) FROM (SELECT parent_table FROM omnipg_partman.part_config UNION ALL SELECT parent_table FROM omnipg_partman.part_option) AS x (t)");

    private static PartitionSetOptions ById(Action<PartitionSetOptions> below, Action<PartitionSetOptions>? configure = null)
    {
        var options = Tens(o => (o.Premake, o.SubPartitions) = (1, new PartitionSetOptions { Premake = 1 }));
        below(options.SubPartitions!);
        configure?.Invoke(options);
        return options;
    }

    private static PartitionSetOptions Monthly(Action<PartitionSetOptions>? below = null, Action<PartitionSetOptions>? configure = null)
    {
        var options = new PartitionSetOptions { Control = "at", Interval = Month, Premake = 1, SubPartitions = Daily(o => o.Premake = 1) };
        below?.Invoke(options.SubPartitions);
        configure?.Invoke(options);
        return options;
    }

    [Fact]
    public async Task A_set_by_id_is_made_of_sets_by_time_and_so_are_the_partitions_that_come()
    {
        await TableAsync();
        var wish = ById(o => (o.Control, o.Interval) = ("at", PgInterval.OfDays(1)));
        await Partman.CreateAsync(Events, wish, Token);
        var today = await TodayAsync();
        string[] days = ["default", $"p{today.AddDays(-1):yyyyMMdd}", $"p{today:yyyyMMdd}", $"p{today.AddDays(1):yyyyMMdd}"];
        await Run("INSERT INTO events SELECT i, now(), 'x' FROM generate_series(0, 19) i; INSERT INTO events VALUES (5, '2001-01-01', 'x')");

        var second = await Partman.MaintainAsync(cancellationToken: Token);
        var again = await Partman.MaintainAsync(cancellationToken: Token);

        (await NamesAsync()).Should().Equal("events_default", "events_p0", "events_p10", "events_p20");
        (await NamesAsync("events_p0")).Should().Equal(days.Select(d => "events_p0_" + d));
        (await Ask<long>($"SELECT count(*) FROM events_p0_p{today:yyyyMMdd}")).Should().Be(10);
        (await Ask<long>("SELECT count(*) FROM events_p0_default")).Should().Be(1);
        second.Sets.Should().OnlyContain(s => s.Error == null);
        second.Sets.SelectMany(s => s.Changes).Select(c => c.Partition.Name.Value).Should().Equal("events_p20");
        (await NamesAsync("events_p20")).Should().Equal(days.Select(d => "events_p20_" + d));
        again.Sets.SelectMany(s => s.Changes).Should().BeEmpty();
        again.Sets.Select(s => s.Table).Should().Equal("public.events", "public.events_p0", "public.events_p10", "public.events_p20");
        (await Partman.FindAsync(QualifiedName.Parse("public.events_p20"), Token)).Should().Match<PartitionSet>(s => s.Control == "at" && s.Interval == PgInterval.OfDays(1) && s.Premake == 1 && s.SubPartitions == null);
        (await Partman.ListPartitionsAsync(Events, Token)).Where(p => !p.IsDefault).Should().OnlyContain(p => p.IsPartitioned && p.TotalBytes > 0);
        (await Partman.PlanSetsAsync(new Dictionary<QualifiedName, PartitionSetOptions> { [Events] = wish }, Token)).IsEmpty.Should().BeTrue();
    }

    [Fact]
    public async Task Days_stay_inside_their_month_and_a_month_that_is_full_needs_no_more()
    {
        await TableAsync("at");
        var now = await Ask<DateTime>("SELECT date_trunc('month', now() AT TIME ZONE 'Europe/Madrid')");

        await Partman.CreateAsync(Events, Monthly(null, o => (o.TimeZone, o.Start) = ("Europe/Madrid", new DateTimeOffset(now.AddMonths(-1).AddDays(14), TimeSpan.Zero))), Token);
        var result = await Partman.MaintainAsync(cancellationToken: Token);
        var check = await Partman.CheckAsync(Token);

        var (past, future) = ($"events_p{now.AddMonths(-1):yyyyMMdd}", $"events_p{now.AddMonths(1):yyyyMMdd}");
        (await NamesAsync()).Should().Equal("events_default", past, $"events_p{now:yyyyMMdd}", future);
        (await NamesAsync(past)).Should().Equal(Enumerable.Range(0, DateTime.DaysInMonth(now.AddMonths(-1).Year, now.AddMonths(-1).Month)).Select(n => $"{past}_p{now.AddMonths(-1).AddDays(n):yyyyMMdd}").Prepend($"{past}_default"));
        (await NamesAsync(future)).Should().Equal($"{future}_default", $"{future}_p{now.AddMonths(1):yyyyMMdd}");
        result.Sets.Should().OnlyContain(s => s.Error == null && s.Changes.Count == 0);
        check.Findings.Should().BeEmpty();
        // Every range of a month lies in it, and the last day ends with it.
        (await Ask<bool>($"SELECT pg_get_expr(c.relpartbound, c.oid) LIKE '%TO (' || quote_literal(date_trunc('month', now() AT TIME ZONE 'Europe/Madrid') AT TIME ZONE 'Europe/Madrid') || ')' FROM pg_class c WHERE c.relname = '{past}_p{now.AddDays(-1):yyyyMMdd}'")).Should().BeTrue();
    }

    [Fact]
    public async Task Partitions_retire_on_both_levels_and_a_branch_takes_its_configuration_along()
    {
        await TableAsync("at");
        var now = await Ask<DateTime>("SELECT date_trunc('month', now() AT TIME ZONE 'UTC')");
        var today = await TodayAsync();
        await Partman.CreateAsync(Events, Monthly(o => o.Interval = PgInterval.OfDays(5)), Token);
        await Run($"INSERT INTO events SELECT 1, d FROM generate_series('{now.AddMonths(-4):yyyy-MM-dd}'::timestamptz, now(), '1 day') d");
        await Partman.DrainDefaultAsync(Events, cancellationToken: Token);
        // The branches came by a drain, and are sets as well.
        var branches = (await ConfiguredAsync()).Length;
        await Run("UPDATE omnipg_partman.part_config SET retention_keep_table = false, retention = CASE parent_table WHEN 'public.events' THEN '70 days' ELSE '3 days' END");

        var result = await Partman.MaintainAsync(cancellationToken: Token);
        var again = await Partman.MaintainAsync(cancellationToken: Token);

        result.Sets.Should().OnlyContain(s => s.Error == null);
        again.Sets.SelectMany(s => s.Changes).Should().BeEmpty();
        var oldest = today.AddDays(-70);
        var left = Enumerable.Range(-4, 6).Select(n => now.AddMonths(n)).Where(m => m.AddMonths(1) > oldest).Select(m => $"events_p{m:yyyyMMdd}").ToArray();
        (await NamesAsync()).Should().Equal([.. left.Prepend("events_default")]);
        (await ConfiguredAsync()).Should().Equal([.. left.Select(t => "public." + t).Prepend("public.events")]);
        branches.Should().BeGreaterThan(left.Length + 1);
        // The last partition of a set stays, whatever its age.
        (await NamesAsync(left[0])).Where(n => !n.EndsWith("default", StringComparison.Ordinal)).Should().ContainSingle();
        (await Ask<long>("SELECT count(*) FROM pg_class WHERE relname LIKE 'events%' AND relkind IN ('r', 'p') AND NOT relispartition")).Should().Be(1);
    }

    [Fact]
    public async Task A_branch_that_moves_takes_all_its_partitions_along()
    {
        await TableAsync("at");
        await Partman.CreateAsync(Events, Monthly(), Token);
        await Run("CREATE SCHEMA attic; INSERT INTO events SELECT 1, now() - interval '4 months'");
        await Partman.DrainDefaultAsync(Events, cancellationToken: Token);
        await Run("UPDATE omnipg_partman.part_config SET retention = '70 days', retention_schema = 'attic' WHERE parent_table = 'public.events'");

        var result = await MaintainAsync();

        result.Error.Should().BeNull();
        result.Changes.Should().ContainSingle().Which.Fate.Should().Be(PartitionFate.Move);
        var moved = result.Changes[0].Partition.Name.Value;
        (await Ask<string[]>("SELECT array_agg(DISTINCT n.nspname || ' ' || (c.relname LIKE '" + moved + "%')) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname LIKE '" + moved + "%' AND c.relkind IN ('r', 'p')")).Should().Equal("attic true");
        (await Ask<long>($"SELECT count(*) FROM attic.{moved}")).Should().Be(1);
    }

    [Fact]
    public async Task A_branch_stays_while_a_partition_of_it_waits_for_its_archive()
    {
        await TableAsync("at");
        var store = new TroubledStore(new MemoryObjectStore());
        var client = new PartmanClient(Database.DataSource, new PartmanOptions { LockTimeout = TimeSpan.FromMilliseconds(200), LockAttempts = 3 }, archive: store);
        await client.CreateAsync(Events, Monthly(), Token);
        await Run("INSERT INTO events SELECT n, date_trunc('month', now()) - interval '4 months' + n * interval '1 day' FROM generate_series(0, 3) n");
        await client.DrainDefaultAsync(Events, cancellationToken: Token);
        var branch = (await NamesAsync())[1];
        await Run($"UPDATE omnipg_partman.part_config SET retention = '100 days' WHERE parent_table = 'public.{branch}'; INSERT INTO omnipg_partman.part_option SELECT 'public.{branch}', 'archive', to_jsonb('memory:default'::text)");
        store.Before = (_, _) => throw new IOException("unreachable");
        (await client.MaintainAsync(Only(QualifiedName.Parse("public." + branch)), cancellationToken: Token)).Sets.Single().Error.Should().BeOfType<PartmanArchiveException>();
        await Run("UPDATE omnipg_partman.part_config SET retention = '70 days', retention_keep_table = false WHERE parent_table = 'public.events'");

        var waiting = await MaintainAsync(client: client);
        var names = await NamesAsync();
        store.Before = (_, _) => Task.CompletedTask;
        (await client.MaintainAsync(Only(QualifiedName.Parse("public." + branch)), cancellationToken: Token)).Sets.Single().Error.Should().BeNull();
        var gone = await MaintainAsync(client: client);

        waiting.Error.Should().BeNull();
        waiting.Changes.Should().BeEmpty();
        waiting.Skipped.Should().ContainSingle().Which.Should().Match<PartitionSkipped>(s => s.Reason == SkipReason.InProgress && s.Text.StartsWith($"'public.{branch}' is expired and stays until the retirement of 'public.{branch}_p"));
        names.Should().Contain(branch);
        gone.Changes.Select(c => (c.Partition.Name.Value, c.Fate)).Should().Equal((branch, PartitionFate.Drop));
        (await Ask<long>("SELECT count(*) FROM pg_class WHERE relname LIKE 'omnipg_archive_%'")).Should().Be(0);
    }

    [Fact]
    public async Task Three_levels_follow_those_beside_them_which_must_agree()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, note text, part int NOT NULL) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(Events, Tens(o => (o.IdInterval, o.Premake, o.SubPartitions) = (1000, 1, Tens(s => (s.IdInterval, s.Premake, s.DefaultPartition, s.SubPartitions) = (100, 1, false, new PartitionSetOptions { Control = "part", IdInterval = 1, Premake = 1 })))), Token);
        await Run("INSERT INTO events SELECT 10, now(), 'x', 0; INSERT INTO events SELECT 1010, now(), 'x', 1");

        var grown = await MaintainAsync();
        (await NamesAsync("events_p2000")).Should().Equal("events_p2000_p2000");
        (await NamesAsync("events_p2000_p2000")).Should().Equal("events_p2000_p2000_default", "events_p2000_p2000_p0", "events_p2000_p2000_p1", "events_p2000_p2000_p2");
        await Run("UPDATE omnipg_partman.part_config_sub SET sub_premake = 3, sub_retention = '5' WHERE sub_parent = 'public.events_p1000'; INSERT INTO events SELECT 2010, now(), 'x', 1");
        var mismatch = await MaintainAsync();
        var names = await NamesAsync();
        await Run("UPDATE omnipg_partman.part_config_sub SET sub_premake = 1, sub_retention = NULL WHERE sub_parent = 'public.events_p1000'");
        var mended = await MaintainAsync();

        grown.Changes.Select(c => c.Partition.Name.Value).Should().Equal("events_p2000");
        mismatch.Error.Should().BeOfType<SubPartitionConfigMismatchException>().Which.Columns.Should().BeEquivalentTo("sub_premake", "sub_retention");
        names.Should().Equal("events_default", "events_p0", "events_p1000", "events_p2000");
        mended.Error.Should().BeNull();
        mended.Changes.Select(c => c.Partition.Name.Value).Should().Equal("events_p3000");
    }

    [Theory]
    [InlineData("timestamp")]
    [InlineData("date")]
    public async Task Sets_below_by_readings_of_a_clock_begin_around_the_clock_of_the_zone(string type)
    {
        await Run($"CREATE TABLE events (id bigint NOT NULL, at {type} NOT NULL) PARTITION BY RANGE (id)");
        var today = await Ask<DateTime>("SELECT date_trunc('day', now() AT TIME ZONE 'Pacific/Kiritimati')");

        await Partman.CreateAsync(Events, ById(o => (o.Control, o.Interval) = ("at", PgInterval.OfDays(1)), o => o.TimeZone = "Pacific/Kiritimati"), Token);

        (await NamesAsync("events_p0")).Should().Equal("events_p0_default", $"events_p0_p{today.AddDays(-1):yyyyMMdd}", $"events_p0_p{today:yyyyMMdd}", $"events_p0_p{today.AddDays(1):yyyyMMdd}");
        (await Partman.MaintainAsync(cancellationToken: Token)).Sets.Should().OnlyContain(s => s.Error == null && s.Changes.Count == 0);
    }

    [Fact]
    public async Task Partitions_of_a_new_branch_follow_the_template_of_their_own_level()
    {
        await TableAsync();
        await Partman.CreateAsync(Events, ById(o => (o.Control, o.Interval) = ("at", Month)), Token);
        await Run("CREATE TABLE below (LIKE events); CREATE UNIQUE INDEX ON below (id, at); UPDATE omnipg_partman.part_config_sub SET sub_template_table = 'public.below'; INSERT INTO events VALUES (15, now())");

        var result = await MaintainAsync();

        result.Changes.Select(c => c.Partition.Name.Value).Should().Equal("events_p20");
        (await Ask<long>("SELECT count(*) FROM pg_index x JOIN pg_inherits i ON i.inhrelid = x.indrelid WHERE x.indisunique AND i.inhparent = 'events_p20'::regclass")).Should().Be(3);
    }

    [Fact]
    public async Task Branches_that_another_role_made_are_partitioned_alike()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, part int NOT NULL) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(Events, ById(s => (s.Control, s.Interval, s.SubPartitions) = ("at", Month, new PartitionSetOptions { Control = "part", IdInterval = 10, Premake = 1 })), Token);
        await Run("UPDATE omnipg_partman.part_config_sub SET sub_maintenance_role = 'somebody' WHERE sub_parent = 'public.events_p10'; INSERT INTO events VALUES (15, now(), 1)");

        var result = await MaintainAsync();

        result.Error.Should().BeNull();
        result.Changes.Select(c => c.Partition.Name.Value).Should().Equal("events_p20");
    }

    [Fact]
    public async Task A_partition_whose_rows_a_policy_hides_is_not_made_anew()
    {
        await Run($"""
            CREATE ROLE blind_owner LOGIN; GRANT CREATE, USAGE ON SCHEMA public TO blind_owner; GRANT CREATE ON DATABASE "{await Ask<string>("SELECT current_database()::text")}" TO blind_owner;
            CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL) PARTITION BY RANGE (id); ALTER TABLE events OWNER TO blind_owner
            """);
        await using var source = Npgsql.NpgsqlDataSource.Create(new Npgsql.NpgsqlConnectionStringBuilder(Database.ConnectionString) { Username = "blind_owner" }.ConnectionString);
        var (client, by) = (new PartmanClient(source), new PartitionSetOptions { Control = "at", Interval = Month, Premake = 1 });
        await client.CreateAsync(Events, Tens(o => o.Premake = 1), Token);
        await Run("INSERT INTO events VALUES (1, now()); ALTER TABLE events_p0 ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY");

        await client.Awaiting(c => c.SubPartitionAsync(Events, by, cancellationToken: Token)).Should().ThrowAsync<PartmanPrivilegeException>();

        (await Ask<long>("SELECT count(*) FROM events")).Should().Be(1);
    }

    [Fact]
    public async Task A_set_that_exists_is_partitioned_again_where_its_partitions_are_empty()
    {
        await TableAsync();
        await Partman.CreateAsync(Events, Tens(o => o.Premake = 1), Token);
        await Run("INSERT INTO events VALUES (1, now(), 'kept')");
        var by = new PartitionSetOptions { Control = "at", Interval = Month, Premake = 1 };

        var refused = (await Partman.Awaiting(p => p.SubPartitionAsync(Events, by, cancellationToken: Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which;
        var configured = await ConfiguredAsync();
        var plan = await Partman.PlanSubPartitionsAsync(Events, by, allowDataLoss: true, Token);
        await Run("DELETE FROM events");
        var set = await Partman.SubPartitionAsync(Events, by, cancellationToken: Token);
        var nothing = await Partman.PlanSubPartitionsAsync(Events, by, cancellationToken: Token);
        await Run("INSERT INTO events VALUES (1, now(), 'there'), (11, now(), 'there')");

        refused.Reasons.Should().ContainSingle().Which.Should().Match<InvalidDefinition>(r => r.Reason == InvalidDefinitionReason.HasRows && r.Text.Contains("events_p0"));
        configured.Should().Equal("public.events");
        plan.Steps.Select(s => (s.Kind, s.DestroysData)).Should().Equal(("sub-partition-set", false), ("recreate-partition", true), ("recreate-partition", true));
        set.SubPartitions.Should().Match<PartitionSet>(s => s.Control == "at" && s.Interval == Month);
        nothing.IsEmpty.Should().BeTrue();
        (await ConfiguredAsync()).Should().Equal("public.events", "public.events_p0", "public.events_p10");
        (await Ask<long>("SELECT count(*) FROM pg_partition_tree('events') WHERE isleaf")).Should().Be(9);
        (await Partman.MaintainAsync(cancellationToken: Token)).Sets.SelectMany(s => s.Changes).Select(c => c.Partition.Name.Value).Should().Equal("events_p20");
    }

    [Fact]
    public async Task Rows_that_come_since_the_plan_keep_their_partition_and_the_call_goes_on_without_them()
    {
        await TableAsync();
        await Partman.CreateAsync(Events, Tens(o => o.Premake = 1), Token);
        var by = new PartitionSetOptions { Control = "at", Interval = Month, Premake = 1 };
        var script = (await Partman.PlanSubPartitionsAsync(Events, by, cancellationToken: Token)).Steps.Select(s => s.Sql!).ToArray();
        await Run("INSERT INTO events VALUES (11, now(), 'late')");

        Sync(script[0], script[1]);
        var late = FluentActions.Invoking(() => Sync(script[2])).Should().Throw<Npgsql.PostgresException>().Which;
        await Run("DELETE FROM events");
        await Partman.SubPartitionAsync(Events, by, cancellationToken: Token);

        late.SqlState.Should().Be("OP001");
        (await ConfiguredAsync()).Should().Equal("public.events", "public.events_p0", "public.events_p10");
    }

    [Fact]
    public async Task Partitions_are_plain_tables_again_once_that_is_stopped()
    {
        await TableAsync();
        await Partman.CreateAsync(Events, ById(o => (o.Control, o.Interval) = ("at", Month)), Token);
        await Run("INSERT INTO events VALUES (15, now(), 'x')");

        var stopped = await Partman.StopSubPartitioningAsync(Events, Token);
        var again = await Partman.StopSubPartitioningAsync(Events, Token);
        await MaintainAsync();

        (stopped, again).Should().Be((true, false));
        (await Ask<string>("SELECT string_agg(c.relname::text || c.relkind::text, ' ' ORDER BY c.relname) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'events'::regclass")).Should().Be("events_defaultr events_p0p events_p10p events_p20r");
        (await Ask<long>("SELECT count(*) FROM omnipg_partman.part_config_sub")).Should().Be(0);
    }

    [Fact]
    public async Task What_a_section_of_a_configuration_declares_is_made_once()
    {
        await TableAsync("at");
        var declared = new Dictionary<QualifiedName, PartitionSetOptions>
        {
            [Events] = PartitionSetOptions.Parse(
                [new("control", "at"), new("interval", "1 month"), new("premake", "1"), new("SubPartitions", null), new("SubPartitions:Control", "id"), new("subPartitions:IdInterval", "100"), new("SubPartitions:Premake", "1")]),
        };

        var made = await Partman.ApplySetsAsync(declared, Token);
        var nothing = await Partman.PlanSetsAsync(declared, Token);
        declared[Events].SubPartitions!.Premake = 2;
        var other = (await Partman.Awaiting(p => p.PlanSetsAsync(declared, Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which;

        made.Should().ContainSingle().Which.Outcome.Should().Be(DeclaredFate.Created);
        nothing.IsEmpty.Should().BeTrue();
        other.Reasons.Should().ContainSingle().Which.Reason.Should().Be(InvalidDefinitionReason.Fixed);
        (await Ask<long>("SELECT count(*) FROM pg_partition_tree('events') WHERE isleaf")).Should().Be(10);
    }

    [Fact]
    public async Task Everything_that_is_wrong_below_is_told_at_once()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL, at timestamptz, PRIMARY KEY (id)) PARTITION BY RANGE (id); ALTER TABLE events REPLICA IDENTITY USING INDEX events_pkey");

        var failure = (await Partman.Awaiting(p => p.CreateAsync(Events, ById(o => (o.Control, o.Interval, o.WhenExpired, o.RetentionSchema) = ("at", Month, ExpiredAction.Move, "nowhere")), Token))
            .Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which;

        failure.Reasons.Select(r => r.Reason).Should().Equal(
            InvalidDefinitionReason.ControlNullable, InvalidDefinitionReason.Uniqueness, InvalidDefinitionReason.Unsupported, InvalidDefinitionReason.RetentionSchema);
        foreach (var contradiction in new[]
        {
            Monthly(o => o.Interval = PgInterval.OfMonths(2)), Monthly(o => o.Interval = PgInterval.OfDays(7)), Monthly(o => o.TimeZone = "UTC"), Monthly(o => o.Template = Events),
            Monthly(null, o => o.WhenExpired = ExpiredAction.Archive), Monthly(o => o.WhenExpired = ExpiredAction.Archive, o => o.WhenExpired = ExpiredAction.Drop), Tens(o => o.SubPartitions = Tens()),
        })
        {
            await Partman.Awaiting(p => p.CreateAsync(Events, contradiction, Token)).Should().ThrowAsync<Microsoft.Extensions.Options.OptionsValidationException>();
        }
    }

    [Fact]
    public async Task A_branch_is_undone_only_once_it_stands_by_itself()
    {
        await TableAsync();
        await Partman.CreateAsync(Events, ById(o => (o.Control, o.Interval) = ("at", Month)), Token);
        await Run("CREATE TABLE plain (LIKE events); INSERT INTO events VALUES (1, now(), 'x')");
        var (branch, target) = (QualifiedName.Parse("public.events_p0"), QualifiedName.Parse("public.plain"));

        var whole = (await Partman.Awaiting(p => p.UndoAsync(Events, target, cancellationToken: Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which;
        var part = (await Partman.Awaiting(p => p.UndoAsync(branch, target, cancellationToken: Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which;
        await Run("INSERT INTO events VALUES (2, now(), 'x'); ALTER TABLE events DETACH PARTITION events_p0");
        var done = await Partman.UndoAsync(branch, target, cancellationToken: Token);

        whole.Message.Should().Contain("'public.events_p0' is partitioned itself");
        part.Reasons.Should().ContainSingle().Which.Text.Should().Be("It is a partition of 'public.events', which would refuse the rows of its range then: detach it first.");
        done.Rows.Should().Be(2);
    }

    [Fact]
    public async Task A_name_that_is_no_good_neighbour_stays_a_name_on_both_levels()
    {
        var hostile = QualifiedName.Create("public", "x\"; DROP TABLE kept; --.'é");
        await Run($"CREATE TABLE kept (); CREATE TABLE {hostile.Quoted} (\"i\"\"'d\" bigint NOT NULL, \"a t\" timestamptz NOT NULL) PARTITION BY RANGE (\"i\"\"'d\")");

        await Partman.CreateAsync(hostile, new PartitionSetOptions { Control = "i\"'d", IdInterval = 10, Premake = 1, IdRetention = 1, WhenExpired = ExpiredAction.Drop, SubPartitions = new PartitionSetOptions { Control = "a t", Interval = Month, Premake = 1 } }, Token);
        await Run($"INSERT INTO {hostile.Quoted} VALUES (15, now())");
        var result = await Partman.MaintainAsync(cancellationToken: Token);

        result.Sets.Should().OnlyContain(s => s.Error == null);
        (await Ask<long>($"SELECT count(*) FROM pg_partition_tree({PgLiteral.Quote(hostile.Quoted)}) WHERE isleaf")).Should().Be(9);
        (await Ask<string>("SELECT to_regclass('kept')::text")).Should().Be("kept");
        (await ConfiguredAsync()).Should().HaveCount(3);
    }
}
