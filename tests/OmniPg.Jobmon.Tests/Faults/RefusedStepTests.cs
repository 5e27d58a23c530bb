using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Faults;

/// <summary>A step that the server will never take, while the work goes on.</summary>
public sealed class RefusedStepTests(PgClusterFixture server)
{
    private const string RefuseBad =
        """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN IF NEW.action = ''bad'' THEN RAISE EXCEPTION ''no bad steps'' USING ERRCODE = ''23514''; END IF; RETURN NEW; END';
        CREATE TRIGGER refuse BEFORE INSERT ON S.job_detail FOR EACH ROW EXECUTE FUNCTION refuse();
        """;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Reason_of_a_failure_is_recorded_although_its_step_was_refused(bool endStep)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(RefuseBad);
        await using var jobmon = new JobmonClient(log.DataSource);
        await using var job = await jobmon.StartAsync("refused", cancellationToken: Stop);
        var step = await job.StepAsync("bad", Stop);
        var reason = new InvalidDataException("no luck");

        if (endStep)
            await step.FailAsync(reason, Stop);
        await job.FailAsync(reason, cancellationToken: Stop);

        (await log.RowsAsync("SELECT action, status, split_part(message, E'\\n', 1) FROM S.job_detail")).Should().Equal("EXCEPTION after last step logged|CRITICAL|ERROR: no luck");
    }

    [Fact]
    public async Task Step_that_the_caller_never_got_is_not_a_scope_of_its_flow()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(RefuseBad);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await using var job = await jobmon.StartAsync("refused", cancellationToken: Stop);

        await job.Awaiting(j => j.StepAsync("bad", Stop).AsTask()).Should().ThrowAsync<JobmonWriteException>();
        ((JobRun)job).Invoking(j => j.Step("bad")).Should().Throw<JobmonWriteException>();

        JobScope.Current!.Step.Should().BeNull();
        ((JobRun)job).Steps.Close().Open.Should().BeEmpty();
    }
}
