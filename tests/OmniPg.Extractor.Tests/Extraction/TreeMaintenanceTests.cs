using Microsoft.Extensions.Options;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Extraction;

public sealed class TreeMaintenanceTests(PgClusterFixture fixture)
{
    private const string Schema = """
        CREATE SCHEMA app;
        CREATE TYPE app.mood AS ENUM ('ok', 'sad');
        CREATE TABLE app.a (id integer PRIMARY KEY, m app.mood);
        CREATE TABLE app.b (id integer PRIMARY KEY REFERENCES app.a (id));
        CREATE VIEW app.v AS SELECT id FROM app.a;
        CREATE FUNCTION app.f(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
        CREATE FUNCTION app.f(text) RETURNS integer LANGUAGE sql AS 'SELECT 2';
        COMMENT ON FUNCTION app.f(text) IS 'two';
        ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO PUBLIC;
        """;

    [Fact]
    public async Task Database_made_in_another_order_gives_the_same_bytes_and_touches_nothing()
    {
        using var work = new ExtractionCase();
        const string Name = "same_name_other_order";
        await using (var first = await fixture.Cluster.CreateDatabaseAsync(Name, cancellationToken: TestContext.Current.CancellationToken))
        {
            await first.ExecuteAsync(Schema, TestContext.Current.CancellationToken);
            await work.ExtractAsync(first.DataSource, "tree");
        }
        var (content, times) = (work.Content("tree"), work.Times("tree"));
        await using var second = await fixture.Cluster.CreateDatabaseAsync(Name, cancellationToken: TestContext.Current.CancellationToken);
        await second.ExecuteAsync("""
            CREATE TABLE burns_oids (id serial);
            DROP TABLE burns_oids;
            CREATE SCHEMA app;
            CREATE FUNCTION app.f(text) RETURNS integer LANGUAGE sql AS 'SELECT 2';
            CREATE FUNCTION app.f(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
            COMMENT ON FUNCTION app.f(text) IS 'two';
            CREATE TYPE app.mood AS ENUM ('ok', 'sad');
            CREATE TABLE app.b (id integer PRIMARY KEY);
            CREATE TABLE app.a (id integer PRIMARY KEY, m app.mood);
            ALTER TABLE app.b ADD FOREIGN KEY (id) REFERENCES app.a (id);
            CREATE VIEW app.v AS SELECT id FROM app.a;
            ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO PUBLIC;
            """, TestContext.Current.CancellationToken);

        var report = await work.ExtractAsync(second.DataSource, "tree", o => o.MaxDegreeOfParallelism = 7);

        report.Changed.Should().BeEmpty();
        work.Content("tree").Should().Equal(content);
        work.Times("tree").Should().Equal(times);
    }

    [Fact]
    public async Task Stale_files_go_on_request_and_foreign_files_stay()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync(Schema, TestContext.Current.CancellationToken);
        await work.ExtractAsync(database.DataSource, "tree");
        File.WriteAllText(work.Path("tree/tables/mine.sql"), "SELECT 1;\n");
        Directory.CreateDirectory(work.Path("tree/.git"));
        File.WriteAllText(work.Path("tree/.git/x.sql"), "--\n-- Name: x; Type: TABLE; Schema: s; Owner: o\n--\n");
        File.CreateSymbolicLink(work.Path("tree/tables/link.sql"), work.Path("tree/tables/mine.sql"));
        await database.ExecuteAsync("DROP VIEW app.v; DROP TABLE app.b", TestContext.Current.CancellationToken);

        var kept = await work.ExtractAsync(database.DataSource, "tree");
        var snapshot = await work.Tree("tree").ReadAsync(TestContext.Current.CancellationToken);
        var deleted = await work.ExtractAsync(database.DataSource, "tree", o => o.StaleFiles = StaleFiles.Delete);

