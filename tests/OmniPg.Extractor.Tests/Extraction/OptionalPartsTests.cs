using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Extraction;

public sealed class OptionalPartsTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task Overloads_can_have_a_file_per_signature()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("""
            CREATE FUNCTION f(a integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION f(text, VARIADIC numeric[]) RETURNS integer LANGUAGE sql AS 'SELECT 2';
            COMMENT ON FUNCTION f(integer) IS 'one'; REVOKE ALL ON FUNCTION f(text, numeric[]) FROM PUBLIC; CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 3';
            """, TestContext.Current.CancellationToken);

        var together = await work.ExtractAsync(database.DataSource, "together", o => o.Kinds = ObjectKinds.Routines);
        var apart = await work.ExtractAsync(database.DataSource, "apart", o => (o.Kinds, o.Layout.FilePerSignature) = (ObjectKinds.Routines, true));

        together.Files.Select(file => file.Path).Should().Equal("functions/public.f.sql", "procedures/public.p.sql");
        apart.Files.Select(file => file.Path).Should().Equal(
            "functions/public.f,28,integer,29,.sql", "functions/public.f,28,text,2c,,20,numeric,5b,,5d,,29,.sql", "procedures/public.p,28,,29,.sql");
        File.ReadAllText(work.Path("apart/functions/public.f,28,integer,29,.sql")).Should().Contain("COMMENT ON FUNCTION").And.NotContain("REVOKE");
        File.ReadAllText(work.Path("apart/functions/public.f,28,text,2c,,20,numeric,5b,,5d,,29,.sql")).Should().Contain("REVOKE ALL").And.NotContain("COMMENT ON");
        (await work.Tree("apart").DiffAsync(database.DataSource, cancellationToken: TestContext.Current.CancellationToken)).IsEmpty.Should().BeTrue();
    }

    [Theory]
    [InlineData(false, "tables/app.t.sql")]
    [InlineData(true, "statistics/app.t.sql", "tables/app.t.sql")]
    public async Task Optimizer_statistics_have_their_own_folder_on_request(bool wanted, params string[] files)
    {
        using var work = new ExtractionCase();
        var builder = new ArchiveBuilder { Version = new ArchiveVersion(1, 16), DumpVersion = "18.1" };
        builder.Entries.AddRange(
        [
            ArchiveBuilder.EncodingEntry(),
            new(2, "TABLE", "t") { Namespace = "app", Definition = "CREATE TABLE app.t (\n    id integer\n);\n", Drop = "DROP TABLE app.t;\n", RelKind = 'r' },
            new(3, "STATISTICS DATA", "t")
            {
                Section = 3, Namespace = "app", Owner = null, Dependencies = ["2"],
                Definition = "SELECT * FROM pg_catalog.pg_restore_relation_stats(\n\t'version', '180001'::integer,\n\t'schemaname', 'app',\n\t'relname', 't'\n);\n",
            },
        ]);
        File.WriteAllBytes(work.Path("18.dump"), builder.Build());

        var report = await work.ExtractAsync(work.Path("18.dump"), "tree", o => o.StatisticsData = wanted);

        report.Files.Select(file => file.Path).Should().Equal(files);
        report.Account.Filtered.Should().Be(wanted ? 0 : 1);
        if (wanted)
            File.ReadAllText(work.Path("tree/statistics/app.t.sql")).Should().StartWith("--\n-- Statistics for Name: t; Type: STATISTICS DATA; Schema: app; Owner: -\n--\n\nSELECT * FROM pg_catalog.pg_restore_relation_stats(");
        File.ReadAllText(work.Path("tree/tables/app.t.sql")).Should().NotContain("pg_restore_relation_stats");
    }

    [Fact]
    public async Task Kinds_can_be_left_out_of_a_replay()
    {
        using var work = new ExtractionCase();
        await using var source = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var target = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("""
            CREATE TABLE t (id integer); CREATE PUBLICATION pub FOR TABLE t;
            CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER watch ON ddl_command_start EXECUTE FUNCTION watch();
            COMMENT ON EVENT TRIGGER watch IS 'hello';
            CREATE SUBSCRIPTION sub CONNECTION 'host=nowhere' PUBLICATION pub WITH (connect = false, slot_name = NONE);
            """, TestContext.Current.CancellationToken);
        await work.ExtractAsync(source.DataSource, "tree");
        await source.ExecuteAsync("DROP SUBSCRIPTION sub", TestContext.Current.CancellationToken);

        await work.Tree("tree").ReplayAsync(target.DataSource, new ReplayOptions
        {
            Kinds = ObjectKinds.All & ~(ObjectKinds.Database | ObjectKinds.EventTriggers | ObjectKinds.Publications | ObjectKinds.Subscriptions),
        }, TestContext.Current.CancellationToken);

        (await target.ScalarAsync<string>("""
            SELECT (SELECT count(*) FROM pg_event_trigger) || ' ' || (SELECT count(*) FROM pg_publication) || ' '
                || (SELECT count(*) FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE datname = current_database()) || ' ' || to_regclass('t') || ' ' || 'watch()'::regprocedure
            """, TestContext.Current.CancellationToken)).Should().Be("0 0 0 t watch()");
    }

    [Fact]
    public async Task Result_does_not_depend_on_parallelism_and_progress_is_told_to_the_end()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("DO $$ BEGIN FOR i IN 1..60 LOOP EXECUTE format('CREATE TABLE t%s (id integer PRIMARY KEY)', i); END LOOP; END $$", TestContext.Current.CancellationToken);
        var told = new Told();

        await work.ExtractAsync(database.DataSource, "one", o => o.MaxDegreeOfParallelism = 1);
        await work.Extractor.From(database.DataSource).RunAsync(work.Path("eight"), new ExtractionOptions { MaxDegreeOfParallelism = 8 }, told, TestContext.Current.CancellationToken);

        work.Content("eight").Should().Equal(work.Content("one"));
        told.Phases.Should().StartWith([ExtractionPhase.Dumping]).And.EndWith([ExtractionPhase.Done]).And.Contain(ExtractionPhase.Publishing).And.BeInAscendingOrder();
    }

    private sealed class Told : IProgress<ExtractionProgress>
    {
        private readonly System.Collections.Concurrent.ConcurrentQueue<ExtractionPhase> _phases = new();

        public IReadOnlyList<ExtractionPhase> Phases => [.. _phases];

        public void Report(ExtractionProgress value) => _phases.Enqueue(value.Phase);
    }
}
