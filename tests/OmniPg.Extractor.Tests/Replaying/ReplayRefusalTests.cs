using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Replaying;

public sealed class ReplayRefusalTests(PgClusterFixture fixture)
{
    private const string Tables = """
        --
        -- Name: t; Type: TABLE; Schema: public; Owner: ghost_one
        --

        CREATE TABLE public.t (
            id integer
        );


        ALTER TABLE public.t OWNER TO ghost_one;

        --
        -- Name: TABLE t; Type: ACL; Schema: public; Owner: ghost_one
        --

        GRANT SELECT ON TABLE public.t TO "Ghost Two";

        """;

    [Fact]
    public async Task Missing_roles_are_all_listed_and_nothing_is_done()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await WriteTreeAsync(work, database, Tables);

        var act = () => work.Tree("tree").ReplayAsync(database.DataSource, cancellationToken: TestContext.Current.CancellationToken);

        (await act.Should().ThrowAsync<ReplayRefusedException>()).Where(e => e.Code == "extractor.replay.roles")
            .Which.Names.Should().Equal("Ghost Two", "ghost_one");
        (await database.ScalarAsync<bool>("SELECT to_regclass('public.t') IS NULL", TestContext.Current.CancellationToken)).Should().BeTrue();
    }

    [Fact]
    public async Task Missing_roles_can_be_skipped_or_created()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var other = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await WriteTreeAsync(work, database, Tables);

        var skipped = await work.Tree("tree").ReplayAsync(database.DataSource, new() { Roles = MissingRoles.Skip }, TestContext.Current.CancellationToken);
        var created = await work.Tree("tree").ReplayAsync(other.DataSource, new() { Roles = MissingRoles.Create, SingleTransaction = true }, TestContext.Current.CancellationToken);

        skipped.Skipped.Should().HaveCount(2);
        skipped.Skipped[0].Should().EndWith(": ALTER TABLE public.t OWNER TO ghost_one");
        created.CreatedRoles.Should().Equal("Ghost Two", "ghost_one");
        (await other.ScalarAsync<string>("SELECT tableowner::text FROM pg_tables WHERE tablename = 't'", TestContext.Current.CancellationToken)).Should().Be("ghost_one");
        await other.ExecuteAsync("DROP OWNED BY ghost_one, \"Ghost Two\"; DROP ROLE ghost_one; DROP ROLE \"Ghost Two\"", TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Target_with_objects_is_refused()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await WriteTreeAsync(work, database, "");
        await database.ExecuteAsync("CREATE TABLE there (id integer)", TestContext.Current.CancellationToken);

        var act = () => work.Tree("tree").ReplayAsync(database.DataSource, cancellationToken: TestContext.Current.CancellationToken);

        (await act.Should().ThrowAsync<ReplayRefusedException>()).Where(e => e.Code == "extractor.replay.not-empty").WithMessage("*'relation there'*");
        await work.Tree("tree").ReplayAsync(database.DataSource, new() { AllowNonEmpty = true }, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Redacted_entries_are_refused_without_a_resolver()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var target = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE USER MAPPING FOR postgres SERVER s OPTIONS (password 'x')", TestContext.Current.CancellationToken);
        await work.ExtractAsync(database.DataSource, "tree");

        var act = () => work.Tree("tree").ReplayAsync(target.DataSource, cancellationToken: TestContext.Current.CancellationToken);

        (await act.Should().ThrowAsync<ReplayRefusedException>()).Where(e => e.Code == "extractor.replay.secrets")
            .Which.Names.Should().Equal("USER MAPPING USER MAPPING postgres SERVER s");
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public async Task Error_names_entry_file_and_line_and_a_single_transaction_leaves_nothing(bool singleTransaction, bool nothingLeft)
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await WriteTreeAsync(work, database, """
            --
            -- Name: a; Type: TABLE; Schema: public; Owner: -
            --

            CREATE TABLE public.a (id integer);

            --
            -- Name: b; Type: TABLE; Schema: public; Owner: -
            --

            CREATE TABLE public.b (
                id integer,
                wrong no_such_type
            );

            """);

        var act = () => work.Tree("tree").ReplayAsync(database.DataSource, new() { SingleTransaction = singleTransaction }, TestContext.Current.CancellationToken);

        var error = (await act.Should().ThrowAsync<ReplayException>()).Which;
        error.Code.Should().Be("extractor.replay.failed");
        error.SqlState.Should().Be("42704");
        error.Entry.File.Should().Be("tables/hand.sql");
        error.Line.Should().Be(13);
        (await database.ScalarAsync<bool>("SELECT to_regclass('public.a') IS NULL", TestContext.Current.CancellationToken)).Should().Be(nothingLeft);
    }

    [Fact]
    public async Task Errors_can_be_collected()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await WriteTreeAsync(work, database, "--\n-- Name: a; Type: TABLE; Schema: public; Owner: -\n--\n\nCREATE TABLE nowhere.a ();\n\n--\n-- Name: b; Type: TABLE; Schema: public; Owner: -\n--\n\nCREATE TABLE public.b ();\n");

        var report = await work.Tree("tree").ReplayAsync(database.DataSource, new() { ContinueOnError = true }, TestContext.Current.CancellationToken);

        report.Errors.Should().ContainSingle().Which.SqlState.Should().Be("3F000");
        report.Entries.Should().Be(1);
    }

    [Fact]
    public async Task What_the_server_refuses_in_a_transaction_runs_behind_it()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await WriteTreeAsync(work, database, """
            --
            -- Name: a; Type: TABLE; Schema: public; Owner: -
            --

            CREATE TABLE public.a (id integer);

            --
            -- Name: a_idx; Type: INDEX; Schema: public; Owner: -
            --

            CREATE INDEX CONCURRENTLY a_idx ON public.a (id);

            --
            -- Name: incoming; Type: SUBSCRIPTION; Schema: -; Owner: -
            --

            CREATE SUBSCRIPTION incoming CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE);

            """);

        var report = await work.Tree("tree").ReplayAsync(database.DataSource, new() { SingleTransaction = true }, TestContext.Current.CancellationToken);

        var found = await database.ScalarAsync<bool>("SELECT to_regclass('public.a_idx') IS NOT NULL AND EXISTS (SELECT FROM pg_subscription WHERE subname = 'incoming')", TestContext.Current.CancellationToken);
        await database.ExecuteAsync("DROP SUBSCRIPTION incoming", TestContext.Current.CancellationToken);
        found.Should().BeTrue();
        report.OutsideTransaction.Should().ContainSingle().Which.Should().StartWith("INDEX public.a_idx");
    }

    // An empty tree with a file written by hand.
    private static async Task WriteTreeAsync(ExtractionCase work, TestDatabase database, string content)
    {
        await work.ExtractAsync(database.DataSource, "tree");
        Directory.CreateDirectory(work.Path("tree/tables"));
        if (content.Length > 0)
            await File.WriteAllTextAsync(work.Path("tree/tables/hand.sql"), content.ReplaceLineEndings("\n"), TestContext.Current.CancellationToken);
    }
}