        kept.Files.Where(f => f.Status == FileStatus.Stale).Select(f => f.Path).Should().Equal("tables/app.b.sql", "views/app.v.sql");
        snapshot.Entries.Should().NotContain(e => e.File == "views/app.v.sql");
        deleted.Changed.Should().Equal(new TreeFile("tables/app.b.sql", FileStatus.Deleted), new TreeFile("views/app.v.sql", FileStatus.Deleted));
        deleted.Files.Should().Contain(new TreeFile("tables/mine.sql", FileStatus.Unmanaged));
        Directory.Exists(work.Path("tree/views")).Should().BeFalse();
        File.Exists(work.Path("tree/.git/x.sql")).Should().BeTrue();
        File.Exists(work.Path("tree/tables/link.sql")).Should().BeTrue();

        await work.ExtractAsync(database.DataSource, "tree", o => o.StaleFiles = StaleFiles.DeleteAllSql);
        File.Exists(work.Path("tree/tables/mine.sql")).Should().BeFalse();
        File.Exists(work.Path("tree/.git/x.sql")).Should().BeTrue();
    }

    [Fact]
    public async Task Foreign_file_in_the_way_is_not_overwritten()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("CREATE TABLE t (id integer)", TestContext.Current.CancellationToken);
        Directory.CreateDirectory(work.Path("tree/tables"));
        File.WriteAllText(work.Path("tree/tables/public.t.sql"), "my notes");

        var act = () => work.ExtractAsync(database.DataSource, "tree");

        (await act.Should().ThrowAsync<TreeConflictException>()).WithMessage("'tables/public.t.sql' stands where the extraction must write*");
        work.Content("tree").Should().ContainSingle().Which.Value.Should().Be("my notes");
        (await work.ExtractAsync(database.DataSource, "tree", o => o.OverwriteUnmanaged = true)).Changed.Should().Contain(new TreeFile("tables/public.t.sql", FileStatus.Updated));
    }

    [Fact]
    public async Task Roles_come_without_passwords_and_each_in_its_own_file_on_request()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("""
            DO $$ BEGIN CREATE ROLE "tree/Role" LOGIN PASSWORD 'role-secret'; CREATE ROLE tree_group; GRANT tree_group TO "tree/Role"; END $$;
            """, TestContext.Current.CancellationToken);
        try
        {
            await work.ExtractAsync(database.DataSource, "one", o => o.Roles = true);
            await work.ExtractAsync(database.DataSource, "many", o => (o.Roles, o.RoleFiles, o.Kinds) = (true, true, ObjectKinds.None));
            await work.ExtractAsync(database.DataSource, "hashes", o => (o.Roles, o.IncludeRolePasswords) = (true, true));

            File.ReadAllText(work.Path("one/roles/roles.sql")).Should().Contain("CREATE ROLE \"tree/Role\";\n").And.NotMatchRegex("(?m)^(CREATE|ALTER) ROLE .*PASSWORD").And.NotContain("\\restrict");
            File.ReadAllText(work.Path("many/roles/tree,2f,Role.sql")).Should().StartWith("CREATE ROLE \"tree/Role\";\nALTER ROLE \"tree/Role\" WITH")
                .And.Contain("GRANT tree_group TO \"tree/Role\"");
            File.ReadAllText(work.Path("hashes/roles/roles.sql")).Should().Contain("PASSWORD 'SCRAM-SHA-256$").And.NotContain("role-secret");
        }
        finally
        {
            await fixture.Cluster.ExecuteAsync("DROP ROLE \"tree/Role\"; DROP ROLE tree_group", TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public async Task Filters_choose_what_the_original_would_choose()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync(Schema + "CREATE SCHEMA other; CREATE TABLE other.a (); CREATE TABLE other.tmp_x ();", TestContext.Current.CancellationToken);
        File.WriteAllText(work.Path("filter.txt"), "# rules\ninclude schema app\nexclude table app.b # not this\n");
        File.WriteAllText(work.Path("routines.txt"), "app.f(text)\n");

        await work.ExtractAsync(database.DataSource, "schema", o => o.Filter.Schemas.Include("oth*"));
        await work.ExtractAsync(database.DataSource, "regex", o => o.Filter.Names.ExcludeRegex("^tmp_").IncludeRegex("^(a|tmp_x|f)$"));
        await work.ExtractAsync(database.DataSource, "file", o => o.Filter.AddFilterFile(work.Path("filter.txt")));
        var routines = await work.ExtractAsync(database.DataSource, "routines", o => o.Filter.Routines.IncludeFile(work.Path("routines.txt")).Include("app.g()"));
        var strict = () => work.ExtractAsync(database.DataSource, "strict", o => (o.StrictNames, _) = (true, o.Filter.Tables.Include("app.zzz")));
        var pointless = () => work.ExtractAsync(database.DataSource, "pointless", o => (o.Kinds, _) = (ObjectKinds.Views, o.Filter.Tables.Include("app.a")));

        Sql(work, "schema").Should().Equal("database.sql", "default_privileges/postgres.sql", "schemata/other.sql", "tables/other.a.sql", "tables/other.tmp_x.sql");
        Sql(work, "regex").Should().Equal("functions/app.f.sql", "tables/app.a.sql", "tables/other.a.sql");
        Sql(work, "file").Should().Contain("tables/app.a.sql").And.NotContain("tables/app.b.sql").And.NotContain("tables/other.a.sql");
        File.ReadAllText(work.Path("routines/functions/app.f.sql")).Should().Contain("f(text)").And.NotContain("f(integer)");
        routines.UnmatchedFilters.Should().Equal("routine: app.g()");
        (await strict.Should().ThrowAsync<ExtractorOptionException>()).WithMessage("*match nothing: 'table: app.zzz'*");
        (await pointless.Should().ThrowAsync<OptionsValidationException>()).WithMessage("There is a filter on tables, but tables are not extracted.");
    }

    [Fact]
    public async Task Clean_and_or_replace_change_statements_and_never_bodies()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync(Schema + "CREATE FUNCTION app.g() RETURNS text LANGUAGE sql AS $$\nSELECT '\nCREATE FUNCTION x'$$;", TestContext.Current.CancellationToken);

        await work.ExtractAsync(database.DataSource, "tree", o => (o.Clean, o.CleanIfExists, o.OrReplace) = (true, true, true));

        File.ReadAllText(work.Path("tree/functions/app.f.sql")).Should().StartWith(
            "DROP FUNCTION IF EXISTS app.f(text);\nDROP FUNCTION IF EXISTS app.f(integer);\n\n--\n-- Name: f(integer); Type: FUNCTION; Schema: app; Owner: postgres\n--\n\nCREATE OR REPLACE FUNCTION app.f(integer)");
        File.ReadAllText(work.Path("tree/functions/app.g.sql")).Should().Contain("CREATE OR REPLACE FUNCTION app.g()").And.Contain("\nCREATE FUNCTION x'");
        File.ReadAllText(work.Path("tree/views/app.v.sql")).Should().Contain("CREATE OR REPLACE VIEW app.v");
        (await work.Tree("tree").DiffAsync(database.DataSource, cancellationToken: TestContext.Current.CancellationToken)).IsEmpty.Should().BeTrue();
    }

    [Fact]
    public async Task Owners_and_grants_can_be_left_out_and_the_archive_kept()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync(Schema + "GRANT SELECT ON app.a TO PUBLIC", TestContext.Current.CancellationToken);

        await work.ExtractAsync(database.DataSource, "tree", o => (o.NoOwner, o.NoPrivileges, o.KeepArchive) = (true, true, work.Path("kept/all.dump")));
        await work.ExtractAsync(work.Path("kept/all.dump"), "again", o => (o.NoOwner, o.NoPrivileges) = (true, true));

        string.Concat(work.Content("tree").Values).Should().NotContain("OWNER TO").And.NotContain("GRANT ").And.Contain("Owner: -\n");
        work.Content("again").Where(f => f.Key != "omnipg.manifest.json").Should().Equal(work.Content("tree").Where(f => f.Key != "omnipg.manifest.json"));
        if (!OperatingSystem.IsWindows())
            File.GetUnixFileMode(work.Path("kept/all.dump")).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private static IEnumerable<string> Sql(ExtractionCase work, string tree) => work.Content(tree).Keys.Where(name => name.EndsWith(".sql", StringComparison.Ordinal));
}
