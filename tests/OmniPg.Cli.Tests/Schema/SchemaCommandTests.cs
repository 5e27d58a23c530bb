using OmniPg.Testing;

namespace OmniPg.Cli.Tests.Schema;

public sealed class SchemaCommandTests(PgClusterFixture fixture) : IClassFixture<PgClusterFixture>
{
    [Fact]
    public async Task Extract_diff_verify_and_replay_work_together()
    {
        await using var source = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var empty = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("CREATE SCHEMA app; CREATE TABLE app.a (id integer PRIMARY KEY); CREATE TABLE app.b (id integer); CREATE VIEW app.v AS SELECT id FROM app.a; "
            + "CREATE FUNCTION app.f() RETURNS integer LANGUAGE sql AS 'SELECT 1'", TestContext.Current.CancellationToken);
        using var cli = new SchemaCli(source.ConnectionString);
        var tree = cli.Path("tree");

        (await cli.RunAsync("extract", tree)).Should().Be(0, cli.Error);
        cli.Out.Should().Contain("created\ttables/app.a.sql\n").And.MatchRegex("\\d+ entries in 6 files, 6 changed; 0 filtered");
        (await cli.RunAsync("schema", "verify", tree)).Should().Be(0, cli.Error);
        cli.Out.Should().StartWith("Verified: ");
        (await cli.RunAsync("schema", "replay", tree, "--into", empty.ConnectionString, "--single-transaction")).Should().Be(0, cli.Error);
        (await cli.RunAsync("schema", "diff", tree, empty.ConnectionString)).Should().Be(0, cli.Error);
        cli.Out.Should().BeEmpty();

        await source.ExecuteAsync("DROP FUNCTION app.f(); CREATE TABLE app.c (id integer); ALTER TABLE app.b RENAME TO b2; ALTER VIEW app.v OWNER TO pg_monitor; "
            + "GRANT SELECT ON app.a TO PUBLIC; COMMENT ON SCHEMA app IS 'app'", TestContext.Current.CancellationToken);
        (await cli.RunAsync("schema", "diff", tree, source.ConnectionString, "--json")).Should().Be(1, cli.Error);
        System.Text.Json.JsonDocument.Parse(cli.Out).RootElement.EnumerateArray().Select(item => item.GetRawText().ReplaceLineEndings("").Replace(" ", "", StringComparison.Ordinal)).Should().Equal(
            """{"status":"removed","kind":"FUNCTION","identity":"app.f()","classes":[]}""",
            """{"status":"changed","kind":"SCHEMA","identity":"app","classes":["comment"]}""",
            """{"status":"changed","kind":"TABLE","identity":"app.a","classes":["acl"]}""",
            """{"status":"removed","kind":"TABLE","identity":"app.b","classes":[]}""",
            """{"status":"added","kind":"TABLE","identity":"app.b2","classes":[]}""",
            """{"status":"added","kind":"TABLE","identity":"app.c","classes":[]}""",
            """{"status":"changed","kind":"VIEW","identity":"app.v","classes":["owner"]}""");
    }

    [Fact]
    public async Task Graph_tells_what_needs_an_object()
    {
        await using var source = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("CREATE TABLE a (id integer); CREATE VIEW v AS SELECT id FROM a; CREATE FUNCTION a() RETURNS integer LANGUAGE sql AS 'SELECT 1'", TestContext.Current.CancellationToken);
        using var cli = new SchemaCli(source.ConnectionString);

        (await cli.RunAsync("schema", "graph", source.ConnectionString, "--of", "public.a")).Should().Be(0, cli.Error);
        cli.Out.Should().Be("flowchart LR\n    n0[\"TABLE public.a\"]\n    n1[\"VIEW public.v\"]\n    n1 --> n0\n");
        (await cli.RunAsync("schema", "graph", source.ConnectionString, "--format", "dot")).Should().Be(0, cli.Error);
        cli.Out.Should().StartWith("digraph schema {\n").And.Contain("FUNCTION public.a()");
        (await cli.RunAsync("schema", "graph", source.ConnectionString, "--json")).Should().Be(0, cli.Error);
        System.Text.Json.JsonDocument.Parse(cli.Out).RootElement.GetProperty("dependencies").GetArrayLength().Should().BePositive();
        (await cli.RunAsync("schema", "graph", source.ConnectionString, "--of", "public.b")).Should().Be(64);
        cli.Error.Should().Contain("The schema holds no object 'public.b'.");
    }

