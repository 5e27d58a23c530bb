using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Shared.Tests;

public sealed class PlainStatementsTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Statements_of_a_text_run_as_one_transaction_and_their_rows_are_counted()
    {
        await using var database = await server.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        await using var connection = await database.DataSource.OpenConnectionAsync(Stop);

        var rows = await PlainStatements.ExecuteTextAsync(connection, "CREATE TABLE t (i int); INSERT INTO t VALUES (1), (2);\nSELECT * FROM t;", 0, Stop);
        var refused = () => PlainStatements.ExecuteTextAsync(connection, "DELETE FROM t; SELECT 1/0", 0, Stop);

        rows.Should().Be(4);
        (await refused.Should().ThrowAsync<PostgresException>()).Which.SqlState.Should().Be("22012");
        (await database.ScalarAsync<long>("SELECT count(*) FROM t", Stop)).Should().Be(2);
        (await PlainStatements.ExecuteTextAsync(connection, " ; -- nothing", 0, Stop)).Should().Be(0);
    }

    [Fact]
    public async Task The_session_says_what_a_backslash_is()
    {
        await using var database = await server.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        Assert.SkipWhen(server.Cluster.MajorVersion >= 19, "PostgreSQL 19 knows no standard_conforming_strings = off.");
        await using var connection = await database.DataSource.OpenConnectionAsync(Stop);

        await PlainStatements.ExecuteTextAsync(connection, @"CREATE TABLE t AS SELECT 'a\' AS v; SET standard_conforming_strings = off", 0, Stop);
        await PlainStatements.ExecuteTextAsync(connection, @"INSERT INTO t VALUES ('b\';'); INSERT INTO t VALUES ('c\\')", 0, Stop);

        (await database.ScalarAsync<string>("SELECT string_agg(v, ' ' ORDER BY v) FROM t", Stop)).Should().Be(@"a\ b'; c\");
    }

    [Fact]
    public async Task A_limit_ends_a_statement()
    {
        await using var database = await server.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        await using var connection = await database.DataSource.OpenConnectionAsync(Stop);

        var slow = () => PlainStatements.ExecuteTextAsync(connection, "SELECT pg_sleep(600)", 1, Stop);

        (await slow.Should().ThrowAsync<NpgsqlException>()).WithInnerException<TimeoutException>();
    }
}
