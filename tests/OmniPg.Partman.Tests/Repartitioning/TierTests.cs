using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Repartitioning;

/// <summary>Cold partitions that are kept otherwise: elsewhere, by another access method, compressed otherwise, with other indexes.</summary>
public sealed class TierTests(PgClusterFixture fixture) : RepartitionTest(fixture)
{
    private const string Values = "SELECT string_agg(DISTINCT pg_column_compression(note) || ' ' || pg_column_compression(words), ',') FROM ";
    private const string Kinds = "SELECT string_agg(format('%s %s%s', i.indrelid::regclass, m.amname, CASE WHEN i.indisvalid THEN '' ELSE ' broken' END), ',' ORDER BY i.indrelid::regclass::text, m.amname) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam WHERE NOT i.indisunique AND i.indrelid IN (SELECT relid FROM pg_partition_tree('events') WHERE isleaf)";

    private const string Checks = "SELECT string_agg(concat_ws(' ', k.conrelid::regclass, k.conname), ',') FROM pg_constraint k WHERE k.conname LIKE 'omnipg_attach_%'";

    private static TierOptions Of(params TierPolicy[] policies) => new() { Policies = policies, BatchSize = 7 };

    /// <summary>Rows up to 25, of values that are compressed by pglz.</summary>
    private async Task CreateAsync(string template = "")
    {
        await Run($"CREATE TABLE events (id bigint PRIMARY KEY, note text COMPRESSION pglz, words text[] COMPRESSION pglz, length int GENERATED ALWAYS AS (length(note)) STORED) PARTITION BY RANGE (id); {template}");
        await Partman.CreateAsync(Events, Tens(o => o.Template = template.Length > 0 ? QualifiedName.Parse("public.form") : (QualifiedName?)null), Token);
        await Run("INSERT INTO events SELECT n, repeat('note ' || n, 2000), CASE WHEN n % 3 > 0 THEN ARRAY[repeat('a', 5000), NULL, n::text] END FROM generate_series(1, 25) n");
        await MaintainAsync();
    }

