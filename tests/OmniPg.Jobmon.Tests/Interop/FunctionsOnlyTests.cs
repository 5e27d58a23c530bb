using Microsoft.Extensions.Logging;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Interop;

/// <summary>A role that may call the original's functions but has no right on its tables.</summary>
public sealed class FunctionsOnlyTests : IAsyncLifetime
{
    private PgCluster _cluster = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    // dblink lets nobody but a superuser connect to a server that asks for no password.
    public async ValueTask InitializeAsync() => _cluster = await PgCluster.StartAsync(new PgClusterOptions { Password = "secret" }, Stop);

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    [Fact]
    public async Task Run_steps_progress_and_failure_go_through_the_functions()
    {
        await using var database = await OriginalExtension.CreateAsync(_cluster);
        await using var app = await RoleAsync(database, "UPDATE jobmon.dblink_mapping_jobmon SET username = 'logger', pwd = 'secret', host = NULL, hostaddr = '127.0.0.1'");
        await database.ExecuteAsync("SELECT setval('jobmon.job_log_job_id_seq', 2147483647)", Stop);
        var lines = new FakeLoggerFactory();
        await using var jobmon = new JobmonClient(app, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw }, lines);

        using (var good = jobmon.Job("good").SingleInstance().Start())
        {
            good.JobId.Should().Be(2147483648);
            (await database.ScalarAsync<bool>("SELECT l.pid = a.pid FROM jobmon.job_log l, pg_locks a WHERE a.locktype = 'advisory' LIMIT 1", Stop))
                .Should().BeTrue("the process id is the one of the session that lives as long as the process");
            using (var step = good.Step("load"))
            {
                step.Report(1, 2);
                await good.FlushAsync(Stop);
                (await database.ScalarAsync<string>("SELECT status || ' ' || split_part(message, ',', 1) FROM jobmon.job_detail", Stop)).Should().Be("PENDING 1 of 2 (50 %)");
                step.Complete("done");
            }

            good.Complete();
        }

        await jobmon.Invoking(j => j.RunAsync("bad", async (job, ct) =>
        {
            await job.StepAsync("open", ct);
            throw new InvalidDataException("no luck");
        }, cancellationToken: Stop)).Should().ThrowAsync<InvalidDataException>();
        jobmon.Start("worse").Fail("reason", AlertLevel.Warning);

        (await database.ScalarAsync<string>("SELECT string_agg(owner || ' ' || job_name || ' ' || status, ',' ORDER BY job_id) FROM jobmon.job_log", Stop))
            .Should().Be("app GOOD OK,app BAD CRITICAL,app WORSE WARNING");
        (await database.ScalarAsync<string>("SELECT string_agg(action || ' ' || status || ' ' || split_part(message, E'\\n', 1), ',' ORDER BY step_id) FROM jobmon.job_detail", Stop))
            .Should().Be("load OK done,open CRITICAL ERROR: no luck,EXCEPTION before first step logged WARNING reason");
        (await database.ScalarAsync<long>("SELECT count(*) FROM jobmon.job_check_log", Stop)).Should().Be(2);
        lines.Lines.Should().ContainSingle(l => l.Id.Id == 3205 && l.Message.Contains("Role app may not write", StringComparison.Ordinal));
        await app.Invoking(a => a.CreateCommand("SELECT 1 FROM jobmon.job_log").ExecuteScalarAsync(Stop)).Should().ThrowAsync<PostgresException>();
    }

    [Fact]
    public async Task Without_a_way_through_dblink_the_missing_right_and_the_refusal_are_both_told()
    {
        await using var database = await OriginalExtension.CreateAsync(_cluster);
        await using var app = await RoleAsync(database, "UPDATE jobmon.dblink_mapping_jobmon SET username = 'logger'");
        var lines = new FakeLoggerFactory();
        await using var patient = new JobmonClient(app, loggerFactory: lines);
        await using var strict = new JobmonClient(app, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });

        var refused = (await strict.Invoking(j => j.StartAsync("x", cancellationToken: Stop).AsTask()).Should().ThrowAsync<JobmonPermissionException>()).Which;
        patient.Start("late").Complete();

        refused.Message.Should().StartWith("Role 'app' lacks SELECT on 'jobmon.job_check_config'").And.Contain("through the functions of the extension it cannot write either: password");
        refused.Grant.Should().Contain("GRANT INSERT, SELECT, UPDATE ON jobmon.job_detail, jobmon.job_log TO app;").And.Contain("GRANT DELETE, INSERT, SELECT ON jobmon.job_check_log TO app;");
        lines.Lines.Should().ContainSingle(l => l.Level == LogLevel.Error && l.Message.Contains("2F003", StringComparison.Ordinal));
        await database.ExecuteAsync(refused.Grant, Stop);
        await Eventually.TrueAsync(
            () => database.ScalarAsync<bool>("SELECT coalesce(bool_and(status = 'OK' AND job_name = 'LATE'), false) FROM jobmon.job_log", Stop),
            "after the grant the run is written to the tables", cancellationToken: Stop);
    }

    [Fact]
    public async Task A_schema_with_a_hostile_name_is_reached_through_the_functions()
    {
        const string Odd = "100% \"odd\"";
        var quoted = PgIdentifier.Create(Odd).Quoted;
        await using var database = await OriginalExtension.CreateAsync(_cluster, Odd);
        await using var app = await RoleAsync(
            database, $"UPDATE {quoted}.dblink_mapping_jobmon SET username = 'logger', pwd = 'secret', host = NULL, hostaddr = '127.0.0.1'", quoted);
        await using var jobmon = new JobmonClient(app, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });

        using (var job = jobmon.Start("odd"))
        {
            using (var step = job.Step("one"))
                step.Complete("done");
            job.Complete();
        }

        (await database.ScalarAsync<string>($"SELECT job_name || ' ' || l.status || ' ' || d.message FROM {quoted}.job_log l JOIN {quoted}.job_detail d USING (job_id)", Stop))
            .Should().Be("ODD OK done");
    }

    private static async Task<NpgsqlDataSource> RoleAsync(TestDatabase database, string mapping, string schema = "jobmon")
    {
        await database.ExecuteAsync(
            $"CREATE ROLE app LOGIN PASSWORD 'secret'; CREATE ROLE logger LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA {schema} TO app, logger;"
            + $"GRANT SELECT ON {schema}.dblink_mapping_jobmon TO app; GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO logger; REVOKE ALL ON {schema}.dblink_mapping_jobmon FROM logger;"
            + $"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO logger;" + mapping, Stop);
        return NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(database.ConnectionString) { Username = "app", Password = "secret" }.ConnectionString);
    }
}
