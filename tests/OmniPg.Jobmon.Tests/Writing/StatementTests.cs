using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Writing;

/// <summary>Every statement of the writer in every kind of database: with and without side tables, by table and by function.</summary>
public sealed class StatementTests(PgClusterFixture server)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task One_run_reads_the_same(bool byFunctions, bool withSide)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var connection = await log.DataSource.OpenConnectionAsync(Cancellation);
        var found = await log.Access.GetTargetAsync(log.Access.On(connection, Cancellation));
        // The functions of the original have the same names and arguments in own mode.
        var tables = new LogTables(found with { Mode = byFunctions ? JobmonMode.Extension : JobmonMode.Own, SideVersion = withSide ? 1 : null });
        var clock = new ServerClock(TimeProvider.System);
        var context = new WriteContext(clock, new TextGuard(null, 1_000), Guid.NewGuid(), () => null);
        var job = new JobRow("Ünit");
        var (good, bad) = (new StepRow(job, null, 1, "good"), new StepRow(job, null, 2, "bad"));

        foreach (var e in new LogEvent[]
        {
            new JobStartedEvent(job, 0), new JobStartedEvent(job, 0) { Repeated = true }, new WorkerAttachedEvent(job, 0, connection.ProcessID, null),
            new StepStartedEvent(good, 0), new StepStartedEvent(good, 0) { Repeated = true }, new StepStartedEvent(bad, 0),
            new ProgressEvent(job, 0, [(good, new StepProgress(1, 2, "rows")), (bad, new StepProgress(3))]),
            new StepEndedEvent(good, 0, AlertLevel.Ok) { Message = "done" }, new StepEndedEvent(good, 0, AlertLevel.Critical) { Message = "too late" },
            new StepEndedEvent(bad, 0, AlertLevel.Critical), new JobEndedEvent(job, 0, JobOutcome.Of(AlertLevel.Warning)) { FinalAction = "last", FinalMessage = "bye" },
            new JobEndedEvent(job, 0, JobOutcome.Of(AlertLevel.Ok)),
        })
        {
            await using var batch = new NpgsqlBatch(connection) { BatchCommands = { e.ToCommand(tables, context) } };
            await using var reader = await batch.ExecuteReaderAsync(Cancellation);
            (await reader.ReadAsync(Cancellation)).Should().BeTrue("{0} returns one row", e.Operation);
            var row = new object[reader.FieldCount];
            reader.GetValues(row);
            e.Accept(row);
        }

        job.EndedElsewhere.Should().BeTrue("the first end wins");
        (await log.RowsAsync($"SELECT job_name, status, pid = {connection.ProcessID}, end_time >= start_time FROM S.job_log")).Should().Equal("ÜNIT|WARNING|t|t");
        (await log.RowsAsync("SELECT action, status, message, end_time >= start_time, elapsed_time >= 0 FROM S.job_detail ORDER BY step_id"))
            .Should().Equal("good|OK|done|t|t", "bad|CRITICAL|3|t|t", "last|WARNING|bye|t|t");
        (await log.ScalarAsync<long>("SELECT count(*) FROM omnipg_jobmon.step")).Should().Be(withSide ? 2 : 0);
    }

    [Fact]
    public async Task Without_side_tables_the_log_works_and_says_what_is_missing()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("DROP SCHEMA omnipg_jobmon CASCADE");
        var lines = new FakeLoggerFactory();
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw }, lines);

        using (var job = jobmon.Job("plain").SingleInstance().Start())
        {
            using (var step = job.Step("work"))
            {
                step.Report(5, 10);
                step.Complete();
            }

            job.Fail(new InvalidOperationException("no"));
        }

        (await log.RowsAsync("SELECT l.status, d.action, d.status, split_part(d.message, E'\\n', 1) LIKE '5 of 10 (50 %)%' OR d.message LIKE 'ERROR: no%' FROM S.job_log l JOIN S.job_detail d USING (job_id) ORDER BY step_id"))
            .Should().Equal("CRITICAL|work|OK|t", "CRITICAL|EXCEPTION after last step logged|CRITICAL|t");
        lines.Lines.Should().ContainSingle(l => l.Id.Id == 3204);
    }

    [Fact]
    public async Task Relaxed_durability_concerns_starts_only_and_ends_with_the_transaction()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(
            """
            CREATE TABLE modes (what text, mode text);
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.modes VALUES (TG_OP || TG_TABLE_NAME, pg_catalog.current_setting(''synchronous_commit'')); RETURN NULL; END';
            CREATE TRIGGER note AFTER INSERT OR UPDATE ON S.job_log FOR EACH ROW EXECUTE FUNCTION note();
            CREATE TRIGGER note AFTER INSERT OR UPDATE ON S.job_detail FOR EACH ROW EXECUTE FUNCTION note();
            """);
        var name = log.Name;
        await server.Cluster.ExecuteAsync($"ALTER DATABASE \"{name}\" SET synchronous_commit = 'local'", Cancellation);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { RelaxedStartDurability = true, ErrorPolicy = ErrorPolicy.Throw });

        using (var job = jobmon.Start("relaxed"))
        {
            job.Step("work").Complete();
            job.Complete();
        }

        (await log.RowsAsync("SELECT * FROM modes")).Should().Equal("INSERTjob_log|off", "INSERTjob_detail|off", "UPDATEjob_detail|local", "UPDATEjob_log|local");
    }
}
