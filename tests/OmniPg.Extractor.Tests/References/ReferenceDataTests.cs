using Microsoft.Extensions.Options;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.References;

public sealed class ReferenceDataTests(PgClusterFixture fixture)
{
    private const string Schema = """
        CREATE SCHEMA app;
        CREATE TABLE app.country (
            code text, region integer, name text, upper_name text GENERATED ALWAYS AS (upper(name)) STORED, since timestamptz, flag bytea,
            PRIMARY KEY (region, code) INCLUDE (name));
        CREATE TABLE app.city (id integer PRIMARY KEY, code text, region integer, FOREIGN KEY (region, code) REFERENCES app.country (region, code));
        CREATE TABLE app.no_key (id integer);
        CREATE TABLE app."Odd Name" ("the Key" text PRIMARY KEY, "order" integer);
        CREATE TABLE app.event (id integer PRIMARY KEY, v text) PARTITION BY RANGE (id);
        CREATE TABLE app.event_1 PARTITION OF app.event FOR VALUES FROM (0) TO (10);
        CREATE TABLE app.event_2 PARTITION OF app.event FOR VALUES FROM (10) TO (20);
        """;

    private const string Rows = """
        INSERT INTO app.country (code, region, name, since, flag) VALUES
            ('b', 2, E'tab\there', '2020-01-01 12:00+02', '\x00ff'), ('a', 10, NULL, NULL, NULL), ('B', 2, E'line\nend', NULL, NULL), ('a', 2, '\.', NULL, NULL);
        INSERT INTO app.city VALUES (1, 'a', 2);
        INSERT INTO app."Odd Name" VALUES ('z', 1), ('a', 2);
        INSERT INTO app.event VALUES (11, 'x'), (1, 'y');
        """;

    [Fact]
    public async Task Rows_of_chosen_tables_are_sorted_by_primary_key()
    {
        using var work = new ExtractionCase();
        await using var database = await DatabaseAsync();

        var report = await work.ExtractAsync(database.DataSource, "tree", o => Choose(o, "app.country", "app.\"Odd Name\"", "app.event*"));

        report.Account.IsClosed.Should().BeTrue();
        work.Content("tree").Keys.Where(static f => f.StartsWith("data/", StringComparison.Ordinal))
            .Should().Equal("data/app.Odd,20,Name.sql", "data/app.country.sql", "data/app.event.sql");
        File.ReadAllText(work.Path("tree/data/app.country.sql")).Should().Be("""
            --
            -- Data for Name: country; Type: TABLE DATA; Schema: app; Owner: postgres
            --

            COPY app.country (code, region, name, since, flag) FROM stdin;
            B	2	line\nend	\N	\N
            a	2	\\.	\N	\N
            b	2	tab\there	2020-01-01 10:00:00+00	\\x00ff
            a	10	\N	\N	\N
            \.

            """);
        File.ReadAllText(work.Path("tree/data/app.Odd,20,Name.sql")).Should().EndWith("COPY app.\"Odd Name\" (\"the Key\", \"order\") FROM stdin;\na\t2\nz\t1\n\\.\n");
        File.ReadAllText(work.Path("tree/data/app.event.sql")).Should().EndWith("COPY app.event (id, v) FROM stdin;\n1\ty\n11\tx\n\\.\n");
    }

    [Fact]
    public async Task Collation_of_the_key_does_not_decide_about_the_order()
    {
        using var work = new ExtractionCase();
        await using var database = await DatabaseAsync();
        Assert.SkipUnless(
            await database.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu')", TestContext.Current.CancellationToken),
            "This server is built without ICU.");
        await database.ExecuteAsync(
            "CREATE TABLE app.word (w text COLLATE \"und-x-icu\" PRIMARY KEY); INSERT INTO app.word VALUES ('b'), ('a'), ('B')", TestContext.Current.CancellationToken);

        await work.ExtractAsync(database.DataSource, "tree", o => Choose(o, "app.word"));

        (await database.ScalarAsync<string>("SELECT string_agg(w, '' ORDER BY w) FROM app.word", TestContext.Current.CancellationToken)).Should().Be("abB");
        File.ReadAllText(work.Path("tree/data/app.word.sql")).Should().EndWith("COPY app.word (w) FROM stdin;\nB\na\nb\n\\.\n");
    }

    [Fact]
    public async Task Order_of_insertion_does_not_matter_and_a_changed_row_changes_its_file_alone()
    {
        using var work = new ExtractionCase();
        await using var database = await DatabaseAsync();
        await work.ExtractAsync(database.DataSource, "tree", o => Choose(o, "app.country", "app.event"));
        await database.ExecuteAsync("UPDATE app.country SET name = name; UPDATE app.event SET v = v", TestContext.Current.CancellationToken);

        var moved = await work.ExtractAsync(database.DataSource, "tree", o => Choose(o, "app.country", "app.event"));
        await database.ExecuteAsync("UPDATE app.country SET name = 'new' WHERE region = 10", TestContext.Current.CancellationToken);
        var changed = await work.ExtractAsync(database.DataSource, "tree", o => Choose(o, "app.country", "app.event"));
        var diff = await work.Tree("tree").DiffAsync(database.DataSource, cancellationToken: TestContext.Current.CancellationToken);

        moved.Changed.Should().BeEmpty();
        changed.Changed.Should().Equal(new TreeFile("data/app.country.sql", FileStatus.Updated));
        diff.IsEmpty.Should().BeTrue();
    }