    [Fact]
    public async Task Extract_passes_options_of_rows_roles_and_rate()
    {
        await using var source = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("CREATE TABLE a (id integer); INSERT INTO a VALUES (1), (2)", TestContext.Current.CancellationToken);
        using var cli = new SchemaCli(source.ConnectionString);
        var tree = cli.Path("tree");

        (await cli.RunAsync("extract", tree, "--data", "--column-inserts", "--rows-per-insert", "5", "--on-conflict-do-nothing", "--role-files", "--throttle", "10000000"))
            .Should().Be(0, cli.Error);
        File.ReadAllText(System.IO.Path.Combine(tree, "data/public.a.sql")).Should().EndWith("INSERT INTO public.a (id) VALUES\n\t(1),\n\t(2) ON CONFLICT DO NOTHING;\n");
        File.ReadAllText(System.IO.Path.Combine(tree, "roles/postgres.sql")).Should().StartWith("CREATE ROLE postgres;\n").And.NotContain("PASSWORD");
        (await cli.RunAsync("extract", tree, "--inserts")).Should().Be(64);
        cli.Error.Should().Contain("need --data");
        (await cli.RunAsync("extract", tree, "--from-archive", cli.Path("none"), "--throttle", "5")).Should().Be(64);
        cli.Error.Should().Contain("MaxBytesPerSecond slows a pg_dump down");
    }

