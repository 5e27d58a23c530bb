using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Adopting;

/// <summary>Sets that somebody else made.</summary>
public sealed class AdoptionTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    /// <summary>
    /// A table by days with a trigger that sends rows to the tables that inherit from it, as they were made by hand for years. Its days are counted from the one that
    /// it was made on, whatever day it is by now.
    /// </summary>
    private const string Inheritance =
        """
        CREATE TABLE made_on AS SELECT date_trunc('day', now()) AS day;
        CREATE TABLE events (id bigserial PRIMARY KEY, at timestamptz NOT NULL, note text);
        CREATE INDEX by_at ON events (at);
        DO $$BEGIN FOR n IN -2..2 LOOP
            EXECUTE format('CREATE TABLE events_of_%s (PRIMARY KEY (id), CHECK (at >= %L AND at < %L)) INHERITS (events)', n + 2, (SELECT day FROM made_on) + n * interval '1 day', (SELECT day FROM made_on) + (n + 1) * interval '1 day');
            EXECUTE format('CREATE INDEX ON events_of_%s (at)', n + 2);
        END LOOP; END$$;
        CREATE FUNCTION route() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
            EXECUTE format('INSERT INTO events_of_%s SELECT $1.*', 2 + (NEW.at::date - (SELECT day::date FROM made_on))) USING NEW; RETURN NULL; END$$;
        CREATE TRIGGER route BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION route();
        INSERT INTO events (at, note) SELECT (SELECT day FROM made_on) + n * interval '6 hours', 'n' || n FROM generate_series(-8, 11) n;
        """;

    [Fact]
    public async Task Months_of_a_zone_under_any_name_are_found_out_and_go_on_without_a_gap()
    {
        await DailyTableAsync();
        await Run("""
            DO $$BEGIN FOR n IN -3..1 LOOP
                EXECUTE format('CREATE TABLE "my %s" PARTITION OF events FOR VALUES FROM (%L) TO (%L)', n + 4, (date_trunc('month', now() AT TIME ZONE 'Europe/Berlin') + n * interval '1 month') AT TIME ZONE 'Europe/Berlin',
                    (date_trunc('month', now() AT TIME ZONE 'Europe/Berlin') + (n + 1) * interval '1 month') AT TIME ZONE 'Europe/Berlin');
            END LOOP; END$$;
            CREATE TABLE whatever PARTITION OF events DEFAULT;
            """);
        var wish = new AdoptionOptions { TimeZone = "Europe/Berlin", Premake = 3, Retention = "4 months", WhenExpired = ExpiredAction.Drop };

        var told = await Partman.PlanAdoptionAsync(Events, wish, Token);
        var before = await Partman.FindAsync(Events, Token);
        var done = await Partman.AdoptAsync(Events, wish, Token);
        var run = await MaintainAsync();
        var now = await Partman.ListPartitionsAsync(Events, Token);

        (told.Kind, before).Should().Be((AdoptedKind.Declarative, null));
        told.Sql.Steps.Select(s => $"{s.Kind} {s.BlocksReads} {s.BlocksWrites}").Should().Equal("adopt-set False False");
        done.Set.Should().Match<PartitionSet>(s => s.Control == "at" && s.Interval == PgInterval.OfMonths(1) && s.TimeZone == "Europe/Berlin" && s.Premake == 3 && s.WhenExpired == ExpiredAction.Drop);
        done.Partitions.Select(p => p.Name.Name.Value).Should().Equal("my 1", "my 2", "my 3", "my 4", "my 5", "whatever");
        run.Error.Should().BeNull();
        run.Changes.Select(c => c.Fate).Should().Equal(PartitionFate.Create, PartitionFate.Create);
        now.Where(p => !p.IsDefault).Zip(now.Skip(1).Where(p => !p.IsDefault), (a, b) => a.Upper == b.Lower).Should().HaveCount(6).And.AllBeEquivalentTo(true);
        (await Partman.CheckAsync(Token)).Findings.Should().BeEmpty();
    }

    [Fact]
    public async Task Ids_of_uneven_steps_go_on_with_the_newest_one_and_what_only_a_default_has_needs_an_interval()
    {
        await IdTableAsync();
        await Run("""
            CREATE TABLE events_old PARTITION OF events FOR VALUES FROM (MINVALUE) TO (100); CREATE TABLE events_b PARTITION OF events FOR VALUES FROM (100) TO (107);
            CREATE TABLE events_c PARTITION OF events FOR VALUES FROM (107) TO (117); CREATE TABLE events_d PARTITION OF events FOR VALUES FROM (117) TO (127); INSERT INTO events VALUES (5), (120);
            CREATE TABLE rest (at timestamptz NOT NULL) PARTITION BY RANGE (at); CREATE TABLE rest_default PARTITION OF rest DEFAULT; INSERT INTO rest VALUES (now());
            """);
        var rest = QualifiedName.Parse("public.rest");

        var done = await Partman.AdoptAsync(Events, new AdoptionOptions { Premake = 2 }, Token);
        var run = await MaintainAsync();
        var nothing = (await Partman.Awaiting(p => p.AdoptAsync(rest, cancellationToken: Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which;
        await Partman.AdoptAsync(rest, new AdoptionOptions { Interval = PgInterval.OfDays(1), Premake = 1 }, Token);
        var drained = await MaintainAsync(o => (o.Table, o.DrainDefault) = (rest, true));

        done.Set.IdInterval.Should().Be(10);
        run.Changes.Select(c => $"{c.Partition.Name.Value} {c.Lower} {c.Upper}").Should().Equal("events_p127 127 137", "events_p137 137 147");
        nothing.Reasons.Select(r => r.Reason).Should().Equal(InvalidDefinitionReason.Interval);
        drained.Error.Should().BeNull();
        (await Ask<long>("SELECT count(*) FROM rest_default")).Should().Be(0);
        (await Ask<long>("SELECT count(*) FROM rest")).Should().Be(1);
    }

    [Fact]
    public async Task What_cannot_be_adopted_is_told_and_left_as_it_is()
    {
        await Run("""
            CREATE TABLE plain (id int); CREATE TABLE hashed (id int) PARTITION BY HASH (id); CREATE TABLE two (a int, b int) PARTITION BY RANGE (a, b);
            CREATE TABLE uneven (id int) PARTITION BY RANGE (id); CREATE TABLE u1 PARTITION OF uneven FOR VALUES FROM (0) TO (1000); CREATE TABLE u2 PARTITION OF uneven FOR VALUES FROM (1000) TO (1100); CREATE TABLE u3 PARTITION OF uneven FOR VALUES FROM (1100) TO (1117);
            CREATE TABLE parent (id int, at date); CREATE TABLE c1 (CHECK (at >= '2026-01-01' AND at < '2026-02-01')) INHERITS (parent); CREATE TABLE c2 (CHECK (at >= '2026-01-15' OR id > 7)) INHERITS (parent);
            CREATE VIEW on_it AS SELECT * FROM parent;
            """);

        (await ReasonsAsync("missing")).Should().Equal(InvalidDefinitionReason.TableMissing);
        (await ReasonsAsync("plain")).Should().Equal(InvalidDefinitionReason.NotPartitioned);
        (await ReasonsAsync("hashed")).Should().Equal(InvalidDefinitionReason.NotPartitioned);
        (await ReasonsAsync("two")).Should().Equal(InvalidDefinitionReason.ControlMismatch);
        (await ReasonsAsync("uneven")).Should().Equal(InvalidDefinitionReason.Interval);
        (await ReasonsAsync("parent", o => o.Control = "at")).Should().Equal(InvalidDefinitionReason.ControlNullable, InvalidDefinitionReason.Unsupported);
        await Run("ALTER TABLE parent ALTER at SET NOT NULL; ALTER TABLE c2 ADD CHECK (at >= '2026-02-01' AND at < '2026-03-01')");
        (await ReasonsAsync("parent")).Should().Equal(InvalidDefinitionReason.Unsupported, InvalidDefinitionReason.Dependent);
        (await Ask<bool>("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'omnipg_partman')")).Should().BeFalse();

        async Task<IEnumerable<InvalidDefinitionReason>> ReasonsAsync(string table, Action<AdoptionOptions>? configure = null)
        {
            var options = new AdoptionOptions();
            configure?.Invoke(options);
            return (await Partman.Awaiting(p => p.AdoptAsync(QualifiedName.Create("public", table), options, Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which.Reasons.Select(r => r.Reason);
        }
    }

    [Fact]
    public async Task A_table_that_others_inherit_from_becomes_a_set_while_it_is_written_to()
    {
        await Run(Inheritance + "DROP ROLE IF EXISTS looks; CREATE ROLE looks; GRANT SELECT ON events TO looks; COMMENT ON TABLE events IS 'all of them';");
        await Run("ALTER TABLE events DISABLE TRIGGER route; INSERT INTO events (at, note) VALUES ('2001-01-01', 'stray'); ALTER TABLE events ENABLE TRIGGER route");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var written = 0;
        var writing = Task.Run(WriteAsync, Token);
        await Eventually.TrueAsync(() => Task.FromResult(Volatile.Read(ref written) > 20), "rows are written", cancellationToken: Token);

        var done = await Client(o => o.LockAttempts = 100).AdoptAsync(Events, new AdoptionOptions { Premake = 2, Basis = PremakeBasis.NewestRow }, Token);
        var before = Volatile.Read(ref written);
        await Eventually.TrueAsync(() => Task.FromResult(Volatile.Read(ref written) > before + 20), "rows are written behind it", cancellationToken: Token);
        await stop.CancelAsync();
        await writing;
        var run = await MaintainAsync();

        done.Should().Match<Adoption>(a => a.Kind == AdoptedKind.Inheritance && a.Set.Interval == PgInterval.OfDays(1) && a.Set.Control == "at" && a.Partitions.Count == 6);
        done.Partitions[^1].Name.Should().Be(QualifiedName.Parse("public.events_default"));
        (await Ask<long>("SELECT count(*) FROM events WHERE note = 'w'")).Should().Be(written);
        (await Ask<string>("SELECT string_agg(note, ' ' ORDER BY id) FROM events WHERE note <> 'w'")).Should().Be(string.Join(' ', Enumerable.Range(-8, 20).Select(n => "n" + n)) + " stray");
        (await Ask<long>("SELECT count(*) FROM ONLY events_default")).Should().Be(1);
        (await Ask<string>("SELECT relkind::text || has_table_privilege('looks', oid, 'SELECT') || obj_description(oid) || pg_get_serial_sequence('events', 'id') FROM pg_class WHERE oid = 'events'::regclass")).Should().Be("ptrueall of thempublic.events_id_seq");
        (await Ask<long>("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal")).Should().Be(0);
        run.Error.Should().BeNull();
        run.Changes.Select(c => c.Fate).Should().Equal(PartitionFate.Create, PartitionFate.Create);
        // What comes new has what the others have: the primary key and the index.
        (await Ask<long>($"SELECT count(*) FROM pg_index WHERE indrelid = '{run.Changes[0].Partition.Quoted}'::regclass")).Should().Be(2);
        (await Ask<long>($"SELECT count(*) FROM pg_index WHERE indrelid = '{run.Changes[0].Partition.Quoted}'::regclass AND indisprimary")).Should().Be(1);
        (await Ask<bool>("SELECT EXISTS (SELECT FROM pg_stats WHERE tablename = 'events' AND inherited)")).Should().BeTrue("no autovacuum would count the rows of the table as a whole");
        await Run("DROP OWNED BY looks; DROP ROLE looks");

        async Task WriteAsync()
        {
            await using var connection = new NpgsqlConnection(Database.ConnectionString);
            await connection.OpenAsync(Token);
            await using var insert = new NpgsqlCommand("INSERT INTO events (at, note) VALUES ((SELECT day FROM made_on) + random() * interval '1 day', 'w')", connection);
            await insert.PrepareAsync(Token);
            while (!stop.IsCancellationRequested)
            {
                await insert.ExecuteNonQueryAsync(Token);
                Interlocked.Increment(ref written);
            }
        }
    }

    [Fact]
    public async Task The_tables_that_inherit_are_attached_without_a_scan_and_an_identity_goes_on()
    {
        await Run(Inheritance + "ALTER TABLE events ALTER id DROP DEFAULT; DROP SEQUENCE events_id_seq; ALTER TABLE events ALTER id ADD GENERATED BY DEFAULT AS IDENTITY (START 100)");
        var plan = await Partman.PlanAdoptionAsync(Events, cancellationToken: Token);
        var notices = new List<string>();
        await using var connection = new NpgsqlConnection(Database.ConnectionString);
        connection.Notice += (_, e) => notices.Add(e.Notice.MessageText);
        await connection.OpenAsync(Token);

        await using (var all = new NpgsqlCommand($"SET client_min_messages = debug1; {plan.Sql.Steps.Single().Sql}", connection))
            await all.ExecuteNonQueryAsync(Token);

        notices.Where(n => n.Contains("is implied by existing constraints", StringComparison.Ordinal)).Should().HaveCount(5);
        (await Ask<string>("INSERT INTO events (at) VALUES ((SELECT day FROM made_on)) RETURNING id || ' ' || tableoid::regclass")).Should().Be("100 events_of_2");
        (await Ask<string[]>("SELECT array_agg(relname::text) FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace")).Should().Equal("events_id_seq");
        (await Partman.FindAsync(Events, Token)).Should().NotBeNull();
    }

    [Fact]
    public async Task Checks_are_known_again_whatever_the_session_is_set_to()
    {
        await Run(Inheritance);
        await using var odd = NpgsqlDataSource.Create(Database.ConnectionString + ";Timezone=Asia/Kolkata;Options=-c DateStyle=German");

        var done = await new PartmanClient(odd).AdoptAsync(Events, cancellationToken: Token);

        (done.Kind, done.Set.TimeZone, done.Partitions.Count).Should().Be((AdoptedKind.Inheritance, "UTC", 6));
        (await Ask<long>("SELECT count(*) FROM events")).Should().Be(20);
    }

    [Fact]
    public async Task A_foreign_key_that_all_tables_have_holds_for_new_partitions_as_well()
    {
        await Run(Inheritance + "CREATE TABLE owners (id int PRIMARY KEY); ALTER TABLE events ADD owner int; ALTER TABLE events ADD CONSTRAINT of_owner FOREIGN KEY (owner) REFERENCES owners;");

        var missing = (await Partman.Awaiting(p => p.AdoptAsync(Events, cancellationToken: Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which;
        await Run("DO $$BEGIN FOR n IN 0..4 LOOP EXECUTE format('ALTER TABLE events_of_%s ADD FOREIGN KEY (owner) REFERENCES owners', n); END LOOP; END$$");
        await Partman.AdoptAsync(Events, new AdoptionOptions { Premake = 2, Basis = PremakeBasis.NewestRow }, Token);
        var run = await MaintainAsync();

        missing.Reasons.Should().HaveCount(5).And.OnlyContain(r => r.Text.Contains("lacks foreign key 'of_owner'"));
        run.Changes.Select(c => c.Fate).Should().Equal(PartitionFate.Create, PartitionFate.Create);
        // That of the set alone stands for itself.
        (await Ask<string[]>("SELECT array_agg(conname || ' ' || conrelid::regclass) FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND connamespace = 'public'::regnamespace")).Should().Equal("of_owner events");
        foreach (var days in (int[])[-2, 0, 4, 1000])
        {
            (await FluentActions.Awaiting(() => Run($"INSERT INTO events (at, owner) VALUES ((SELECT day FROM made_on) + interval '{days} days', 99)")).Should().ThrowAsync<PostgresException>())
                .Which.SqlState.Should().Be(PostgresErrorCodes.ForeignKeyViolation);
        }
    }

    [Fact]
    public async Task A_trigger_that_sends_no_row_anywhere_is_not_taken_for_the_one_that_does()
    {
        await Run(Inheritance + """
            DROP TRIGGER route ON events;
            CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.note := upper(NEW.note); RETURN NEW; END$$;
            CREATE TRIGGER " BEFORE INSERT " BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION stamp();
            """);

        var alone = (await Partman.Awaiting(p => p.AdoptAsync(Events, cancellationToken: Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which;
        await Run("CREATE TRIGGER route BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION route()");
        var both = (await Partman.Awaiting(p => p.AdoptAsync(Events, cancellationToken: Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which;
        await Run("DROP TRIGGER \" BEFORE INSERT \" ON events");
        var done = await Partman.AdoptAsync(Events, cancellationToken: Token);

        alone.Message.Should().Contain("Of its 1 triggers before INSERT for each row (' BEFORE INSERT '), 0 look like one that sends rows to the right table: name it with RoutingTrigger.");
        both.Reasons.Should().ContainSingle().Which.Text.Should().StartWith("Trigger '\" BEFORE INSERT \"' acts on rows of the table itself only");
        done.Notes.Should().Contain(n => n.StartsWith("Trigger 'route' goes", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_a_partitioned_table_cannot_have_is_told_with_all_reasons()
    {
        await Run(Inheritance + "ALTER TABLE events ADD CONSTRAINT empty CHECK (at IS NULL) NO INHERIT, ADD CONSTRAINT once EXCLUDE USING btree (id WITH =)");

        var failure = (await Partman.Awaiting(p => p.AdoptAsync(Events, cancellationToken: Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which;

        failure.Reasons.Select(r => r.Reason).Should().Equal(InvalidDefinitionReason.Unsupported, InvalidDefinitionReason.Unsupported);
        failure.Message.Should().Contain("Check 'empty'").And.Contain("Exclusion constraint 'once'");
    }

    [Fact]
    public async Task Two_months_of_another_zone_are_not_taken_for_31_days()
    {
        await DailyTableAsync();
        await Run("CREATE TABLE a PARTITION OF events FOR VALUES FROM ('2025-11-30 23:00Z') TO ('2025-12-31 23:00Z'); CREATE TABLE b PARTITION OF events FOR VALUES FROM ('2025-12-31 23:00Z') TO ('2026-01-31 23:00Z')");

        var failure = (await Partman.Awaiting(p => p.AdoptAsync(Events, cancellationToken: Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which;
        var told = await Partman.PlanAdoptionAsync(Events, new AdoptionOptions { TimeZone = "Europe/Berlin" }, Token);

        failure.Reasons.Select(r => r.Reason).Should().Equal(InvalidDefinitionReason.TimeZone);
        told.Set.Interval.Should().Be(PgInterval.OfMonths(1));
    }

    [Fact]
    public async Task A_table_that_inherits_since_the_plan_ends_it()
    {
        await Run(Inheritance);
        var holder = await Database.DataSource.OpenConnectionAsync(Token);
        var transaction = await holder.BeginTransactionAsync(Token);
        await using (var late = new NpgsqlCommand("CREATE TABLE events_of_5 (CHECK (at >= '2001-01-01' AND at < '2001-01-02')) INHERITS (events)", holder, transaction))
            await late.ExecuteNonQueryAsync(Token);

        var adopting = Client(o => o.LockTimeout = TimeSpan.FromSeconds(30)).AdoptAsync(Events, cancellationToken: Token);
        await Eventually.TrueAsync(
            () => Ask<bool>("SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE NOT l.granted AND d.datname = current_database())"), "the adoption waits", cancellationToken: Token);
        await transaction.CommitAsync(Token);
        await holder.DisposeAsync();

        await FluentActions.Awaiting(() => adopting).Should().ThrowAsync<StalePlanException>();
        (await Ask<string>("SELECT relkind::text FROM pg_class WHERE oid = 'events'::regclass")).Should().Be("r");
    }
}