    [Fact]
    public async Task Replay_loads_the_rows_before_foreign_keys()
    {
        using var work = new ExtractionCase();
        await using var database = await DatabaseAsync();
        await using var target = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await work.ExtractAsync(database.DataSource, "tree", o => Choose(o, "app.c*", "app.event"));

        await work.Tree("tree").ReplayAsync(target.DataSource, new ReplayOptions { SingleTransaction = true }, TestContext.Current.CancellationToken);

        const string Checksum = """
            SELECT md5(string_agg(c::text, '|' ORDER BY region, code)) || (SELECT string_agg(e::text, '|' ORDER BY id) FROM app.event e)
                || (SELECT string_agg(t::text, '|' ORDER BY id) FROM app.city t) FROM app.country c
            """;
        var expected = await database.ScalarAsync<string>(Checksum, TestContext.Current.CancellationToken);
        (await target.ScalarAsync<string>(Checksum, TestContext.Current.CancellationToken)).Should().Be(expected).And.EndWith("(1,y)|(11,x)(1,a,2)");
    }

    [Fact]
    public async Task Rows_are_those_of_the_snapshot_of_the_definitions()
    {
        using var work = new ExtractionCase();
        await using var database = await DatabaseAsync();
        var extractor = new SchemaExtractor(new ExtractorOptions { Tools = PgTools.Tools }, launcher: new BeforeStart(() => database.ExecuteAsync(
            "INSERT INTO app.event VALUES (5, 'late'); CREATE TABLE app.late ()", TestContext.Current.CancellationToken)));

        await extractor.From(database.DataSource).RunAsync(work.Path("tree"), new ExtractionOptions { ReferenceTables = ["app.event"] }, cancellationToken: TestContext.Current.CancellationToken);

        (await database.ScalarAsync<long>("SELECT count(*) FROM app.event WHERE v = 'late'", TestContext.Current.CancellationToken)).Should().Be(1);
        File.ReadAllText(work.Path("tree/data/app.event.sql")).Should().EndWith("FROM stdin;\n1\ty\n11\tx\n\\.\n");
        File.Exists(work.Path("tree/tables/app.late.sql")).Should().BeFalse();
    }

    [Fact]
    public async Task What_cannot_be_sorted_or_found_is_refused_and_the_tree_stays()
    {
        using var work = new ExtractionCase();
        await using var database = await DatabaseAsync();
        await work.DumpAsync(fixture.Cluster, database.Name);

        var keyless = () => work.ExtractAsync(database.DataSource, "tree", o => Choose(o, "app.no_key"));
        var missing = () => work.ExtractAsync(database.DataSource, "tree", o => Choose(o, "app.country", "app.Odd Name"));
        var archive = () => work.ExtractAsync(work.Path("all.dump"), "tree", o => Choose(o, "app.country"));
        var both = () => work.ExtractAsync(database.DataSource, "tree", o => (o.Data, _) = (new DataOptions(), Choose(o, "app.country")));

        (await keyless.Should().ThrowAsync<ExtractorOptionException>()).WithMessage("The table 'app.no_key' has no primary key, so its rows have no stable order. Hint: Give it a primary key, or extract it with all rows by Data.");
        (await missing.Should().ThrowAsync<ExtractorOptionException>()).WithMessage("There is no table 'app.Odd Name'. Hint: *");
        (await archive.Should().ThrowAsync<OptionsValidationException>()).WithMessage("Reference data is read from a server;*");
        (await both.Should().ThrowAsync<OptionsValidationException>()).WithMessage("Data writes the rows of all tables, ReferenceTables those of some; set one of them.");
        Directory.Exists(work.Path("tree")).Should().BeFalse();
    }

    [Fact]
    public async Task Rows_that_a_policy_would_hide_are_an_error()
    {
        using var work = new ExtractionCase();
        await using var database = await DatabaseAsync();
        await database.ExecuteAsync("""
            DO $$ BEGIN CREATE ROLE reference_reader LOGIN; END $$;
            GRANT USAGE ON SCHEMA app TO reference_reader;
            GRANT SELECT ON ALL TABLES IN SCHEMA app TO reference_reader;
            ALTER TABLE app.city ENABLE ROW LEVEL SECURITY;
            """, TestContext.Current.CancellationToken);
        try
        {
            var settings = new NpgsqlConnectionStringBuilder(database.ConnectionString) { Username = "reference_reader", Pooling = false };
            await using var reader = NpgsqlDataSource.Create(settings);

            var act = () => work.ExtractAsync(reader, "tree", o => Choose(o, "app.city"));

            var error = (await act.Should().ThrowAsync<ReferenceDataException>()).Which;
            error.Table.Should().Be("app.city");
            error.Message.Should().Be("Rows of 'app.city' cannot be read: query would be affected by row-level security policy for table \"city\""
                + " Hint: Grant SELECT on the table, and where it has policies, extract as its owner or with BYPASSRLS.");
            File.Exists(work.Path("tree/omnipg.manifest.json")).Should().BeFalse();
        }
        finally
        {
            await database.ExecuteAsync("DROP OWNED BY reference_reader; DROP ROLE reference_reader", TestContext.Current.CancellationToken);
        }
    }

    private static int Choose(ExtractionOptions options, params string[] tables)
    {
        options.ReferenceTables = tables;
        return tables.Length;
    }

    private async Task<TestDatabase> DatabaseAsync()
    {
        var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync(Schema + Rows, TestContext.Current.CancellationToken);
        return database;
    }

    private sealed class BeforeStart(Func<Task> action) : IProcessLauncher
    {
        private readonly InterruptingLauncher _launcher = new(long.MaxValue, static _ => Task.CompletedTask);

        public async ValueTask<IExternalProcess> StartAsync(ExternalProcessOptions options, CancellationToken cancellationToken = default)
        {
            await action();
            return await _launcher.StartAsync(options, cancellationToken);
        }
    }
}
