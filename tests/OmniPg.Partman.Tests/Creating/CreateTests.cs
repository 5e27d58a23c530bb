using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Creating;

public sealed class CreateTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    [Fact]
    public async Task A_daily_set_begins_premake_days_ago_and_reaches_premake_days_ahead()
    {
        await DailyTableAsync();
        var today = await Ask<DateTime>("SELECT date_trunc('day', now() AT TIME ZONE 'UTC')");

        var result = await Partman.CreateAsync(Events, Daily(), Token);

        var expected = Enumerable.Range(-4, 9).Select(n => $"events_p{today.AddDays(n):yyyyMMdd} FROM ('{today.AddDays(n):yyyy-MM-dd}') TO ('{today.AddDays(n + 1):yyyy-MM-dd}')");
        (await BoundsAsync()).Should().Equal([.. new[] { "events_default DEFAULT" }, .. expected]);
        result.Partitions.Should().HaveCount(10);
        result.Partitions[^1].IsDefault.Should().BeTrue();
        result.Set.Should().BeEquivalentTo(new { Control = "at", Kind = PartitionKeyKind.Time, TimeZone = "UTC", Premake = 4, Basis = PremakeBasis.Clock, IsInExtension = false });
        result.Set.Interval.Should().Be(PgInterval.OfDays(1));
    }

    [Fact]
    public async Task A_set_by_id_begins_at_zero_and_reaches_premake_ranges_ahead()
    {
        await IdTableAsync();

        await Partman.CreateAsync(Events, Tens(), Token);

        (await BoundsAsync()).Should().Equal(
            "events_default DEFAULT", "events_p0 FROM ('0') TO ('10')", "events_p10 FROM ('10') TO ('20')", "events_p20 FROM ('20') TO ('30')",
            "events_p30 FROM ('30') TO ('40')", "events_p40 FROM ('40') TO ('50')");
    }

    [Fact]
    public async Task An_offset_shifts_every_boundary()
    {
        await IdTableAsync();

        await Partman.CreateAsync(Events, Tens(o => (o.IdOffset, o.Premake, o.DefaultPartition) = (3, 1, false)), Token);

        (await BoundsAsync()).Should().Equal("events_p13 FROM ('13') TO ('23')", "events_p3 FROM ('3') TO ('13')");
    }

    [Fact]
    public async Task A_list_set_has_one_value_in_each_partition()
    {
        await Run("CREATE TABLE events (id int NOT NULL) PARTITION BY LIST (id)");

        await Partman.CreateAsync(Events, Tens(o => (o.IdInterval, o.IdStart, o.Premake) = (1, 9, 2)), Token);

        (await BoundsAsync()).Should().Equal("events_default DEFAULT", "events_p10 IN (10)", "events_p11 IN (11)", "events_p9 IN (9)");
    }

    [Theory]
    [InlineData("bigint", PartitionKeyKind.EpochSeconds, "1704067200", "1706745600")]
    [InlineData("bigint", PartitionKeyKind.EpochMilliseconds, "1704067200000", "1706745600000")]
    [InlineData("bigint", PartitionKeyKind.EpochMicroseconds, "1704067200000000", "1706745600000000")]
    [InlineData("bigint", PartitionKeyKind.EpochNanoseconds, "1704067200000000000", "1706745600000000000")]
    [InlineData("uuid", PartitionKeyKind.UuidV7, "018cc251-f400-0000-0000-000000000000", "018d61f7-1800-0000-0000-000000000000")]
    [InlineData("timestamp", PartitionKeyKind.Time, "2024-01-01 00:00:00", "2024-02-01 00:00:00")]
    [InlineData("date", PartitionKeyKind.Time, "2024-01-01", "2024-02-01")]
    public async Task A_row_of_a_known_moment_is_in_the_partition_located_for_it(string type, PartitionKeyKind kind, string lower, string upper)
    {
        await DailyTableAsync(type);
        await Partman.CreateAsync(Events, Daily(o => (o.Kind, o.Interval, o.Start) = (kind, PgInterval.OfMonths(1), new DateTimeOffset(2024, 1, 1, 0, 0, 0, TimeSpan.Zero))), Token);
        var noon = new DateTimeOffset(2024, 1, 1, 12, 0, 0, TimeSpan.Zero);

        var location = await Partman.LocateAsync(Events, PartitionBound.Of(noon), Token);

        location.Partition.Name.Value.Should().Be("events_p20240101");
        location.Exists.Should().BeTrue();
        (await BoundsAsync())[1].Should().Be($"events_p20240101 FROM ('{lower}') TO ('{upper}')");
        await Run($"INSERT INTO events (at) VALUES ('{lower}')");
        (await Ask<string>("SELECT tableoid::regclass::text FROM events")).Should().Be("events_p20240101");
    }

    [Fact]
    public async Task An_epoch_partition_has_a_check_on_its_moments()
    {
        await DailyTableAsync("bigint");
        await Partman.CreateAsync(Events, Daily(o => (o.Kind, o.Start) = (PartitionKeyKind.EpochMilliseconds, DateTimeOffset.UtcNow)), Token);

        var check = await Ask<string>("SELECT count(*)::text FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE k.contype = 'c' AND k.conname = c.relname || '_partition_check'");

        check.Should().Be(((await NamesAsync()).Length - 1).ToString(System.Globalization.CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task Days_begin_at_midnight_of_the_sets_zone_whatever_the_session_is_set_to()
    {
        await DailyTableAsync();
        await using var odd = Npgsql.NpgsqlDataSource.Create(Database.ConnectionString + ";Timezone=Asia/Kolkata;Options=-c DateStyle=German");
        var client = new PartmanClient(odd, new PartmanOptions { MaxPartitionsPerRun = 2 });
        await client.CreateAsync(Events, Daily(o => (o.TimeZone, o.DefaultPartition) = ("Europe/Madrid", false)), Token);
        // Then the gap behind it is filled over the change of clocks.
        await Run("CREATE TABLE old PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2024-03-30 23:00:00Z')");

        await client.FillGapsAsync(Events, Token);

        (await Ask<string[]>("SELECT (array_agg(c.relname || ' ' || pg_get_expr(c.relpartbound, c.oid) ORDER BY c.relname))[1:2] FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'events'::regclass"))
            .Should().Equal(
                "events_p20240331 FOR VALUES FROM ('2024-03-30 23:00:00+00') TO ('2024-03-31 22:00:00+00')",
                "events_p20240401 FOR VALUES FROM ('2024-03-31 22:00:00+00') TO ('2024-04-01 22:00:00+00')");
    }

    [Theory]
    [InlineData("Europe/Madrid", "2024-10-27 00:00:00Z", "events_p20241027_000000 events_p20241027_010000 events_p20241027_020000")]
    [InlineData("Europe/Madrid", "2024-03-31 00:00:00Z", "events_p20240331_000000 events_p20240331_010000 events_p20240331_020000")]
    [InlineData("America/New_York", "2024-11-03 05:00:00Z", "events_p20241103_050000 events_p20241103_060000 events_p20241103_070000")]
    [InlineData("America/New_York", "2024-03-10 06:00:00Z", "events_p20240310_060000 events_p20240310_070000 events_p20240310_080000")]
    public async Task Hours_run_on_utc_through_both_changes_of_clocks_and_have_names_of_their_own(string zone, string from, string names)
    {
        await DailyTableAsync();
        var client = Client(o => o.MaxPartitionsPerRun = 3);
        await client.CreateAsync(Events, Daily(o => (o.Interval, o.TimeZone, o.DefaultPartition) = (TimeSpan.FromHours(1), zone, false)), Token);
        await Run($"CREATE TABLE old PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('{from}')");

        var filled = await client.FillGapsAsync(Events, Token);

        string.Join(' ', filled.Select(c => c.Partition.Name.Value)).Should().Be(names);
        filled.Should().OnlyContain(c => c.Upper.Time - c.Lower.Time == TimeSpan.FromHours(1));
    }

    [Fact]
    public async Task A_week_begins_on_monday()
    {
        await DailyTableAsync();

        await Partman.CreateAsync(Events, Daily(o => (o.Interval, o.Start) = (PgInterval.OfDays(7), new DateTimeOffset(2024, 5, 17, 0, 0, 0, TimeSpan.Zero))), Token);

        (await NamesAsync())[1].Should().Be("events_p20240513");
    }

    [Fact]
    public async Task Months_from_the_31st_leave_no_gap()
    {
        await DailyTableAsync();

        await Partman.CreateAsync(Events, Daily(o => (o.Interval, o.Start, o.StartExactly) = (PgInterval.OfMonths(1), new DateTimeOffset(2024, 1, 31, 0, 0, 0, TimeSpan.Zero), true)), Token);

        (await BoundsAsync()).Skip(1).Take(3).Should().Equal(
            "events_p20240131 FROM ('2024-01-31') TO ('2024-02-29')", "events_p20240229 FROM ('2024-02-29') TO ('2024-03-31')", "events_p20240331 FROM ('2024-03-31') TO ('2024-04-30')");
    }

    [Fact]
    public async Task Hostile_names_stay_names()
    {
        const string Name = "x\"; DROP TABLE victim; --'%s.é";
        await Run("""
            CREATE TABLE victim (); CREATE SCHEMA "S ""q"".$1";
            CREATE TABLE "S ""q"".$1"."x""; DROP TABLE victim; --'%s.é" ("c;""o'l" bigint NOT NULL, "select" text) PARTITION BY RANGE ("c;""o'l");
            CREATE INDEX ON "S ""q"".$1"."x""; DROP TABLE victim; --'%s.é" ("select");
            """);
        var table = QualifiedName.Create("S \"q\".$1", Name);

        await Partman.CreateAsync(table, new PartitionSetOptions { Control = "c;\"o'l", IdInterval = 10, Premake = 2, InheritPrivileges = true }, Token);
        await Run("INSERT INTO \"S \"\"q\"\".$1\".\"x\"\"; DROP TABLE victim; --'%s.é\" VALUES (25, 'a')");
        var result = await Partman.MaintainAsync(Only(table), cancellationToken: Token);

        result.Sets.Single().Error.Should().BeNull();
        (await Partman.ListPartitionsAsync(table, Token)).Select(p => p.Name.Name.Value).Should().Equal(Name + "_p0", Name + "_p10", Name + "_p20", Name + "_p30", Name + "_p40", Name + "_default");
        (await Ask<bool>("SELECT to_regclass('victim') IS NOT NULL")).Should().BeTrue();
    }

    [Fact]
    public async Task Everything_that_is_wrong_is_told_at_once()
    {
        await Run("CREATE TABLE events (id bigint, at timestamptz) PARTITION BY RANGE (id)");

        var act = () => Partman.CreateAsync(Events, Daily(o => (o.TimeZone, o.Template, o.WhenExpired, o.RetentionSchema) = ("Mars/Olympus", QualifiedName.Parse("public.t"), ExpiredAction.Move, "nowhere")), Token);

        (await act.Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which.Reasons.Select(r => r.Reason).Should().BeEquivalentTo(
        [
            InvalidDefinitionReason.ControlMismatch, InvalidDefinitionReason.ControlNullable, InvalidDefinitionReason.Template, InvalidDefinitionReason.TimeZone, InvalidDefinitionReason.RetentionSchema,
        ]);
        (await NamesAsync()).Should().BeEmpty();
        (await Ask<bool>("SELECT to_regnamespace('omnipg_partman') IS NULL")).Should().BeTrue();
    }

    [Theory]
    [InlineData("CREATE TABLE events (at timestamptz NOT NULL)", InvalidDefinitionReason.NotPartitioned)]
    [InlineData("CREATE TABLE events (at timestamptz NOT NULL) PARTITION BY HASH (at)", InvalidDefinitionReason.NotPartitioned)]
    [InlineData("CREATE TABLE events (at text NOT NULL) PARTITION BY RANGE (at)", InvalidDefinitionReason.ControlType)]
    [InlineData("CREATE TABLE events (at bigint NOT NULL) PARTITION BY RANGE (at)", InvalidDefinitionReason.Interval)]
    [InlineData("CREATE TABLE events (at timestamptz NOT NULL) PARTITION BY LIST (at)", InvalidDefinitionReason.TypeMismatch)]
    [InlineData("CREATE TABLE events (at timestamptz NOT NULL) PARTITION BY RANGE (at); CREATE TABLE p PARTITION OF events DEFAULT", InvalidDefinitionReason.HasPartitions)]
    [InlineData("CREATE TABLE other ()", InvalidDefinitionReason.TableMissing)]
    public async Task A_table_that_cannot_be_a_set_is_refused(string sql, InvalidDefinitionReason reason)
    {
        await Run(sql);

        var act = () => Partman.CreateAsync(Events, Daily(o => o.Kind = sql.Contains("bigint", StringComparison.Ordinal) ? PartitionKeyKind.Id : null), Token);

        (await act.Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which.Reasons.Should().Contain(r => r.Reason == reason);
    }

    [Fact]
    public async Task The_plan_run_by_psql_makes_the_same_catalog()
    {
        await DailyTableAsync();
        await Run("CREATE INDEX ON events (id)");
        var plan = await Partman.PlanCreateAsync(Events, Daily(), Token);
        (await NamesAsync()).Should().BeEmpty();

        await using (var other = await Cluster.CreateDatabaseAsync(template: null, cancellationToken: Token))
        {
            await other.ExecuteAsync("CREATE TABLE events (id bigint, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at); CREATE INDEX ON events (id)", Token);
            var file = Path.Combine(Cluster.RootDirectory, Path.GetRandomFileName());
            await File.WriteAllTextAsync(file, plan.ToSqlScript(), Token);
            var ran = await Cluster.RunProgramAsync("psql", "-X", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", $"{Cluster.Port}", "-U", "postgres", "-d", other.Name, "-f", file);
            ran.ExitCode.Should().Be(0, ran.Error);
            await Partman.CreateAsync(Events, Daily(), Token);

            const string Catalog = "SELECT string_agg(c.relname || coalesce(pg_get_expr(c.relpartbound, c.oid), ''), E'\\n' ORDER BY c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('public', 'omnipg_partman')";
            (await other.ScalarAsync<string>(Catalog, Token)).Should().Be(await Ask<string>(Catalog));
            const string Config = "SELECT to_jsonb(g)::text FROM omnipg_partman.part_config g";
            (await other.ScalarAsync<string>(Config, Token)).Should().Be(await Ask<string>(Config));
        }
    }

    [Fact]
    public async Task A_partition_takes_over_identity_statistics_grants_and_what_the_template_adds()
    {
        await Run("""
            CREATE ROLE reader_t; CREATE ROLE writer_t;
            CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
            CREATE UNIQUE INDEX ident ON events (id, at); ALTER TABLE events REPLICA IDENTITY USING INDEX ident;
            ALTER TABLE events ALTER COLUMN note SET STATISTICS 250;
            GRANT SELECT ON events TO reader_t; GRANT INSERT ON events TO writer_t WITH GRANT OPTION;
            ALTER DEFAULT PRIVILEGES GRANT TRUNCATE ON TABLES TO reader_t;
            CREATE UNLOGGED TABLE template_events (LIKE events) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
            CREATE UNIQUE INDEX "odd USING name" ON template_events (note) WHERE note <> 'x USING y';
            CREATE UNIQUE INDEX ON template_events (id, at);
            """);
        try
        {
            await Partman.CreateAsync(Events, Daily(o => (o.Template, o.InheritPrivileges) = (QualifiedName.Parse("public.template_events"), true)), Token);

            var child = (await NamesAsync())[1];
            (await Ask<string>($"SELECT relpersistence::text || relreplident::text || array_to_string(reloptions, ',') FROM pg_class WHERE relname = '{child}'"))
                .Should().Be("ui" + "fillfactor=70,autovacuum_vacuum_scale_factor=0.01");
            (await Ask<string>($"SELECT string_agg(replace(pg_get_indexdef(indexrelid), '{child}', 'c'), E'\\n' ORDER BY indisreplident) FROM pg_index WHERE indrelid = '{child}'::regclass"))
                .Should().Be("CREATE UNIQUE INDEX c_note_idx ON public.c USING btree (note) WHERE (note <> 'x USING y'::text)\nCREATE UNIQUE INDEX c_id_at_idx ON public.c USING btree (id, at)");
            (await Ask<string>($"SELECT string_agg(pg_get_userbyid(x.grantee) || ':' || x.privilege_type || ':' || x.is_grantable, ' ' ORDER BY pg_get_userbyid(x.grantee), x.privilege_type) FROM pg_class c, aclexplode(c.relacl) x WHERE c.relname = '{child}' AND x.grantee <> c.relowner"))
                .Should().BeOneOf("reader_t:SELECT:false writer_t:INSERT:true", "writer_t:INSERT:true reader_t:SELECT:false");
            (await Ask<short>($"SELECT attstattarget::int2 FROM pg_attribute WHERE attrelid = '{child}'::regclass AND attname = 'note'")).Should().Be(250);
        }
        finally
        {
            await Run("DROP OWNED BY reader_t, writer_t; DROP ROLE reader_t, writer_t");
        }
    }

    [Theory]
    [InlineData("FULL", "f")]
    [InlineData("NOTHING", "n")]
    public async Task A_partition_takes_over_a_replica_identity_without_an_index_and_grants_to_all(string identity, string expected)
    {
        await IdTableAsync();
        await Run($"ALTER TABLE events REPLICA IDENTITY {identity}; GRANT SELECT, INSERT ON events TO PUBLIC");

        await Partman.CreateAsync(Events, Tens(o => o.InheritPrivileges = true), Token);

        (await Ask<string>("SELECT string_agg(DISTINCT relreplident::text, '') FROM pg_class WHERE relname LIKE 'events\\_%' AND relkind = 'r'")).Should().Be(expected);
        (await Ask<long>("SELECT count(*) FROM pg_class c, aclexplode(c.relacl) x WHERE c.relname LIKE 'events\\_%' AND c.relkind = 'r' AND x.grantee = 0 AND x.privilege_type IN ('SELECT', 'INSERT')"))
            .Should().Be(2 * 6);
    }

    [Fact]
    public async Task A_name_that_is_taken_is_refused_and_nothing_is_left_behind()
    {
        await IdTableAsync();
        await Run("CREATE TABLE events_p20 ()");

        var act = () => Partman.CreateAsync(Events, Tens(), Token);

        (await act.Should().ThrowAsync<PartitionNameCollisionException>()).Which.Child.Should().Be(QualifiedName.Parse("public.events_p20"));
        (await NamesAsync()).Should().BeEmpty();
    }

    [Fact]
    public async Task A_set_is_made_once()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(), Token);

        var act = () => Partman.CreateAsync(Events, Tens(), Token);

        (await act.Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which.Reasons.Select(r => r.Reason).Should().Contain([InvalidDefinitionReason.AlreadyConfigured, InvalidDefinitionReason.HasPartitions]);
    }

    [Fact]
    public async Task A_role_without_rights_is_told_the_grant()
    {
        await Run("CREATE ROLE poor LOGIN");
        try
        {
            await IdTableAsync();
            await Run("ALTER TABLE events OWNER TO poor");
            await using var poor = Npgsql.NpgsqlDataSource.Create(Cluster.GetConnectionString(Database.Name, "poor"));

            var act = () => new PartmanClient(poor).CreateAsync(Events, Tens(), Token);

            (await act.Should().ThrowAsync<PartmanPrivilegeException>()).Which.MissingGrants.Should().Equal($"GRANT CREATE ON DATABASE \"{Database.Name}\" TO \"poor\";");
            (await NamesAsync()).Should().BeEmpty();
        }
        finally
        {
            await Run("DROP OWNED BY poor CASCADE; DROP ROLE poor");
        }
    }

    [Fact]
    public async Task The_owner_of_a_table_with_the_grant_script_makes_and_maintains_a_set()
    {
        await Run("CREATE TABLE other (id bigint NOT NULL) PARTITION BY RANGE (id); CREATE ROLE owner_t LOGIN");
        try
        {
            await Partman.CreateAsync(QualifiedName.Parse("public.other"), Tens(), Token);
            await Run("CREATE SCHEMA app AUTHORIZATION owner_t; CREATE TABLE app.events (id bigint NOT NULL) PARTITION BY RANGE (id); ALTER TABLE app.events OWNER TO owner_t");
            await Run(await Partman.GetGrantScriptAsync(PgIdentifier.Create("owner_t"), Token));
            await using var source = Npgsql.NpgsqlDataSource.Create(Cluster.GetConnectionString(Database.Name, "owner_t"));
            var owner = new PartmanClient(source);

            await owner.CreateAsync(QualifiedName.Parse("app.events"), Tens(), Token);
            await Run("INSERT INTO app.events VALUES (25)");
            var result = await owner.MaintainAsync(Only(QualifiedName.Parse("app.events")), cancellationToken: Token);
            var foreign = await owner.MaintainAsync(Only(QualifiedName.Parse("public.other")), cancellationToken: Token);

            result.Sets.Single().Should().BeEquivalentTo(new { Error = (Exception?)null });
            result.Sets.Single().Changes.Select(c => c.Partition.Name.Value).Should().Equal("events_p50", "events_p60");
            foreign.Sets.Single().Error.Should().BeOfType<PartmanPrivilegeException>().Which.MissingGrants.Should().Equal("ALTER TABLE \"public\".\"other\" OWNER TO \"owner_t\";");
        }
        finally
        {
            await Run("DROP OWNED BY owner_t CASCADE; DROP ROLE owner_t");
        }
    }
}
