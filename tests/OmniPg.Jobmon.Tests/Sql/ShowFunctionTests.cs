using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Sql;

/// <summary>The query functions of own mode: J-14 to J-20.</summary>
public sealed class ShowFunctionTests(PgClusterFixture server)
{
    private const string Data =
        """
        INSERT INTO S.job_log (job_id, owner, job_name, start_time, end_time, status, pid)
        SELECT g, 'etl', CASE WHEN g % 3 = 0 THEN 'ORDERS LOAD' ELSE 'FACTS ' || g END, now() - g * interval '1 minute', now(),
            CASE WHEN g % 2 = 0 THEN 'OK' ELSE 'CRITICAL' END, 1 FROM generate_series(1, 12) g;
        INSERT INTO S.job_detail (job_id, step_id, action, start_time) SELECT g / 2 + 1, g, 'step ' || g, now() FROM generate_series(1, 20) g;
        """;

    [Theory]
    [InlineData("show_job('orders load')", "12,9,6,3")]
    [InlineData("show_job('orders load', 2)", "12,9")]
    [InlineData("show_job('orders load', NULL)", "12,9,6,3")]
    [InlineData("show_job('orders')", "")]
    [InlineData("show_job_like('orders')", "12,9,6,3")]
    [InlineData("show_job_like('^facts \\d$', 2)", "8,7")]
    [InlineData("show_job_like('^FACTS \\d$', 2)", "8,7")]
    [InlineData("show_job_status('OK', 3)", "12,10,8")]
    [InlineData("show_job_status('ok', 3)", "")]
    [InlineData("show_job_status('Orders load', 'CRITICAL')", "9,3")]
    [InlineData("show_running()", "")]
    public async Task Lists_come_newest_first_and_cut_to_the_limit(string call, string ids)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(Data);

        var rows = await log.RowsAsync($"SELECT job_id FROM S.{call}");

        string.Join(',', rows).Should().Be(ids);
    }

    [Fact]
    public async Task Details_come_by_run_and_then_by_step()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(Data);

        (await log.RowsAsync("SELECT step_id FROM S.show_detail(3)")).Should().Equal("4", "5");
        (await log.RowsAsync("SELECT job_id, step_id FROM S.show_detail('orders load', 3)")).Should().Equal("9|16", "9|17", "6|10", "6|11");
        (await log.RowsAsync("SELECT job_id FROM S.show_detail('orders load')")).Should().BeEmpty();
    }

    [Theory]
    [InlineData("show_job('x', -1)", "2201W")]
    [InlineData("show_job_like('(')", "2201B")]
    public async Task Bad_limits_and_patterns_keep_their_sqlstate(string call, string sqlState)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(Data);

        var act = () => log.ExecuteAsync($"SELECT * FROM S.{call}");

        (await act.Should().ThrowAsync<PostgresException>()).Which.SqlState.Should().Be(sqlState);
    }

    [Fact]
    public async Task Running_shows_a_busy_backend_and_not_one_that_inherited_the_pid()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var connection = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);

        await log.RowsAsync(connection, "INSERT INTO S.job_log (owner, job_name, start_time, pid) VALUES ('me', 'MINE', clock_timestamp(), pg_backend_pid()), "
            + "('me', 'REUSED', clock_timestamp() - interval '1 day', pg_backend_pid())");

        (await log.RowsAsync(connection, "SELECT job_name FROM S.show_running()")).Should().Equal("MINE");
    }
}
