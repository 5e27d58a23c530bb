using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Extraction;

/// <summary>The table "Rights" of docs/extractor.md.</summary>
public sealed class LeastRightsTests(PgClusterFixture fixture)
{
    private const string Schema = """
        CREATE SCHEMA app; CREATE TABLE app.t (id serial PRIMARY KEY, v text); CREATE VIEW app.v AS SELECT id FROM app.t; INSERT INTO app.t (v) VALUES ('x');
        CREATE FUNCTION app.f() RETURNS integer LANGUAGE sql AS 'SELECT 1'; CREATE MATERIALIZED VIEW app.m AS SELECT v FROM app.t;
        """;

    private static readonly string[] Grants = ["USAGE ON SCHEMA app", "SELECT ON ALL TABLES IN SCHEMA app", "SELECT ON ALL SEQUENCES IN SCHEMA app"];

    [Fact]
    public async Task Pg_read_all_data_extracts_what_a_superuser_does()
    {
        Assert.SkipWhen(fixture.Cluster.MajorVersion < 14, "pg_read_all_data came with PostgreSQL 14.");
        await CompareAsync("GRANT pg_read_all_data TO {0}", "tree");
    }

    [Fact]
    public async Task Plain_grants_extract_what_a_superuser_does() =>
        await CompareAsync(string.Join(';', Grants.Select(static grant => $"GRANT {grant} TO {{0}}")), "tree");

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task None_of_the_plain_grants_can_be_spared(int spared)
    {
        using var work = new ExtractionCase();
        await using var database = await CreateAsync(string.Join(';', Grants.Where((_, index) => index != spared).Select(static grant => $"GRANT {grant} TO {{0}}")));
        await using var least = NpgsqlDataSource.Create(fixture.Cluster.GetConnectionString(database.Name, "least_" + database.Name));

        var act = () => work.ExtractAsync(least, "least", static o => o.Data = new DataOptions());

        // Since 18 pg_dump reads all sequences in one query, which gives NULL for those that it may not read.
        var expected = spared == 2 && fixture.Cluster.MajorVersion >= 18 ? "failed to get data for sequence \"t_id_seq\"; user may lack SELECT privilege on the sequence" : "permission denied for ";
        (await act.Should().ThrowAsync<PgDumpFailedException>()).Which.StderrTail.Should().Contain(expected);
        await DropRoleAsync(database);
    }

    [Fact]
    public async Task Row_security_needs_its_owner_or_BYPASSRLS_for_rows_only()
    {
        using var work = new ExtractionCase();
        await using var database = await CreateAsync(string.Join(';', Grants.Select(static grant => $"GRANT {grant} TO {{0}}")));
        await database.ExecuteAsync("ALTER TABLE app.t ENABLE ROW LEVEL SECURITY", TestContext.Current.CancellationToken);
        await using var least = NpgsqlDataSource.Create(fixture.Cluster.GetConnectionString(database.Name, "least_" + database.Name));

        var definitions = await work.ExtractAsync(least, "definitions");
        var rows = () => work.ExtractAsync(least, "rows", static o => o.Data = new DataOptions());
        var refused = await rows.Should().ThrowAsync<PgDumpFailedException>();
        await fixture.Cluster.ExecuteAsync($"ALTER ROLE least_{database.Name} BYPASSRLS", TestContext.Current.CancellationToken);
        var allowed = await rows();

        definitions.IsComplete.Should().BeTrue();
        refused.Which.StderrTail.Should().Contain("would be affected by row-level security policy");
        allowed.IsComplete.Should().BeTrue();
        await DropRoleAsync(database);
    }

    [Fact]
    public async Task Owner_of_the_target_replays_without_owners()
    {
        using var work = new ExtractionCase();
        await using var database = await CreateAsync("SELECT 1");
        await using var target = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await fixture.Cluster.ExecuteAsync($"ALTER DATABASE {target.Name} OWNER TO least_{database.Name}", TestContext.Current.CancellationToken);
        await work.ExtractAsync(database.DataSource, "tree", static o => o.Data = new DataOptions());
        await using var owner = NpgsqlDataSource.Create(fixture.Cluster.GetConnectionString(target.Name, "least_" + database.Name));

        await work.Tree("tree").ReplayAsync(owner, new ReplayOptions { NoOwner = true }, TestContext.Current.CancellationToken);

        (await target.ScalarAsync<string>("SELECT v FROM app.t", TestContext.Current.CancellationToken)).Should().Be("x");
        await fixture.Cluster.ExecuteAsync($"ALTER DATABASE {target.Name} OWNER TO postgres", TestContext.Current.CancellationToken);
        await target.ExecuteAsync($"REASSIGN OWNED BY least_{database.Name} TO postgres", TestContext.Current.CancellationToken);
        await DropRoleAsync(database);
    }

    private async Task CompareAsync(string grants, string tree)
    {
        using var work = new ExtractionCase();
        // The roles are the server's: on one with other tests they come and go between two extractions.
        await using var cluster = await PgCluster.StartAsync(new PgClusterOptions(), TestContext.Current.CancellationToken);
        await using var database = await CreateAsync(grants, cluster);
        await using var least = NpgsqlDataSource.Create(cluster.GetConnectionString(database.Name, "least_" + database.Name));
        Action<ExtractionOptions> options = static o => (o.Data, o.Roles, o.RequireComplete) = (new DataOptions(), true, true);

        await work.ExtractAsync(least, "least", options);
        await work.ExtractAsync(database.DataSource, tree, options);

        work.Content("least").Should().Equal(work.Content(tree));
        await DropRoleAsync(database);
    }

    private async Task<TestDatabase> CreateAsync(string grants, PgCluster? cluster = null)
    {
        var database = await (cluster ?? fixture.Cluster).CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync(Schema, TestContext.Current.CancellationToken);
        await database.ExecuteAsync($"CREATE ROLE least_{database.Name} LOGIN", TestContext.Current.CancellationToken);
        foreach (var grant in grants.Split(';'))
            await database.ExecuteAsync(string.Format(System.Globalization.CultureInfo.InvariantCulture, grant, "least_" + database.Name), TestContext.Current.CancellationToken);
        return database;
    }

    private static Task DropRoleAsync(TestDatabase database) =>
        database.ExecuteAsync($"DROP OWNED BY least_{database.Name}; DROP ROLE least_{database.Name}", TestContext.Current.CancellationToken);
}
