using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Roles;

public sealed class RolePasswordScrubberTests(PgClusterFixture fixture)
{
    [Theory]
    [InlineData("ALTER ROLE a WITH LOGIN PASSWORD 'md5abc' VALID UNTIL 'infinity';\n", "ALTER ROLE a WITH LOGIN VALID UNTIL 'infinity';\n")]
    [InlineData("CREATE USER a ENCRYPTED PASSWORD 'x''; y';", "CREATE USER a;")]
    [InlineData("alter role a with unencrypted\tpassword\n 'x'\n    login;", "alter role a with\n    login;")]
    [InlineData("ALTER GROUP \"password\" PASSWORD E'a\\'b';", "ALTER GROUP \"password\";")]
    [InlineData("\\restrict k\n-- PASSWORD 'c'\nCREATE ROLE b; ALTER ROLE b PASSWORD 'd'; SELECT 1;", "\\restrict k\n-- PASSWORD 'c'\nCREATE ROLE b; ALTER ROLE b; SELECT 1;")]
    public void Passwords_of_role_statements_go(string script, string expected) => RolePasswordScrubber.Scrub(script).Should().Be(expected);

    [Theory]
    [InlineData("COMMENT ON ROLE a IS 'ALTER ROLE a PASSWORD ''x''';")]
    [InlineData("SELECT PASSWORD 'x';")]
    [InlineData("ALTER ROLE a PASSWORD NULL;")]
    [InlineData("CREATE ROLE password;\nALTER ROLE password SET search_path TO 'x';")]
    public void Everything_else_stays(string script) => RolePasswordScrubber.Scrub(script).Should().BeSameAs(script);

    [Fact]
    public async Task Bytes_of_any_encoding_survive()
    {
        byte[] script = [.. "ALTER ROLE \"m"u8, 0xFC, .. "ller\" PASSWORD 'x';\n-- "u8, 0xE4, (byte)'\n'];
        using var output = new MemoryStream();

        var found = await RolePasswordScrubber.ScrubAsync(new MemoryStream(script), output, TestContext.Current.CancellationToken);

        found.Should().BeTrue();
        output.ToArray().Should().Equal([.. "ALTER ROLE \"m"u8, 0xFC, .. "ller\";\n-- "u8, 0xE4, (byte)'\n']);
    }

    [Fact]
    public async Task Scrubbed_script_of_pg_dumpall_equals_the_one_made_without_passwords()
    {
        await fixture.Cluster.ExecuteAsync(
            "DO $$ BEGIN CREATE ROLE scrub_me LOGIN PASSWORD 'it''s secret' VALID UNTIL '2040-01-01'; COMMENT ON ROLE scrub_me IS 'PASSWORD ''x'''; END $$",
            TestContext.Current.CancellationToken);
        try
        {
            var source = PgDumpSource.FromConnectionString(fixture.Cluster.ConnectionString);
            var runner = new PgDumpRunner(PgTools.Tools);

            var with = await runner.DumpRolesAsync(source, includePasswords: true, cancellationToken: TestContext.Current.CancellationToken);
            var without = await runner.DumpRolesAsync(source, includePasswords: false, cancellationToken: TestContext.Current.CancellationToken);

            with.Should().Contain(" PASSWORD 'SCRAM-SHA-256$");
            OfRole(RolePasswordScrubber.Scrub(with)).Should().Equal(OfRole(without)).And.HaveCount(3);
        }
        finally
        {
            await fixture.Cluster.ExecuteAsync("DROP ROLE scrub_me", TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public async Task Builder_asks_for_passwords_and_for_files_per_role()
    {
        using var work = new ExtractionCase();
        await fixture.Cluster.ExecuteAsync("CREATE ROLE one_of_two LOGIN PASSWORD 'hidden'", TestContext.Current.CancellationToken);
        try
        {
            await work.Extractor.From(fixture.Cluster.DataSource).RunAsync(
                work.Path("tree"), new ExtractionOptions { Kinds = ObjectKinds.None, Roles = true, RoleFiles = true, IncludeRolePasswords = true }, cancellationToken: TestContext.Current.CancellationToken);

            File.ReadAllText(work.Path("tree/roles/one_of_two.sql")).Should()
                .StartWith("CREATE ROLE one_of_two;\nALTER ROLE one_of_two WITH").And.Contain(" LOGIN ").And.Contain("PASSWORD 'SCRAM-SHA-256$");
            File.Exists(work.Path("tree/roles/roles.sql")).Should().BeFalse();
        }
        finally
        {
            await fixture.Cluster.ExecuteAsync("DROP ROLE one_of_two", TestContext.Current.CancellationToken);
        }
    }

    // Other tests create and drop roles at the same time.
    private static IEnumerable<string> OfRole(string script) => script.Split('\n').Where(line => line.Contains("scrub_me", StringComparison.Ordinal));
}
