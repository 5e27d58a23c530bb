using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Core.Tests.Integration;

public sealed class PgClusterTests(PgClusterFixture fixture)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_database_is_created_used_and_dropped()
    {
        string name;
        await using (var database = await fixture.Cluster.CreateDatabaseAsync("Odd \"name\" ü", cancellationToken: Token))
        {
            name = database.Name;
            (await database.ScalarAsync<string>("SELECT current_database()", Token)).Should().Be("Odd \"name\" ü");
        }

        (await fixture.Cluster.ScalarAsync<bool>($"SELECT EXISTS (SELECT FROM pg_database WHERE datname = '{name}')", Token)).Should().BeFalse();
    }

    [Fact]
    public async Task A_killed_server_starts_again_on_the_same_port_and_has_kept_what_was_committed()
    {
        await using var cluster = await PgCluster.StartAsync(new PgClusterOptions { Durable = true }, Token);
        await cluster.ExecuteAsync("CREATE TABLE kept AS SELECT 42 AS n", Token);
        var port = cluster.Port;

        cluster.KillHard();
        await cluster.StartAgainAsync(null, Token);

        cluster.Port.Should().Be(port);
        (await cluster.ScalarAsync<int>("SELECT n FROM kept", Token)).Should().Be(42);
    }

    [Fact]
    public async Task A_database_on_somebody_elses_server_is_dropped_too()
    {
        string name;
        await using (var attached = await PgCluster.AttachAsync(fixture.Cluster.ConnectionString, Token))
        await using (var database = await attached.CreateDatabaseAsync(cancellationToken: Token))
        {
            name = database.Name;
            (await database.ScalarAsync<int>("SELECT 1", Token)).Should().Be(1);
        }

        (await fixture.Cluster.ScalarAsync<bool>($"SELECT EXISTS (SELECT FROM pg_database WHERE datname = '{name}')", Token)).Should().BeFalse();
    }

    [Fact]
    public async Task A_server_that_cannot_start_shows_its_log()
    {
        var start = () => PgCluster.StartAsync(new PgClusterOptions { Settings = new Dictionary<string, string> { ["shared_buffers"] = "rubbish" } }, Token);

        (await start.Should().ThrowAsync<InvalidOperationException>()).WithMessage("*shared_buffers*rubbish*");
    }

    [Fact]
    public async Task A_password_is_really_asked_for()
    {
        await using var cluster = await PgCluster.StartAsync(new PgClusterOptions { Password = "it's \"secret\"" }, Token);
        await using var wrong = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(cluster.ConnectionString) { Password = "wrong" }.ConnectionString);

        var open = async () => await wrong.OpenConnectionAsync(Token);

        (await open.Should().ThrowAsync<PostgresException>()).Which.SqlState.Should().Be(PostgresErrorCodes.InvalidPassword);
    }

    [Theory]
    [InlineData(13)]
    [InlineData(14)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(18)]
    public async Task Every_supported_major_starts_where_its_programs_can_be_had(int major)
    {
        Assert.SkipUnless(await PgInstallations.TryGetAsync(major, Token) is not null, $"PostgreSQL {major} is neither installed nor can it be fetched.");

        await using var cluster = await PgCluster.StartAsync(major, Token);

        cluster.MajorVersion.Should().Be(major);
        await using var connection = await cluster.DataSource.OpenConnectionAsync(Token);
        PgServerVersion.Of(connection).Major.Should().Be(major);
    }
}