    [Fact]
    public async Task A_partition_whose_bound_is_finer_than_is_counted_is_not_copied_without_its_last_rows()
    {
        await Run("CREATE TABLE events (id numeric PRIMARY KEY, note text COMPRESSION pglz) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(Events, Tens(), Token);
        await Run("INSERT INTO events SELECT n, repeat('note ' || n, 2000) FROM generate_series(1, 25) n");
        await MaintainAsync();
        await Run("CREATE TABLE odd PARTITION OF events FOR VALUES FROM (-20) TO (-9.5); INSERT INTO events VALUES (-9.7, repeat('x', 9000))");

        var tiers = await Partman.Awaiting(p => p.ApplyTiersAsync(Events, Of(new TierPolicy { IdsBehind = 1, Compression = "lz4" }), cancellationToken: Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>();
        await Partman.RepartitionAsync(Events, new RepartitionOptions { IdInterval = 20, Rewrite = true }, cancellationToken: Token);

        const string reason = "Bound '-9.5' of 'public.odd' is finer than is counted here, and the rows beside it would be left out.";
        tiers.Which.Reasons.Should().ContainSingle().Which.Text.Should().Be(reason);
        (await Ask<long>("SELECT count(*) FROM events")).Should().Be(26);
    }

    [Fact]
    public async Task What_a_policy_cannot_get_is_told_before_anything_is_copied()
    {
        await CreateAsync();
        var keeping = Of(new TierPolicy { IdsBehind = 12, Compression = "lz4" });
        keeping.KeepTables = true;
        (await Partman.ApplyTiersAsync(Events, keeping, cancellationToken: Token)).Should().ContainSingle();
        await Run("UPDATE events SET note = note || '' WHERE id < 10");
        var back = Of(new TierPolicy { IdsBehind = 12, Compression = "pglz" });
        back.KeepTables = true;

        var kept = await Partman.Awaiting(p => p.ApplyTiersAsync(Events, back, cancellationToken: Token)).Should().ThrowAsync<PartitionNameCollisionException>();
        var typeless = await Partman.Awaiting(p => p.ApplyTiersAsync(Events, Of(new TierPolicy { IdsBehind = 1, BrinColumns = ["words"] }), cancellationToken: Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>();
        await Run("CREATE TABLE notes (note text PRIMARY KEY); TRUNCATE events; ALTER TABLE events ADD FOREIGN KEY (note) REFERENCES notes; CREATE TABLE cold PARTITION OF events FOR VALUES FROM (-10) TO (0); INSERT INTO notes VALUES ('n'); INSERT INTO events VALUES (25, 'n')");
        var referring = await Partman.Awaiting(p => p.ApplyTiersAsync(Events, Of(new TierPolicy { IdsBehind = 1, Compression = "pglz" }), cancellationToken: Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>();

        kept.Which.Message.Should().Contain("events_p0_omnipg_old");
        typeless.Which.Reasons.Should().ContainSingle().Which.Text.Should().Be("No index of kind BRIN takes the type of column 'words'.");
        referring.Which.Reasons.Should().Contain(r => r.Text.StartsWith("Its foreign key 'events_note_fkey' would be checked for all rows"));
        (await Ask<long>("SELECT count(*) FROM pg_class WHERE relname ~ '_omnipg_' AND relkind = 'v'")).Should().Be(0);
    }

    /// <summary>A tablespace that this test has for itself.</summary>
    private async Task<string> SpaceAsync()
    {
        var name = "tier" + Guid.NewGuid().ToString("N");
        await using var session = new Npgsql.NpgsqlConnection(Database.ConnectionString + ";Pooling=false");
        await session.OpenAsync(Token);
        foreach (var sql in new[] { "SET allow_in_place_tablespaces = on", $"CREATE TABLESPACE {name} LOCATION ''" })
        {
            await using var command = new Npgsql.NpgsqlCommand(sql, session);
            await command.ExecuteNonQueryAsync(Token);
        }
        return name;
    }

    private Task<string> SpacesAsync(string table) => Ask<string>(
        $"SELECT string_agg(DISTINCT COALESCE(t.spcname, 'usual'), ',') FROM pg_class c LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE c.oid IN (SELECT '{table}'::regclass UNION SELECT indexrelid FROM pg_index WHERE indrelid = '{table}'::regclass UNION SELECT reltoastrelid FROM pg_class WHERE oid = '{table}'::regclass)");

    [Fact]
    public async Task A_cold_partition_moves_with_its_indexes_and_is_compressed_anew_and_no_row_is_another()
    {
        Assert.SkipWhen(Cluster.MajorVersion < 15, "A tablespace of a test needs allow_in_place_tablespaces, of PostgreSQL 15.");
        await CreateAsync();
        var space = await SpaceAsync();
        await Run("CREATE INDEX ON events_p0 (note); COMMENT ON TABLE events_p0 IS 'old'; CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler");
        var (content, before) = (await Ask<string>(Content), await Ask<string>(Values + "events"));
        var options = Of(new TierPolicy { IdsBehind = 1, Compression = "lz4" }, new TierPolicy { IdsBehind = 12, Tablespace = space, AccessMethod = "other" });

        var plan = await Partman.PlanTiersAsync(Events, options, Token);
        var done = await Partman.ApplyTiersAsync(Events, options, cancellationToken: Token);
        var again = await Partman.ApplyTiersAsync(Events, options, cancellationToken: Token);

        before.Should().Be("pglz pglz");
        plan.Steps.Select(s => s.Kind).Should().Equal("log-keys", "copy-rows", "swap-partitions", "log-keys", "copy-rows", "swap-partitions");
        done.Select(d => (d.Partition.Name.Value, string.Join(' ', d.Changes), d.Rows)).Should().Equal(("events_p0", "Tablespace AccessMethod Compression", 9), ("events_p10", "Compression", 10));
        again.Should().BeEmpty();
        (await Partman.PlanTiersAsync(Events, options, Token)).IsEmpty.Should().BeTrue();
        (await Ask<string>(Content)).Should().Be(content);
        (await Ask<string>(Values + "events_p0")).Should().Be("lz4 lz4");
        (await Ask<string>(Values + "events_p10")).Should().Be("lz4 lz4");
        (await Ask<string>(Values + "events_p20")).Should().Be("pglz pglz");
        (await SpacesAsync("events_p0")).Should().Be(space);
        (await SpacesAsync("events_p10")).Should().Be("usual");
        (await Ask<string>("SELECT concat_ws(' ', m.amname, obj_description(c.oid), (SELECT count(*) FROM pg_index WHERE indrelid = c.oid)) FROM pg_class c JOIN pg_am m ON m.oid = c.relam WHERE c.oid = 'events_p0'::regclass")).Should().Be("other old 2");
        (await Ask<string>("SELECT DISTINCT m.amname::text FROM pg_class c JOIN pg_am m ON m.oid = c.relam WHERE c.oid = 'events_p10'::regclass")).Should().Be("heap");
        (await Ask<long>(Left)).Should().Be(0);
        (await MaintainAsync()).Changes.Should().BeEmpty();
    }

    [Fact]
    public async Task A_partition_that_is_compressed_anew_later_stays_where_an_older_policy_took_it()
    {
        Assert.SkipWhen(Cluster.MajorVersion < 15, "A tablespace of a test needs allow_in_place_tablespaces, of PostgreSQL 15.");
        await CreateAsync();
        var space = await SpaceAsync();

        await Partman.ApplyTiersAsync(Events, Of(new TierPolicy { IdsBehind = 12, Tablespace = space }), cancellationToken: Token);
        var packed = await Ask<string>(Values + "events_p0");
        await Partman.ApplyTiersAsync(Events, Of(new TierPolicy { IdsBehind = 12, Compression = "lz4" }), cancellationToken: Token);

        packed.Should().Be("pglz pglz");
        (await SpacesAsync("events_p0")).Should().Be(space);
        (await Ask<string>(Values + "events_p0")).Should().Be("lz4 lz4");
    }

    [Fact]
    public async Task A_brin_index_takes_the_place_of_one_that_the_template_gave()
    {
        await CreateAsync("CREATE TABLE form (LIKE events); CREATE INDEX ON form (length); CREATE INDEX ON form (length, id)");
        var options = Of(new TierPolicy { IdsBehind = 12, BrinColumns = ["length"] });

        var done = await Partman.ApplyTiersAsync(Events, options, cancellationToken: Token);
        var again = await Partman.ApplyTiersAsync(Events, options, cancellationToken: Token);
        await Partman.ApplyTiersAsync(Events, Of(new TierPolicy { IdsBehind = 12, Compression = "lz4", BrinColumns = ["length"] }), cancellationToken: Token);

        done.Select(d => (d.Partition.Name.Value, string.Join(' ', d.Changes), d.Rows)).Should().Equal(("events_p0", "Index", 0));
        again.Should().BeEmpty();
        (await Ask<string>(Kinds)).Should().StartWith("events_p0 brin,events_p0 btree,events_p10 btree,events_p10 btree,events_p20");
        (await Ask<string>(Values + "events_p0")).Should().Be("lz4 lz4");
    }

    [Fact]
    public async Task An_index_that_was_never_finished_is_made_anew()
    {
        await CreateAsync();
        await Run("CREATE INDEX left_over ON events_p0 USING brin (id); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'left_over'::regclass");

        await Partman.ApplyTiersAsync(Events, Of(new TierPolicy { IdsBehind = 12, BrinColumns = ["id"] }), cancellationToken: Token);

        (await Ask<string>(Kinds)).Should().Be("events_p0 brin");
        (await Ask<long>("SELECT count(*) FROM pg_class WHERE relname = 'left_over'")).Should().Be(0);
    }

    [Theory]
    [InlineData("BEGIN; LOCK TABLE events_p0 IN SHARE MODE", 3, null)]
    [InlineData("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1", 3, null)]
    [InlineData("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM events_p0", 1, "events_p0 brin broken")]
    public async Task An_index_that_somebody_keeps_from_its_end_is_given_up_and_the_next_run_makes_it(string holding, int attempts, string? left)
    {
        await CreateAsync();
        await using var other = await Database.DataSource.OpenConnectionAsync(Token);
        await using (var hold = new Npgsql.NpgsqlCommand(holding, other))
            await hold.ExecuteNonQueryAsync(Token);
        var options = Of(new TierPolicy { IdsBehind = 12, BrinColumns = ["id"] });

        var refused = (await Partman.Awaiting(p => p.ApplyTiersAsync(Events, options, cancellationToken: Token)).Should().ThrowAsync<PartitionLockTimeoutException>()).Which;
        var now = await Ask<string?>(Kinds);
        await using (var end = new Npgsql.NpgsqlCommand("COMMIT", other))
            await end.ExecuteNonQueryAsync(Token);
        var plan = await Partman.PlanTiersAsync(Events, options, Token);
        await Partman.ApplyTiersAsync(Events, options, cancellationToken: Token);

        refused.Message.Should().StartWith($"'build-index' on 'public.events' did not get its locks in {attempts} attempts of 0.2 s");
        refused.Holders.Select(h => h.ProcessId).Should().Contain(other.ProcessID);
        now.Should().Be(left);
        plan.Steps.Select(s => s.Kind).Should().Equal(left is null ? ["build-index"] : ["drop-index", "build-index"]);
        (await Ask<string>(Kinds)).Should().Be("events_p0 brin");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_check_that_a_killed_run_left_for_a_partition_without_a_beginning_goes_with_the_next_one(bool isTiering)
    {
        await CreateAsync();
        await Run("CREATE TABLE first PARTITION OF events FOR VALUES FROM (MINVALUE) TO (0); INSERT INTO events VALUES (-5, repeat('x', 9000)); ANALYZE events_default");
        var client = Client(o => o.SafeAttachBytes = 0);
        var options = Of(new TierPolicy { IdsBehind = 20, Compression = "lz4" });
        var plan = await client.PlanTiersAsync(Events, options, Token);
        await Run(plan.Steps.First(s => s.Kind == "reserve-ranges").Sql!);
        var left = await Ask<string>(Checks);

        if (isTiering)
            await client.ApplyTiersAsync(Events, options, cancellationToken: Token);
        else
            (await MaintainAsync(client: client)).Error.Should().BeNull();

        left.Should().Be("events_default omnipg_attach_min");
        (await Ask<string?>(Checks)).Should().BeNull();
        (await Ask<string>("SELECT pg_column_compression(note) FROM first")).Should().Be(isTiering ? "lz4" : "pglz");
    }

    [Fact]
    public async Task Ages_of_a_set_by_time_are_counted_back_from_the_clock()
    {
        await Run("CREATE TABLE events (at timestamptz PRIMARY KEY, note text COMPRESSION pglz) PARTITION BY RANGE (at)");
        await Partman.CreateAsync(Events, Daily(), Token);
        await Run("INSERT INTO events SELECT now() - n * interval '1 day', repeat('a', 5000) FROM generate_series(0, 3) n");
        var days = (await NamesAsync()).Where(n => n != "events_default").Order(StringComparer.Ordinal).ToArray();

        var done = await Partman.ApplyTiersAsync(Events, Of(new TierPolicy { OlderThan = PgInterval.OfDays(2), Compression = "lz4" }), cancellationToken: Token);

        // The days that ended two days ago and before: of nine, the fifth is today.
        done.Select(d => d.Partition.Name.Value).Should().Equal(days[0], days[1]);
    }

    [Fact]
    public async Task What_cannot_be_is_refused_with_all_reasons_before_anything_changes()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL, note text COMPRESSION pglz) PARTITION BY RANGE (id); CREATE INDEX ON events (id)");
        await Partman.CreateAsync(Events, Tens(), Token);
        await Run("INSERT INTO events SELECT n, 'n' FROM generate_series(1, 25) n");
        var tiers = (TierPolicy policy) => Partman.Awaiting(p => p.ApplyTiersAsync(Events, Of(policy), cancellationToken: Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>();

        var lacking = (await tiers(new TierPolicy { IdsBehind = 1, Tablespace = "nowhere", AccessMethod = "brin", BrinColumns = ["nothing"] })).Which;
        var other = (await tiers(new TierPolicy { OlderThan = PgInterval.OfDays(1), Compression = "pglz" })).Which;
        var own = (await tiers(new TierPolicy { IdsBehind = 1, Compression = "lz4", BrinColumns = ["id"] })).Which;

        lacking.Reasons.Select(r => r.Text).Should().Equal("There is no tablespace 'nowhere'.", "There is no access method 'brin' for tables.", "There is no column 'nothing'.");
        other.Reasons.Should().ContainSingle().Which.Text.Should().Be("It is a set by id, whose policies say 'IdsBehind'.");
        own.Reasons.Select(r => r.Reason).Should().Equal(InvalidDefinitionReason.Unsupported, InvalidDefinitionReason.NoKey);
        own.Reasons[0].Text.Should().StartWith("Index 'events_p0_id_idx' on column 'id' of its partitions is part of one that it has itself");
        (await Ask<long>(Left)).Should().Be(0);
    }

    [Fact]
    public async Task A_tablespace_that_the_role_may_not_use_is_told_with_the_grant()
    {
        Assert.SkipWhen(Cluster.MajorVersion < 15, "A tablespace of a test needs allow_in_place_tablespaces, of PostgreSQL 15.");
        await CreateAsync();
        var space = await SpaceAsync();
        var role = "tier" + Guid.NewGuid().ToString("N");
        await Run($"CREATE ROLE {role} LOGIN; GRANT CREATE ON SCHEMA public TO {role}; ALTER TABLE events OWNER TO {role}; DO $$ DECLARE t text; BEGIN FOR t IN SELECT relid::regclass FROM pg_partition_tree('events') LOOP EXECUTE 'ALTER TABLE ' || t || ' OWNER TO {role}'; END LOOP; END $$");
        await Run(await Partman.GetGrantScriptAsync(PgIdentifier.Create(role), Token));
        await using var source = Npgsql.NpgsqlDataSource.Create(Database.ConnectionString + $";Username={role}");
        var own = new PartmanClient(source);
        var options = Of(new TierPolicy { IdsBehind = 12, Tablespace = space });

        var refused = (await own.Awaiting(p => p.ApplyTiersAsync(Events, options, cancellationToken: Token)).Should().ThrowAsync<PartmanPrivilegeException>()).Which;
        await Run(refused.MissingGrants.Single());
        await own.ApplyTiersAsync(Events, options, cancellationToken: Token);

        refused.MissingGrants.Should().Equal($"GRANT CREATE ON TABLESPACE \"{space}\" TO \"{role}\";");
        (await SpacesAsync("events_p0")).Should().Be(space);
    }

    [Theory]
    [InlineData("Policies must hold one at least.")]
    [InlineData("Exactly one of OlderThan '' and IdsBehind '' must be given.", true)]
    [InlineData("A policy must say something", true, 3)]
    [InlineData("Compression 'zstd' is none of pglz, lz4.", true, 3, "zstd")]
    public async Task Options_that_cannot_work_are_refused(string failure, bool hasPolicy = false, int ids = 0, string? compression = null)
    {
        var options = Of(hasPolicy ? [new TierPolicy { IdsBehind = ids > 0 ? ids : null, Compression = compression }] : []);

        (await Partman.Awaiting(p => p.PlanTiersAsync(Events, options, Token)).Should().ThrowAsync<Microsoft.Extensions.Options.OptionsValidationException>()).Which.Message.Should().Contain(failure);
    }
}
