using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Jobs;

public sealed class JobTests(PgClusterFixture server)
{
    [Fact]
    public async Task Using_pattern_records_job_and_step()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);

        using (var job = jobmon.Start("nightly orders load"))
        {
            using (var step = job.Step("extract"))
            {
                foreach (var _ in step.Each(Enumerable.Range(0, 3), unit: "rows"))
                {
                }

                step.Complete("Rows affected: 3");
            }

            job.Complete();
        }

        (await log.RowsAsync("SELECT job_name, status, owner, end_time >= start_time FROM S.job_log")).Should().Equal("NIGHTLY ORDERS LOAD|OK|postgres|t");
        (await log.RowsAsync("SELECT action, status, message, elapsed_time >= 0 FROM S.job_detail")).Should().Equal("extract|OK|Rows affected: 3|t");
        (await log.RowsAsync("SELECT r.display_name, r.error IS NULL, s.current, s.total, s.unit FROM omnipg_jobmon.run r JOIN omnipg_jobmon.step s USING (job_id)"))
            .Should().Equal("nightly orders load|t|3|3|rows");
    }

    [Fact]
    public async Task Exception_in_the_loop_fails_step_and_job_and_reaches_the_caller()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);
        var original = new InvalidOperationException("row 2 is bad");

        var act = () =>
        {
            using var job = jobmon.Start("load");
            using var step = job.Step("extract");
            foreach (var row in step.Each(Enumerable.Range(0, 3)))
            {
                if (row == 2)
                    throw original;
            }

            step.Complete();
            job.Complete();
        };

        act.Should().Throw<InvalidOperationException>().Which.Should().BeSameAs(original);
        (await log.RowsAsync("SELECT status FROM S.job_log")).Should().Equal("CRITICAL");
        (await log.RowsAsync("SELECT status, message FROM S.job_detail"))
            .Should().Equal("CRITICAL|ERROR: row 2 is bad\nSystem.InvalidOperationException");
        (await log.RowsAsync("SELECT error ->> 'type', error ->> 'message' FROM omnipg_jobmon.run"))
            .Should().Equal("System.InvalidOperationException|row 2 is bad");
    }

    [Fact]
    public async Task Dispose_without_complete_is_a_failure()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);

        await Task.Run(() => jobmon.Start("forgotten").Dispose(), TestContext.Current.CancellationToken);

        (await log.RowsAsync("SELECT status FROM S.job_log")).Should().Equal("CRITICAL");
        (await log.RowsAsync("SELECT action, status, message FROM S.job_detail"))
            .Should().Equal("EXCEPTION before first step logged|CRITICAL|Disposed without Complete()");
    }

    [Fact]
    public async Task Dispose_can_mean_success()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { DisposeBehavior = DisposeBehavior.CompleteUnlessFailed });

        jobmon.Start("quick").Dispose();

        (await log.RowsAsync("SELECT status FROM S.job_log")).Should().Equal("OK");
    }

    [Fact]
    public async Task RunAsync_completes_and_returns_the_result()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);

        var result = await jobmon.RunAsync(
            "refresh facts",
            async (job, ct) => await job.StepAsync("count", async (step, token) => await Task.FromResult(42), ct),
            cancellationToken: TestContext.Current.CancellationToken);

        result.Should().Be(42);
        (await log.RowsAsync("SELECT l.status, d.status FROM S.job_log l JOIN S.job_detail d USING (job_id)")).Should().Equal("OK|OK");
    }

    [Fact]
    public async Task Server_error_is_kept_with_SQLSTATE_constraint_and_table()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);
        await log.ExecuteAsync("CREATE TABLE orders (id int CONSTRAINT orders_once PRIMARY KEY); INSERT INTO orders VALUES (1)");

        var act = () => jobmon.RunAsync(
            "load",
            async (job, ct) =>
            {
                await using var connection = await log.DataSource.OpenConnectionAsync(ct);
                await job.SqlStepAsync("insert", "INSERT INTO orders VALUES (1)", connection, cancellationToken: ct);
            },
            cancellationToken: TestContext.Current.CancellationToken);

        (await act.Should().ThrowAsync<PostgresException>()).Which.SqlState.Should().Be("23505");
        (await log.RowsAsync("SELECT status, message FROM S.job_detail")).Should().Equal(
            "CRITICAL|ERROR: duplicate key value violates unique constraint \"orders_once\"\n[SQLSTATE 23505] Npgsql.PostgresException");
        foreach (var table in new[] { "run", "step" })
        {
            (await log.RowsAsync($"SELECT error ->> 'sqlState', error ->> 'constraint', error ->> 'table', error ->> 'severity', error ? 'stack' FROM omnipg_jobmon.{table}"))
                .Should().Equal("23505|orders_once|orders|ERROR|t");
        }
    }

    [Fact]
    public async Task Nested_steps_and_child_jobs_know_their_parents()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);

        using (var outer = jobmon.Start("outer"))
        {
            using (var step = outer.Step("a"))
            using (var below = step.Step("a.1"))
            {
                below.Complete();
                step.Complete();
            }

            jobmon.Current.Should().BeSameAs(outer);
            await using (var inner = await jobmon.StartAsync("inner", cancellationToken: TestContext.Current.CancellationToken))
            {
                jobmon.Current.Should().BeSameAs(inner);
                await inner.CompleteAsync(cancellationToken: TestContext.Current.CancellationToken);
            }

            jobmon.Current.Should().BeSameAs(outer);
            outer.Complete();
        }

        jobmon.Current.Should().BeNull();
        (await log.RowsAsync("SELECT d.action, s.ordinal, p.action FROM S.job_detail d JOIN omnipg_jobmon.step s USING (step_id) LEFT JOIN S.job_detail p ON p.step_id = s.parent_step_id ORDER BY d.step_id"))
            .Should().Equal("a|1|~", "a.1|2|a");
        (await log.RowsAsync("SELECT l.job_name, p.job_name FROM S.job_log l JOIN omnipg_jobmon.run r USING (job_id) LEFT JOIN S.job_log p ON p.job_id = r.parent_job_id ORDER BY 1"))
            .Should().Equal("INNER|OUTER", "OUTER|~");
    }

    [Fact]
    public async Task First_end_wins_and_open_steps_end_with_the_job()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var lines = new FakeLoggerFactory();
        await using var jobmon = new JobmonClient(log.DataSource, loggerFactory: lines);

        var job = jobmon.Start("twice");
        job.Step("left open");
        job.Complete("all done");
        job.Fail("too late");
        job.Dispose();

        job.State.Should().Be(JobState.Completed);
        lines.Lines.Should().ContainSingle(l => l.Id.Id == 3002);
        job.Invoking(j => j.Complete()).Should().Throw<ObjectDisposedException>();
        (await log.RowsAsync("SELECT status FROM S.job_log")).Should().Equal("OK");
        (await log.RowsAsync("SELECT action, status, message FROM S.job_detail ORDER BY step_id"))
            .Should().Equal("left open|OK|Step ended with the job", "Finished|OK|all done");
    }

    [Fact]
    public async Task Next_ends_a_step_and_begins_another_in_one_batch()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);

        using (var job = jobmon.Start("chain"))
        {
            var step = job.Step("one").Next("two", "first done");
            step.Complete("second done");
            job.Complete();
        }

        (await log.RowsAsync("SELECT action, status, message FROM S.job_detail ORDER BY step_id")).Should().Equal("one|OK|first done", "two|OK|second done");
    }

    [Fact]
    public async Task RunSql_counts_rows_and_returns_the_error_instead_of_throwing()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);
        var cancellation = TestContext.Current.CancellationToken;

        var good = await jobmon.RunSqlAsync("count", "SELECT generate_series(1, 7)", cancellationToken: cancellation);
        var bad = await jobmon.RunSqlAsync("divide", "SELECT 1/0 AS \"it's\\\"", cancellationToken: cancellation);

        good.Should().Be(new SqlJobResult(good.JobId, true, 7, false, null));
        good.ToString().Should().Be($"Job logged with job id: {good.JobId}");
        bad.Succeeded.Should().BeFalse();
        bad.Error.Should().BeOfType<PostgresException>().Which.SqlState.Should().Be("22012");
        bad.ToString().Should().Be($"Job ID {bad.JobId} failed. See job_detail table for more details");
        (await log.RowsAsync("SELECT l.status, d.action, d.status, d.message FROM S.job_log l JOIN S.job_detail d USING (job_id) ORDER BY step_id")).Should().Equal(
            "OK|Running sql: 'SELECT generate_series(1, 7)'|OK|Rows affected: 7",
            "CRITICAL|Running sql: E'SELECT 1/0 AS \"it''s\\\\\"'|CRITICAL|ERROR: division by zero\n[SQLSTATE 22012] Npgsql.PostgresException");
    }

    [Fact]
    public async Task Arguments_tags_results_and_counters_are_stored()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);

        using (var job = jobmon.Job("with values").Tag("daily").Tag("eu").Argument("file", "a.csv").MaxRuntime(TimeSpan.FromHours(2)).Start())
        {
            job.Count("rows_in", 40);
            job.Count("rows_in", 2);
            job.SetResult("checksum", "äöü");
            job.Complete();
        }

        (await log.RowsAsync("SELECT args, result, tags, max_runtime FROM omnipg_jobmon.run"))
            .Should().Equal("{\"file\": \"a.csv\"}|{\"rows_in\": 42, \"checksum\": \"äöü\"}|{daily,eu}|02:00:00");
    }

    [Fact]
    public async Task Bad_names_are_refused_before_any_write()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);

        foreach (var name in new[] { "", "   ", new string('ä', 501) })
            jobmon.Invoking(j => j.Start(name)).Should().Throw<ArgumentException>();

        (await log.ScalarAsync<long>("SELECT count(*) FROM S.job_log")).Should().Be(0);
    }
}
