using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Data;

public sealed class DataRoundTripTests(PgClusterFixture fixture)
{
    private const string Schema = """"
        CREATE SCHEMA app;
        CREATE TABLE app.odd (id integer PRIMARY KEY, t text, b bytea, d double precision, a text[], j jsonb, g integer GENERATED ALWAYS AS (id * 2) STORED);
        INSERT INTO app.odd (id, t, b, d, a, j) VALUES
            (1, NULL, NULL, 'NaN', NULL, NULL),
            (2, '', '', '-Infinity', '{}', '{}'),
            (3, E'a\tb\r\nc\\.\n\\.\nd', '\x00ff0a5c2e', 0.1, ARRAY['x,y', NULL, '"'], '{"a": [1, null]}'),
            (4, E'\\.', '\x5c2e', 1e308, ARRAY['\N'], '"\\."'),
            (5, E'--\n-- Name: odd; Type: TABLE; Schema: app; Owner: postgres\n--\n', decode(repeat('ab', 5000), 'hex'), 1, NULL, NULL),
            (6, E'it''s; $$ "quoted" \\', NULL, 2, NULL, NULL),
            (7, E'üñ\U0001F600', NULL, 3, NULL, NULL);
        CREATE TABLE app."Odd ""name""" ("select" integer, "a b" text);
        INSERT INTO app."Odd ""name""" VALUES (1, 'x'), (2, NULL);
        CREATE TABLE app.no_columns (); INSERT INTO app.no_columns DEFAULT VALUES; INSERT INTO app.no_columns DEFAULT VALUES;
        CREATE TABLE app.empty (id integer);
        CREATE TABLE app.parts (at integer) PARTITION BY RANGE (at);
        CREATE TABLE app.parts_1 PARTITION OF app.parts FOR VALUES FROM (0) TO (10);
        INSERT INTO app.parts VALUES (1), (2);
        CREATE SEQUENCE app.called START 5; SELECT nextval('app.called'), nextval('app.called');
        CREATE SEQUENCE app.untouched START 7;
        CREATE TABLE app.ids (id integer GENERATED ALWAYS AS IDENTITY, s serial); INSERT INTO app.ids DEFAULT VALUES;
        CREATE MATERIALIZED VIEW app.totals AS SELECT count(*) AS n FROM app.odd;
        CREATE MATERIALIZED VIEW app.unfilled AS SELECT 1 AS one WITH NO DATA;
        SELECT lo_from_bytea(4711, '\x00010203ff'); COMMENT ON LARGE OBJECT 4711 IS 'five bytes';
        """";

    private const string Checksum = """"
        SELECT concat_ws('|',
            (SELECT string_agg(md5(o::text), ',' ORDER BY id) FROM app.odd o), (SELECT string_agg(md5(o::text), ',' ORDER BY "select") FROM app."Odd ""name""" o),
            (SELECT count(*) FROM app.no_columns), (SELECT count(*) FROM app.empty), (SELECT string_agg(at::text, ',' ORDER BY at) FROM ONLY app.parts_1),
            (SELECT (last_value, is_called) FROM app.called), (SELECT (last_value, is_called) FROM app.untouched),
            (SELECT string_agg(i::text, ',' ORDER BY id) FROM app.ids i), (SELECT last_value FROM app.ids_id_seq), (SELECT last_value FROM app.ids_s_seq),
            (SELECT n FROM app.totals), (SELECT relispopulated FROM pg_class WHERE oid = 'app.unfilled'::regclass))
        """";

    [Theory]
    [InlineData(DataFormat.Copy, null, false, false)]
    [InlineData(DataFormat.Copy, null, false, true)]
    [InlineData(DataFormat.Inserts, null, false, false)]
    [InlineData(DataFormat.Inserts, 3, false, true)]
    [InlineData(DataFormat.ColumnInserts, 2, true, false)]
    public async Task Replayed_data_has_the_same_checksums(DataFormat format, int? rowsPerInsert, bool skipsExisting, bool singleTransaction)
    {
        using var work = new ExtractionCase();
        await using var source = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync(Schema, TestContext.Current.CancellationToken);
        await using var target = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);

        await work.ExtractAsync(source.DataSource, "tree", o => o.Data = new DataOptions
        {
            Format = format, RowsPerInsert = rowsPerInsert, OnConflictDoNothing = skipsExisting, IncludeLargeObjects = true,
        });
        await work.Tree("tree").ReplayAsync(target.DataSource, new ReplayOptions { SingleTransaction = singleTransaction }, TestContext.Current.CancellationToken);

        (await target.ScalarAsync<string>(Checksum, TestContext.Current.CancellationToken))
            .Should().Be(await source.ScalarAsync<string>(Checksum, TestContext.Current.CancellationToken)).And.Contain("|2|0|1,2|(6,t)|(7,f)|").And.EndWith("|1|1|7|f");
        (await target.ScalarAsync<byte[]>("SELECT lo_get(4711)", TestContext.Current.CancellationToken)).Should().Equal(0, 1, 2, 3, 255);
        (await target.ScalarAsync<string>("SELECT obj_description(4711, 'pg_largeobject')", TestContext.Current.CancellationToken)).Should().Be("five bytes");
    }

    [Theory]
    [InlineData(DataFormat.Inserts, null, false, "INSERT INTO app.\"Odd \"\"name\"\"\" VALUES (1, 'x');\nINSERT INTO app.\"Odd \"\"name\"\"\" VALUES (2, NULL);\n")]
    [InlineData(DataFormat.Inserts, 10, false, "INSERT INTO app.\"Odd \"\"name\"\"\" VALUES\n\t(1, 'x'),\n\t(2, NULL);\n")]
    [InlineData(DataFormat.ColumnInserts, null, true, "INSERT INTO app.\"Odd \"\"name\"\"\" (\"select\", \"a b\") VALUES (1, 'x') ON CONFLICT DO NOTHING;\nINSERT INTO app.\"Odd \"\"name\"\"\" (\"select\", \"a b\") VALUES (2, NULL) ON CONFLICT DO NOTHING;\n")]
    [InlineData(DataFormat.Copy, null, false, "COPY app.\"Odd \"\"name\"\"\" (\"select\", \"a b\") FROM stdin;\n1\tx\n2\t\\N\n\\.\n")]
    public async Task Data_files_hold_rows_as_asked(DataFormat format, int? rowsPerInsert, bool skipsExisting, string expected)
    {
        using var work = new ExtractionCase();
        await using var source = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync(Schema, TestContext.Current.CancellationToken);

        var report = await work.ExtractAsync(source.DataSource, "tree",
            o => o.Data = new DataOptions { Format = format, RowsPerInsert = rowsPerInsert, OnConflictDoNothing = skipsExisting });

        File.ReadAllText(work.Path("tree/data/app.Odd,20,,22,name,22,.sql")).Should().EndWith("; Owner: postgres\n--\n\n" + expected);
        File.ReadAllText(work.Path("tree/sequences/app.called.sql")).Should().EndWith("SELECT pg_catalog.setval('app.called', 6, true);\n");
        File.ReadAllText(work.Path("tree/tables/app.ids.sql")).Should().Contain("SELECT pg_catalog.setval('app.ids_id_seq', 1, true);\n");
        File.ReadAllText(work.Path("tree/views/app.totals.sql")).Should().EndWith("REFRESH MATERIALIZED VIEW app.totals;\n");
        File.ReadAllText(work.Path("tree/views/app.unfilled.sql")).Should().NotContain("REFRESH");
        report.Files.Should().NotContain(file => file.Path.Contains("large_objects", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Tree_with_data_is_stable_and_a_changed_row_changes_its_file_alone()
    {
        using var work = new ExtractionCase();
        await using var source = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync(Schema, TestContext.Current.CancellationToken);
        var data = new DataOptions { IncludeLargeObjects = true };
        await work.ExtractAsync(source.DataSource, "tree", o => o.Data = data);

        var same = await work.ExtractAsync(source.DataSource, "tree", o => o.Data = data);
        await source.ExecuteAsync("INSERT INTO app.empty VALUES (1)", TestContext.Current.CancellationToken);
        var changed = await work.ExtractAsync(source.DataSource, "tree", o => o.Data = data);

        same.Changed.Should().BeEmpty();
        changed.Changed.Should().Equal(new TreeFile("data/app.empty.sql", FileStatus.Updated));
    }
}
