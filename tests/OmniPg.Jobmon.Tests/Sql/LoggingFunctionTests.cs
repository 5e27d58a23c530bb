using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Sql;

/// <summary>The logging functions of own mode: J-01 to J-10 with the corrections of the specification's section 4.4.</summary>
public sealed class LoggingFunctionTests(PgClusterFixture server)
{
    // The pattern of the 2012 talk, unchanged: steps around work, one updated in a loop, a handler that records and re-raises.
    private const string Pattern2012 =
        """
        CREATE FUNCTION etl(p_fail boolean) RETURNS void LANGUAGE plpgsql AS $$
        DECLARE
            v_job_id bigint; v_step_id bigint;
        BEGIN
            v_job_id := S.add_job('Test job');
            v_step_id := S.add_step(v_job_id, 'What this step will do');
            CREATE TABLE IF NOT EXISTS work (i int);
            PERFORM S.update_step(v_step_id, 'good_status', 'What this step did successfully');
            v_step_id := S.add_step(v_job_id, 'What this next step will do');
            FOR i IN 1..3 LOOP
                INSERT INTO work VALUES (i);
                PERFORM S.update_step(v_step_id, 'good_status', 'Done ' || i);
            END LOOP;
            v_step_id := S.add_step(v_job_id, 'One last step');
            IF p_fail THEN
                PERFORM 1 / 0;
            END IF;
            PERFORM S.update_step(v_step_id, 'good_status', 'Job finished ok');
            PERFORM S.close_job(v_job_id);
        EXCEPTION WHEN OTHERS THEN
            PERFORM S.update_step(v_step_id, 'bad_status', 'Uh..oh...: ' || coalesce(SQLERRM, 'wat'));
            PERFORM S.fail_job(v_job_id);
            IF p_fail THEN
                RAISE;
            END IF;
        END $$
        """;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_pattern_of_2012_runs_unchanged(bool dblink)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink);
        await log.ExecuteAsync(Pattern2012);

        await log.ExecuteAsync("SELECT etl(false)");
        await log.ExecuteAsync("DO $$ BEGIN PERFORM etl(true); EXCEPTION WHEN division_by_zero THEN NULL; END $$");

        (await log.RowsAsync("SELECT owner, job_name, status FROM S.show_job('test job') WHERE status = 'OK'")).Should().Equal("postgres|TEST JOB|OK");
        (await log.RowsAsync("SELECT action, status, message, end_time IS NOT NULL, elapsed_time >= 0 FROM S.show_detail(1)")).Should().Equal(
            "What this step will do|good_status|What this step did successfully|t|t",
            "What this next step will do|good_status|Done 3|t|t",
            "One last step|good_status|Job finished ok|t|t");
        // With dblink the failed run is there although its function's work was rolled back; without, the rollback took it along.
        (await log.RowsAsync("SELECT status FROM S.show_job('test job') WHERE job_id > 1")).Should().Equal(dblink ? ["CRITICAL"] : []);
        (await log.ScalarAsync<long>("SELECT count(*) FROM S.job_detail WHERE message = 'Uh..oh...: division by zero'")).Should().Be(dblink ? 1 : 0);
        (await log.ScalarAsync<long>("SELECT count(*) FROM work")).Should().Be(3);
    }

    [Fact]
    public async Task Start_time_is_real_time_late_in_a_long_transaction_and_pid_is_the_callers()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster);
        await using var connection = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);

        var rows = await log.RowsAsync(connection,
            "BEGIN; SELECT pg_sleep(0.05); SELECT S.add_job('late'); SELECT pid = pg_backend_pid(), start_time > now() + interval '40 ms' FROM S.show_job('late'); COMMIT");
        rows = await log.RowsAsync(connection, "SELECT pid = pg_backend_pid() FROM S.show_job('late')");

        rows.Should().Equal("t");
    }

    [Fact]
    public async Task Logging_works_in_a_read_only_transaction_through_dblink()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster);
        await using var connection = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);

        await log.RowsAsync(connection, "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY");
        await log.RowsAsync(connection, "SELECT S.close_job(S.add_job('reader'))");
        await log.RowsAsync(connection, "ROLLBACK");

        (await log.RowsAsync("SELECT job_name, status FROM S.show_job('reader')")).Should().Equal("READER|OK");
    }

    [Fact]
    public async Task Without_dblink_a_read_only_transaction_goes_on_with_a_warning()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var connection = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        var warnings = new List<string>();
        connection.Notice += (_, e) => warnings.Add(e.Notice.MessageText);

        await log.RowsAsync(connection, "BEGIN READ ONLY");
        var rows = await log.RowsAsync(connection, "SELECT S.add_job('reader')");
        await log.RowsAsync(connection, "COMMIT");

        rows.Should().Equal("~");
        warnings.Should().Contain(w => w.StartsWith("add_job logs nothing in a read-only transaction"));
    }

    [Fact]
    public async Task Without_dblink_each_function_warns_once_in_a_session()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var connection = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        var warnings = new List<string>();
        connection.Notice += (_, e) => warnings.Add(e.Notice.MessageText);

        for (var i = 0; i < 3; i++)
            await log.RowsAsync(connection, "SELECT S.close_job(S.add_job('x'))");

        warnings.Should().Equal(
            "add_job writes inside the transaction of its caller, because no connection through dblink is possible",
            "close_job writes inside the transaction of its caller, because no connection through dblink is possible");
    }

    [Theory]
    [InlineData("S.add_job(NULL)", "22004", "The job name must not be null")]
    [InlineData("S.add_step(S.add_job('x'), NULL)", "22004", "The action of a step must not be null")]
    [InlineData("S.fail_job(S.add_job('x'), 7)", "22023", "Unknown fail level: 7")]
    [InlineData("S.fail_job(S.add_job('x'), NULL)", "22023", "Unknown fail level: null")]
    [InlineData("S.add_step(4711, 'x')", "23503", null)]
    public async Task Wrong_arguments_are_refused_with_their_own_sqlstate(string call, string sqlState, string? message)
    {
        foreach (var dblink in new[] { true, false })
        {
            await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink);

            var act = () => log.ExecuteAsync("SELECT " + call);

            var error = (await act.Should().ThrowAsync<PostgresException>()).Which;
            error.SqlState.Should().Be(sqlState);
            if (message is not null)
                error.MessageText.Should().Be(message);
            (await log.ScalarAsync<long>("SELECT count(*) FROM S.job_log WHERE end_time IS NOT NULL")).Should().Be(0);
        }
    }

    [Fact]
    public async Task Null_status_and_message_are_stored_and_unknown_ids_warn()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster);
        await using var connection = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        var warnings = new List<string>();
        connection.Notice += (_, e) => warnings.Add(e.Notice.MessageText);

        await log.RowsAsync(connection, "SELECT S.update_step(S.add_step(S.add_job('x'), 'a'), NULL, NULL)");
        await log.RowsAsync(connection, "SELECT S.update_step(99, 'OK', 'm'), S.close_job(98), S.fail_job(97)");

        (await log.RowsAsync("SELECT status, message, end_time IS NOT NULL FROM S.job_detail")).Should().Equal("~|~|t");
        warnings.Should().Equal("update_step: unknown step id: 99", "close_job: unknown job id: 98", "fail_job: unknown job id: 97");
    }

    [Fact]
    public async Task Ids_above_two_to_the_31_are_returned_whole()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster);
        await log.ExecuteAsync("SELECT setval('S.job_log_job_id_seq', 3000000000), setval('S.job_detail_step_id_seq', 5000000000)");

        var rows = await log.RowsAsync("SELECT j, S.add_step(j, 'a') FROM S.add_job('big') j");

        rows.Should().Equal("3000000001|5000000001");
        (await log.ScalarAsync<bool>("SELECT S.cancel_job(3000000001)")).Should().BeTrue();
    }

    [Fact]
    public async Task Fail_levels_give_their_texts_and_the_last_outcome_wins()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster);
        await log.ExecuteAsync("UPDATE S.job_status_text SET alert_text = 'good' WHERE alert_code = 1");

        await log.ExecuteAsync("SELECT S.fail_job(S.add_job('a')), S.fail_job(S.add_job('b'), 2), S.fail_job(S.add_job('c'), 1)");
        await log.ExecuteAsync("SELECT S.fail_job(j), S.close_job(j) FROM S.add_job('d') j");

        (await log.RowsAsync("SELECT job_name, status FROM S.job_log ORDER BY 1")).Should().Equal("A|CRITICAL", "B|WARNING", "C|good", "D|good");
        (await log.RowsAsync("SELECT job_name, alert_code FROM S.job_check_log ORDER BY 1")).Should().Equal("A|3", "B|2");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Sql_job_logs_rows_or_the_error_and_never_throws(bool dblink)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink);

        var good = await log.RowsAsync("SELECT S.sql_job('load', 'SELECT g FROM generate_series(1, 7) g')");
        var bad = await log.RowsAsync("SELECT S.sql_job('load', 'SELECT 1/0')");

        good.Should().Equal("Job logged with job id: 1");
        bad.Should().Equal("Job ID 2 failed. See job_detail table for more details");
        (await log.RowsAsync("SELECT job_id, action, status, message FROM S.job_detail ORDER BY step_id")).Should().Equal(
            "1|Running sql: 'SELECT g FROM generate_series(1, 7) g'|OK|Rows affected: 7",
            "2|Running sql: 'SELECT 1/0'|CRITICAL|ERROR: division by zero");
        (await log.RowsAsync("SELECT status FROM S.job_log ORDER BY job_id")).Should().Equal("OK", "CRITICAL");
        (await log.ScalarAsync<long>("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")).Should().Be(0);
    }

    [Theory]
    [InlineData("load")]
    [InlineData("LOAD")]
    [InlineData("Load")]
    public async Task Sql_job_leaves_a_concurrent_run_of_the_same_name_in_any_case_alone(string name)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster);
        await using var holder = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await log.RowsAsync(holder, "SELECT pg_advisory_lock(hashtext('sql_log'), hashtext('LOAD'))");

        var answer = await log.RowsAsync($"SELECT S.sql_job('{name}', 'SELECT 1')");

        answer.Should().Equal("Concurrent job found. Obtaining advisory lock FAILED for job: " + name);
        (await log.RowsAsync("SELECT action, status, message FROM S.job_detail")).Should().Equal(
            $"Obtaining advisory lock for job: {name}|OK|Found concurrent job. Exiting gracefully");
        (await log.RowsAsync("SELECT status FROM S.job_log")).Should().Equal("OK");
        (await log.ScalarAsync<long>("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")).Should().Be(1);
    }

    [Fact]
    public async Task Sql_step_leaves_the_job_open()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster);

        var rows = await log.RowsAsync("SELECT S.sql_step(j, 'one', 'SELECT 1'), S.sql_step(j, 'two', 'nonsense') FROM S.add_job('steps') j");

        rows.Should().Equal("t|f");
        (await log.RowsAsync("SELECT status, end_time FROM S.job_log")).Should().Equal("~|~");
        (await log.RowsAsync("SELECT action, status, message FROM S.job_detail ORDER BY 1")).Should().Equal(
            "one|OK|Rows affected: 1", "two|CRITICAL|ERROR: syntax error at or near \"nonsense\"");
    }

    [Fact]
    public async Task Sql_job_runs_the_statement_with_the_callers_search_path()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster);
        await log.ExecuteAsync("CREATE SCHEMA mine; CREATE TABLE mine.t AS SELECT 1 AS i");
        await using var connection = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);

        await log.RowsAsync(connection, "SET search_path = mine");
        var answer = await log.RowsAsync(connection, "SELECT S.sql_job('x', 'DELETE FROM t')");

        answer.Should().Equal("Job logged with job id: 1");
    }
}
