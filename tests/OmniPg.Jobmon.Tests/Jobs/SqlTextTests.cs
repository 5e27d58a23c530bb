using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Jobs;

/// <summary>SQL of the user reaches the server as it was written.</summary>
public sealed class SqlTextTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public static TheoryData<string, string> Texts => new()
    {
        { "CREATE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC INSERT INTO facts VALUES ('a'); INSERT INTO facts VALUES (CASE WHEN true THEN 'b' END); END; CALL p()", "a|b" },
        { "CREATE FUNCTION f() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT 'a'; SELECT 'b'; END; INSERT INTO facts SELECT f()", "b" },
        { "INSERT INTO facts SELECT ':name @x ? $1'; INSERT INTO facts SELECT '{\"b\": 1}'::jsonb ? 'b'; INSERT INTO facts VALUES (@ -5)", "5|:name @x ? $1|true" },
        { "INSERT INTO facts SELECT ('{a,b,c}'::text[])[1:2]::text; INSERT INTO facts SELECT 'c'::text", "c|{a,b}" },
        { "DO $body$ DECLARE v text := $$a;b$$; BEGIN INSERT INTO facts VALUES (v); END; $body$; INSERT INTO facts VALUES ($$it's; -- $$)", "a;b|it's; -- " },
        { "/* ; */ INSERT INTO facts VALUES ('one'); -- ;\nINSERT INTO facts VALUES ('two');;", "one|two" },
        { "CREATE TABLE log (v text); CREATE RULE r AS ON INSERT TO log DO ALSO (INSERT INTO facts VALUES (new.v); INSERT INTO facts VALUES ('x')); INSERT INTO log VALUES ('a')", "a|x" },
    };

    [Theory]
    [MemberData(nameof(Texts))]
    public async Task Text_of_a_job_and_of_a_step_means_what_it_means_to_the_server(string sql, string facts)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("CREATE TABLE facts (v text)");
        await using var jobmon = new JobmonClient(log.DataSource);

        var result = await jobmon.RunSqlAsync("whole", sql, cancellationToken: Stop);
        var ofJob = await log.RowsAsync("SELECT string_agg(v, '|' ORDER BY v COLLATE \"C\") FROM facts");
        await using (var job = await jobmon.StartAsync("stepwise", cancellationToken: Stop))
        await using (var connection = await log.DataSource.OpenConnectionAsync(Stop))
        await using (var transaction = await connection.BeginTransactionAsync(Stop))
        {
            await job.SqlStepAsync("clear", "DROP TABLE IF EXISTS log; DROP PROCEDURE IF EXISTS p; DROP FUNCTION IF EXISTS f; DELETE FROM facts", connection, transaction, Stop);
            await job.SqlStepAsync("again", sql, connection, transaction, Stop);
            await transaction.CommitAsync(Stop);
            await job.CompleteAsync(cancellationToken: Stop);
        }

        result.Error.Should().BeNull();
        ofJob.Should().Equal(facts);
        (await log.RowsAsync("SELECT string_agg(v, '|' ORDER BY v COLLATE \"C\") FROM facts")).Should().Equal(facts);
    }

    [Fact]
    public async Task Backslashes_mean_what_the_session_says()
    {
        Assert.SkipWhen(server.Cluster.MajorVersion >= 19, "PostgreSQL 19 knows no standard_conforming_strings = off.");
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync($"CREATE TABLE facts (v text); ALTER DATABASE \"{log.Name}\" SET standard_conforming_strings = off");
        await using var source = NpgsqlDataSource.Create(log.ConnectionString + ";Application Name=off");
        await using var jobmon = new JobmonClient(source);

        var result = await jobmon.RunSqlAsync("off", @"INSERT INTO facts VALUES ('a\';'); INSERT INTO facts VALUES ('C:\\'); INSERT INTO facts VALUES (E'd\';')", cancellationToken: Stop);

        result.Error.Should().BeNull();
        (await log.RowsAsync("SELECT v FROM facts ORDER BY v COLLATE \"C\"")).Should().Equal(@"C:\", "a';", "d';");
    }
}
