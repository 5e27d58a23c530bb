using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Interop;

/// <summary>Beside pg_partman 5, where the server has it.</summary>
public sealed class ExtensionTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private static readonly QualifiedName Others = QualifiedName.Parse("public.others");

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        var version = await Ask<string>("SELECT default_version FROM pg_available_extensions WHERE name = 'pg_partman'");
        Assert.SkipUnless(version?.StartsWith("5.", StringComparison.Ordinal) == true, $"The server offers pg_partman '{version}', and this needs 5.");
        await Run("CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman");
    }

    [Theory]
    [InlineData("timestamptz", "at", "1 day")]
    [InlineData("timestamptz", "at", "1 month")]
    [InlineData("timestamptz", "at", "1 week")]
    [InlineData("timestamptz", "at", "1 hour")]
    [InlineData("bigint", "id", "10")]
    public async Task Both_make_and_maintain_the_same_partitions(string type, string control, string interval)
    {
        var isId = type == "bigint";
        foreach (var table in new[] { "events", "others" })
            await Run($"CREATE TABLE {table} (id bigint NOT NULL, at timestamptz NOT NULL) PARTITION BY RANGE ({control})");

        await Partman.CreateAsync(Events, new PartitionSetOptions
        {
            Control = control, Interval = isId ? (PgInterval?)null : PgInterval.Parse(interval), IdInterval = isId ? 10 : null, Basis = isId ? PremakeBasis.Clock : PremakeBasis.NewestRow,
        }, Token);
        await Run($"SELECT partman.create_parent('public.others', '{control}', '{interval}')");
        var made = await SameAsync();
        foreach (var table in new[] { "events", "others" })
            await Run($"INSERT INTO {table} VALUES (25, now() + {(isId ? "interval '0'" : $"2 * interval '{interval}'")})");
        await MaintainAsync();
        await Run("CALL partman.run_maintenance_proc()");
        var maintained = await SameAsync();

        made.Should().HaveCountGreaterThan(4);
        maintained.Length.Should().Be(made.Length + 2);

        async Task<string[]> SameAsync()
        {
            var (ours, theirs) = (await BoundsAsync(), await BoundsAsync("others"));
            theirs.Select(b => b.Replace("others", "events", StringComparison.Ordinal)).Should().Equal(ours);
            return ours;
        }
    }

    [Fact]
    public async Task Each_maintains_the_sets_of_the_other()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL) PARTITION BY RANGE (id); CREATE TABLE others (id bigint NOT NULL) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(Events, Tens(o => (o.IdRetention, o.WhenExpired) = (5, ExpiredAction.Drop)), Token);
        await Run("SELECT partman.create_parent('public.others', 'id', '10'); UPDATE partman.part_config SET retention = '5', retention_keep_table = false WHERE parent_table = 'public.others'");
        await Run("INSERT INTO events SELECT generate_series(1, 25); INSERT INTO others SELECT generate_series(1, 25)");
        (await Partman.FindAsync(Others, Token)).Should().BeEquivalentTo(new { IsInExtension = true, IdInterval = 10L, IdRetention = 5L, WhenExpired = ExpiredAction.Drop });

        var ours = await Partman.MaintainAsync(Only(Others), cancellationToken: Token);
        await Run("CALL partman.run_maintenance_proc()");
        var again = await Partman.MaintainAsync(cancellationToken: Token);

        ours.Sets.Single().Error.Should().BeNull();
        again.AllSucceeded.Should().BeTrue();
        again.Sets.SelectMany(s => s.Changes).Should().BeEmpty();
        (await NamesAsync("events")).Should().Equal("events_default", "events_p20", "events_p30", "events_p40", "events_p50", "events_p60");
        (await NamesAsync("others")).Should().Equal("others_default", "others_p20", "others_p30", "others_p40", "others_p50", "others_p60");
    }

    [Theory]
    [InlineData("at", "1 day", "5 days")]
    [InlineData("at", "1 month", "3 months")]
    [InlineData("id", "10", "15")]
    public async Task A_set_that_both_maintain_in_turn_has_the_catalog_of_one_that_only_the_extension_does(string control, string interval, string retention)
    {
        var isId = control == "id";
        foreach (var table in new[] { "events", "others" })
        {
            await Run($"""
                CREATE TABLE {table} (id bigint NOT NULL, at timestamptz NOT NULL, note text, CHECK (id > 0)) PARTITION BY RANGE ({control}); CREATE INDEX ON {table} (note); ALTER TABLE {table} REPLICA IDENTITY FULL;
                SELECT partman.create_parent('public.{table}', '{control}', '{interval}', p_premake => 3);
                UPDATE partman.part_config SET retention = '{retention}', retention_keep_table = false;
                """);
        }
        var (before, changes) = (await CatalogAsync("events"), 0);

        for (var round = 1; round <= 4; round++)
        {
            foreach (var table in new[] { "events", "others" })
                await Run($"INSERT INTO {table} VALUES ({round * 12}, now() + {round} * {(isId ? "interval '0'" : $"interval '{interval}'")}, 'n')");
            if (round % 2 == 1)
            {
                changes += (await MaintainAsync()).Changes.Count;
                var ours = await CatalogAsync("events");
                await Run("CALL partman.run_maintenance_proc()");
                (await CatalogAsync("events")).Should().Equal(ours);
            }
            else
            {
                await Run("CALL partman.run_maintenance_proc()");
                var run = await MaintainAsync();
                (run.Error, run.Changes.Count).Should().Be((null, 0));
            }
            (await CatalogAsync("events")).Should().Equal(await CatalogAsync("others"));
        }

        changes.Should().BeGreaterThanOrEqualTo(2);
        (await CatalogAsync("events")).Should().NotEqual(before);
        (await Partman.FindAsync(Events, Token))!.LastMaintenance.Should().NotBeNull();

        // All that a partition has, under the name of one table.
        async Task<string[]> CatalogAsync(string table) => [.. (await Ask<string[]>($"""
            SELECT array_agg(concat_ws(' ', c.relname, pg_get_expr(c.relpartbound, c.oid), c.relreplident, c.relpersistence, c.relacl::text, c.reloptions::text, pg_get_userbyid(c.relowner),
                (SELECT string_agg(pg_get_indexdef(x.indexrelid), ',' ORDER BY pg_get_indexdef(x.indexrelid)) FROM pg_index x WHERE x.indrelid = c.oid), (SELECT string_agg(pg_get_constraintdef(k.oid), ',' ORDER BY pg_get_constraintdef(k.oid)) FROM pg_constraint k WHERE k.conrelid = c.oid),
                (SELECT string_agg(concat_ws(' ', a.attname, a.atttypid::regtype, a.attnotnull, a.attstorage), ',' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0)) ORDER BY c.relname)
            FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = '{table}'::regclass
            """)).Select(l => l.Replace(table, "t", StringComparison.Ordinal))];
    }

    [Fact]
    public async Task Runs_of_the_extension_and_ours_at_once_do_the_work_once_and_none_of_them_fails()
    {
        await Run("CREATE TABLE events (id bigint PRIMARY KEY) PARTITION BY RANGE (id); SELECT partman.create_parent('public.events', 'id', '10'); UPDATE partman.part_config SET retention = '15', retention_keep_table = false");
        var changes = 0;

        for (var round = 1; round <= 8; round++)
        {
            await Run($"INSERT INTO events SELECT generate_series({(round * 10) - 9}, {round * 10})");
            await Task.WhenAll([.. Enumerable.Range(0, 4).Select(_ => Run("CALL partman.run_maintenance_proc()")), .. Enumerable.Range(0, 10).Select(_ => OursAsync())]);
        }
        var last = await MaintainAsync();

        last.Error.Should().BeNull();
        (changes + last.Changes.Count).Should().BeLessThanOrEqualTo(14, "of eight partitions that came and six that went each is told once at most");
        (await NamesAsync()).Should().Equal("events_default", "events_p100", "events_p110", "events_p120", "events_p60", "events_p70", "events_p80", "events_p90");
        (await Ask<long>("SELECT count(*) FROM events")).Should().Be(21);

        async Task OursAsync()
        {
            try
            {
                var run = await Partman.MaintainAsync(cancellationToken: Token);
                run.Sets.Select(s => s.Error).Should().OnlyContain(e => e == null || e is PartmanBusyException);
                Interlocked.Add(ref changes, run.Sets.Sum(s => s.Changes.Count));
            }
            catch (PartmanBusyException)
            {
            }
        }
    }

    [Fact]
    public async Task An_undo_of_ours_keeps_the_extension_off_the_set_and_leaves_nothing_of_it_behind()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL) PARTITION BY RANGE (id); CREATE TABLE plain (id bigint NOT NULL)");
        await Run("SELECT partman.create_parent('public.events', 'id', '10', p_premake => 2); INSERT INTO events SELECT generate_series(1, 29)");
        var plain = QualifiedName.Parse("public.plain");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);

        await Partman.Awaiting(p => p.UndoAsync(Events, plain, new UndoOptions { BatchSize = 4 }, new Watch(w =>
        {
            if (w.PartitionsLeft == 3)
                stop.Cancel();
        }), stop.Token)).Should().ThrowAsync<OperationCanceledException>();
        var half = await NamesAsync();
        await Run("CALL partman.run_maintenance_proc(); SELECT partman.run_maintenance()");
        var after = await NamesAsync();
        var done = await Partman.UndoAsync(Events, plain, cancellationToken: Token);

        half.Should().Equal("events_default", "events_p10", "events_p20");
        after.Should().Equal(half);
        done.Should().Be(new UndoResult(29, 4));
        (await Ask<long>("SELECT count(DISTINCT id) FROM plain")).Should().Be(29);
        (await Ask<long>("SELECT (SELECT count(*) FROM partman.part_config) + (SELECT count(*) FROM omnipg_partman.part_option)")).Should().Be(0);
    }

    [Fact]
    public async Task An_undo_of_the_extension_and_ours_keep_each_other_out()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL) PARTITION BY RANGE (id); CREATE TABLE plain (id bigint NOT NULL); CREATE TABLE into_it (id bigint NOT NULL)");
        await Run("SELECT partman.create_parent('public.events', 'id', '10', p_premake => 2); INSERT INTO events SELECT generate_series(1, 29)");
        var undo = () => Partman.UndoAsync(Events, QualifiedName.Parse("public.plain"), new UndoOptions { BatchSize = 4 }, cancellationToken: Token);

        // One batch of theirs, which is a partition, or what its interval says.
        await Run("SELECT partman.undo_partition('public.events', 'public.into_it', 1, p_keep_table => false)");
        (await undo.Should().ThrowAsync<PartmanBusyException>()).Which.Message.Should().Contain("an undo");
        await Run("UPDATE partman.part_config SET undo_in_progress = false");
        await using (var connection = await Database.DataSource.OpenConnectionAsync(Token))
        {
            await using var take = new Npgsql.NpgsqlCommand("SELECT pg_advisory_lock(hashtext('pg_partman undo_partition'))", connection);
            await take.ExecuteNonQueryAsync(Token);
            (await undo.Should().ThrowAsync<PartmanBusyException>()).Which.Message.Should().Contain("the extension pg_partman");
            await using var give = new Npgsql.NpgsqlCommand("SELECT pg_advisory_unlock_all()", connection);
            await give.ExecuteNonQueryAsync(Token);
        }
        await undo();

        (await Ask<long>("SELECT (SELECT count(*) FROM plain) + (SELECT count(*) FROM into_it)")).Should().Be(29);
    }

    [Theory]
    [InlineData("SELECT pg_advisory_xact_lock(hashtext('pg_partman run_maintenance'))")]
    [InlineData("SELECT pg_advisory_lock(hashtext('pg_partman run_maintenance procedure'))")]
    public async Task The_maintenance_of_the_extension_keeps_ours_out(string sql)
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(), Token);
        await Run("INSERT INTO events VALUES (25)");
        await using var connection = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await connection.BeginTransactionAsync(Token);
        await using (var take = new Npgsql.NpgsqlCommand(sql, connection, transaction))
            await take.ExecuteNonQueryAsync(Token);

        await FluentActions.Awaiting(() => MaintainAsync()).Should().ThrowAsync<PartmanBusyException>();
        await FluentActions.Awaiting(() => Partman.FillGapsAsync(Events, Token)).Should().ThrowAsync<PartmanBusyException>();
        await FluentActions.Awaiting(() => Partman.DrainDefaultAsync(Events, cancellationToken: Token)).Should().ThrowAsync<PartmanBusyException>();
        (await NamesAsync()).Should().HaveCount(6);
    }

    [Fact]
    public async Task The_extension_works_in_the_zone_of_its_session_and_cannot_have_dots_in_names()
    {
        await Run("CREATE TABLE \"e.v\" (at timestamptz NOT NULL) PARTITION BY RANGE (at)");

        var act = () => Partman.CreateAsync(QualifiedName.Create("public", "e.v"), Daily(o => o.TimeZone = "Europe/Berlin"), Token);

        (await act.Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which.Reasons.Select(r => r.Reason).Should().BeEquivalentTo([InvalidDefinitionReason.TimeZone, InvalidDefinitionReason.Name]);
    }

    private sealed class Watch(Action<UndoProgress> act) : IProgress<UndoProgress>
    {
        public void Report(UndoProgress value) => act(value);
    }
}
