using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Sql;

/// <summary><c>cancel_job</c>, <c>job_log_clear</c>, <c>auth</c> and the mapping table of own mode.</summary>
public sealed class ManageFunctionTests(PgClusterFixture server)
{
    [Fact]
    public async Task Cancel_signals_the_backend_of_the_run_and_records_who_did_it()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster);
        await using var worker = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await log.RowsAsync(worker, "SELECT S.add_step(S.add_job('slow'), 'sleep')");
        var sleeping = log.RowsAsync(worker, "SELECT pg_sleep(60)");
        await Eventually.TrueAsync(() => log.ScalarAsync<bool>(
            $"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {worker.ProcessID} AND wait_event = 'PgSleep')"), "the worker sleeps", cancellationToken: TestContext.Current.CancellationToken);

        (await log.ScalarAsync<bool>("SELECT S.cancel_job(1)")).Should().BeTrue();

        var act = () => sleeping;
        (await act.Should().ThrowAsync<PostgresException>()).Which.SqlState.Should().Be(PostgresErrorCodes.QueryCanceled);
        (await log.RowsAsync("SELECT j.status, d.status, d.message FROM S.job_log j JOIN S.job_detail d USING (job_id)")).Should().Equal(
            "CRITICAL|CRITICAL|Manually cancelled via call to jobmon.cancel_job() by postgres");
    }

    [Fact]
    public async Task Cancel_changes_nothing_for_ended_and_unknown_runs()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster);
        await log.ExecuteAsync("SELECT S.close_job(S.add_job('done'))");
        var before = await log.RowsAsync("SELECT * FROM S.job_log");

        (await log.ScalarAsync<bool>("SELECT S.cancel_job(1)")).Should().BeFalse();
        (await log.ScalarAsync<bool>("SELECT S.cancel_job(99)")).Should().BeFalse();

        (await log.RowsAsync("SELECT * FROM S.job_log")).Should().Equal(before);
        (await log.ScalarAsync<long>("SELECT count(*) FROM S.job_check_log")).Should().Be(0);
    }

    [Fact]
    public async Task Cancel_never_signals_a_session_that_inherited_the_pid()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster);
        await using var innocent = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await log.ExecuteAsync($"INSERT INTO S.job_log (owner, job_name, start_time, pid) VALUES ('me', 'OLD', now() - interval '1 day', {innocent.ProcessID})");
        var sleeping = log.RowsAsync(innocent, "SELECT 'slept' FROM pg_sleep(1)");

        (await log.ScalarAsync<bool>("SELECT S.cancel_job(1)")).Should().BeTrue();

        (await sleeping).Should().Equal("slept");
        (await log.RowsAsync("SELECT action, message FROM S.job_detail")).Should().Equal(
            "Cancelled before first step logged|Manually cancelled via call to jobmon.cancel_job() by postgres");
    }

    [Fact]
    public async Task Clear_deletes_old_runs_with_details_and_leaves_live_ones_and_alerts()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster);
        await using var worker = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await log.ExecuteAsync("SELECT S.fail_job(j) FROM S.add_job('old') j, S.add_step(j, 'a')");
        await log.RowsAsync(worker, "SELECT S.add_job('live')");
        await log.ExecuteAsync("INSERT INTO S.job_log (owner, job_name, start_time, pid) VALUES ('me', 'DEAD', now() - interval '1 day', 1)");
        await using var connection = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        var notices = new List<string>();
        connection.Notice += (_, e) => notices.Add(e.Notice.MessageText);

        await log.RowsAsync(connection, "SELECT S.job_log_clear('0 s')");

        (await log.RowsAsync("SELECT job_name, status FROM S.job_log ORDER BY 1")).Should().Equal("LIVE|~", "PURGING PG_JOBMON JOB LOGS|OK");
        (await log.RowsAsync("SELECT message FROM S.job_detail")).Should().Equal("Deleted 2 rows from job_log and associated rows in job_detail");
        (await log.RowsAsync("SELECT job_name FROM S.job_check_log")).Should().Equal("OLD");
        notices.Should().Equal("Deleted 2 rows from job_log and associated rows in job_detail");
    }

    [Fact]
    public async Task The_mapping_takes_one_row_and_the_connection_string_quotes_and_hides()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, name: "it's \"odd\"");
        await log.ExecuteAsync("INSERT INTO S.dblink_mapping_jobmon (username, port, pwd, host, hostaddr) VALUES ('u ser', '5433', 'p''w\\d', 'h', '127.0.0.1')");

        var auth = await log.ScalarAsync<string>("SELECT S.auth()");
        var act = () => log.ExecuteAsync("INSERT INTO S.dblink_mapping_jobmon (port) VALUES ('1')");

        auth.Should().Be(@"port='5433' dbname='it\'s ""odd""' user='u ser' host='h' hostaddr='127.0.0.1'");
        (await log.ScalarAsync<string>("SELECT S._dblink_conninfo(true)")).Should().Contain(@"password='p\'w\\d'");
        (await act.Should().ThrowAsync<PostgresException>()).Which.MessageText.Should().Be("Only a single row may exist in this table");
    }
}
