using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Faults;

/// <summary>A trigger of somebody else on the tables of the log.</summary>
public sealed class SwallowedRowTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Trigger_that_swallows_a_row_costs_the_record_and_not_the_work()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(
            """
            CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN CASE WHEN NEW.action <> ''swallowed'' THEN NEW END; END';
            CREATE TRIGGER swallow BEFORE INSERT ON S.job_detail FOR EACH ROW EXECUTE FUNCTION swallow();
            """);
        var lines = new FakeLoggerFactory();
        await using var patient = new JobmonClient(log.DataSource, loggerFactory: lines);
        await using var strict = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await using var kept = await patient.StartAsync("kept", cancellationToken: Stop);
        await using var told = await strict.StartAsync("told", cancellationToken: Stop);

        var step = await kept.StepAsync("swallowed", Stop);
        await step.CompleteAsync("done", cancellationToken: Stop);
        await (await kept.StepAsync("work", Stop)).CompleteAsync("done", cancellationToken: Stop);
        await kept.CompleteAsync(cancellationToken: Stop);
        var refusal = await told.Awaiting(j => j.StepAsync("swallowed", Stop).AsTask()).Should().ThrowAsync<JobmonWriteException>();
        await told.CompleteAsync(cancellationToken: Stop);

        step.StepId.Should().BeNull();
        refusal.WithMessage("*no row*");
        (await log.RowsAsync("SELECT job_name, l.status, action, d.status FROM S.job_log l LEFT JOIN S.job_detail d USING (job_id) ORDER BY job_id"))
            .Should().Equal("KEPT|OK|work|OK", "TOLD|OK|~|~");
        lines.Lines.Select(l => l.Id.Id).Should().Contain(3101);
    }
}