    [Fact]
    public async Task Extract_reads_archives_and_filters()
    {
        await using var source = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("CREATE SCHEMA app; CREATE TABLE app.a (id integer); CREATE TABLE app.a_p2024_01 (id integer); CREATE TABLE public.x (id integer)", TestContext.Current.CancellationToken);
        using var cli = new SchemaCli(source.ConnectionString);

        (await cli.RunAsync("extract", cli.Path("one"), "--keep-archive", cli.Path("a.dump"))).Should().Be(0, cli.Error);
        (await cli.RunAsync("extract", "--from-archive", cli.Path("a.dump"), cli.Path("two"), "--schema-dir", "--include-schema", "app", "--exclude-table", "_p\\d{4}_\\d{2}$", "--json")).Should().Be(0, cli.Error);
        (await cli.RunAsync("schema", "diff", cli.Path("one"), cli.Path("a.dump"))).Should().Be(0, cli.Error);

        Directory.GetFiles(cli.Path("two/app"), "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(cli.Path("two/app"), f)).Should()
            .BeEquivalentTo("app.sql", "tables/app.a.sql");
    }

    [Fact]
    public async Task Extract_writes_reference_data_sorted()
    {
        await using var source = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("CREATE TABLE a (id integer PRIMARY KEY); CREATE TABLE b (id integer PRIMARY KEY); INSERT INTO a VALUES (2), (1); INSERT INTO b VALUES (3)", TestContext.Current.CancellationToken);
        using var cli = new SchemaCli(source.ConnectionString);

        (await cli.RunAsync("extract", cli.Path("tree"), "--reference-data", "public.a")).Should().Be(0, cli.Error);

        Directory.GetFiles(cli.Path("tree/data")).Should().ContainSingle();
        File.ReadAllText(cli.Path("tree/data/public.a.sql")).Should().EndWith("COPY public.a (id) FROM stdin;\n1\n2\n\\.\n");
        (await cli.RunAsync("extract", cli.Path("tree"), "--reference-data", "public.z")).Should().Be(2);
        cli.Error.Should().StartWith("omnipg: There is no table 'public.z'.");
    }

    [Fact]
    public async Task Second_side_of_a_comparison_is_the_connection_by_default()
    {
        await using var source = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("CREATE TABLE a (id integer)", TestContext.Current.CancellationToken);
        using var cli = new SchemaCli(source.ConnectionString);

        (await cli.RunAsync("extract", cli.Path("tree"))).Should().Be(0, cli.Error);
        (await cli.RunAsync("schema", "diff", cli.Path("tree"))).Should().Be(0, cli.Error);
        await source.ExecuteAsync("CREATE TABLE b (id integer)", TestContext.Current.CancellationToken);
        (await cli.RunAsync("schema", "diff", cli.Path("tree"), "--connection", source.ConnectionString, "--summary")).Should().Be(1, cli.Error);
        cli.Out.Should().Contain("public.b");
    }

    [Theory]
    [InlineData("extract {tree}")]
    [InlineData("schema diff {tree}")]
    [InlineData("schema graph {cs}")]
    [InlineData("schema verify {tree}")]
    [InlineData("schema replay {cs} --into {empty}")]
    public async Task Directory_of_the_programs_can_be_named_wherever_pg_dump_runs(string command)
    {
        await using var source = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var empty = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("CREATE TABLE a (id integer)", TestContext.Current.CancellationToken);
        using var cli = new SchemaCli(source.ConnectionString);
        (await cli.RunAsync("extract", cli.Path("tree"))).Should().Be(0, cli.Error);
        var arguments = command.Split(' ').Select(word => word switch
        {
            "{tree}" => cli.Path("tree"),
            "{cs}" => source.ConnectionString,
            "{empty}" => empty.ConnectionString,
            _ => word,
        }).ToArray();

        (await cli.RunAsync([.. arguments, "--pg-bin", fixture.Cluster.BinDirectory])).Should().Be(0, cli.Error);
        if (command.Contains("replay", StringComparison.Ordinal))
            await empty.ExecuteAsync("DROP TABLE a", TestContext.Current.CancellationToken);
        (await cli.RunAsync([.. arguments, "--pg-bin", cli.Path("nowhere")])).Should().Be(2, cli.Out);
        cli.Error.Should().Contain(cli.Path("nowhere"));
    }

    [Fact]
    public async Task Kinds_and_missing_roles_can_be_left_out_of_a_verification()
    {
        await using var source = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        var role = "gone_" + source.Name;
        await source.ExecuteAsync($"CREATE ROLE {role}; CREATE TABLE a (id integer); ALTER TABLE a OWNER TO {role}; CREATE VIEW v AS SELECT 1 AS x; GRANT SELECT ON v TO {role}", TestContext.Current.CancellationToken);
        using var cli = new SchemaCli(source.ConnectionString);
        var tree = cli.Path("tree");
        (await cli.RunAsync("extract", tree, "--exclude-kind", "Database")).Should().Be(0, cli.Error);
        File.Exists(System.IO.Path.Combine(tree, "database.sql")).Should().BeFalse();
        await source.ExecuteAsync($"ALTER TABLE a OWNER TO postgres; DROP OWNED BY {role}; DROP ROLE {role}", TestContext.Current.CancellationToken);

        (await cli.RunAsync("schema", "verify", tree)).Should().Be(2);
        cli.Error.Should().Contain(role);
        (await cli.RunAsync("schema", "verify", tree, "--missing-roles", "skip")).Should().Be(0, cli.Error);
        (await cli.RunAsync("schema", "verify", tree, "--missing-roles", "create")).Should().Be(64);
        (await cli.RunAsync("schema", "verify", tree, "--exclude-kind", "Tables", "--exclude-kind", "Views", "--json")).Should().Be(0, cli.Error);
        (await cli.RunAsync("schema", "verify", tree, "--exclude-kind", "Nonsense")).Should().Be(64);
    }

    [Fact]
    public async Task Warnings_are_typed_and_completeness_can_be_required()
    {
        await using var source = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        var role = "blind_" + source.Name;
        await source.ExecuteAsync($"CREATE ROLE {role} LOGIN; CREATE EXTENSION postgres_fdw; CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw; "
            + "CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (user 'u', password_required 'false')", TestContext.Current.CancellationToken);
        using var cli = new SchemaCli(fixture.Cluster.GetConnectionString(source.Name, role));

        (await cli.RunAsync("extract", cli.Path("tree"), "--json")).Should().Be(1, cli.Error);
        var report = System.Text.Json.JsonDocument.Parse(cli.Out).RootElement;
        report.GetProperty("complete").GetBoolean().Should().BeFalse();
        report.GetProperty("warnings")[0].GetProperty("kind").GetString().Should().Be("UserMappingsHidden");
        (await cli.RunAsync("extract", cli.Path("other"), "--require-complete")).Should().Be(2);
        cli.Error.Should().StartWith("omnipg: The extraction is incomplete: ");
        (await cli.RunAsync("extract", cli.Path("all"), "--connection", source.ConnectionString, "--require-complete", "--encoding", "LATIN1")).Should().Be(0, cli.Error);
        File.ReadAllText(cli.Path("all/user_mappings/public_s.sql")).Should().Contain("password_required 'false'");
        (await cli.RunAsync("schema", "verify", cli.Path("all"), "--connection", source.ConnectionString)).Should().Be(0, cli.Error);
        await source.ExecuteAsync($"DROP ROLE {role}", TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Errors_are_one_line_and_an_exit_code()
    {
        using var cli = new SchemaCli(fixture.Cluster.ConnectionString);

        (await cli.RunAsync("schema", "diff", cli.Path("none"), cli.Path("none"))).Should().Be(64);
        (await cli.RunAsync("schema", "verify", cli.Path("none"))).Should().Be(2);
        cli.Error.Should().StartWith($"omnipg: '{cli.Path("none")}' is no schema tree").And.Contain("\nhint: ");
        (await cli.RunAsync("extract", cli.Path("x"), "--git", "--svn")).Should().Be(64);
        (await cli.RunAsync("extract", cli.Path("x"), "--kind", "Nonsense")).Should().Be(64);
        (await cli.RunAsync("extract")).Should().Be(64);
    }
}
