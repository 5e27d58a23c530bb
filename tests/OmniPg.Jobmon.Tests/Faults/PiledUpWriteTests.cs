using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Faults;

/// <summary>Events of several callers that pile up behind one write and go out together: each caller learns of its own, and of nothing else.</summary>
public sealed class PiledUpWriteTests(PgClusterFixture server)
{
    private const string RefuseBad =
        """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN IF NEW.action = ''bad'' THEN RAISE EXCEPTION ''no bad steps'' USING ERRCODE = ''23514''; END IF; RETURN NEW; END';
        CREATE TRIGGER refuse BEFORE INSERT ON S.job_detail FOR EACH ROW EXECUTE FUNCTION refuse();
        """;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("bad", "good")]
    [InlineData("good", "bad")]
    public async Task Refusal_is_told_to_the_caller_whose_event_it_was(string first, string second)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(RefuseBad);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await using var job = await jobmon.StartAsync("piled up", cancellationToken: Stop);
        await using var holder = await log.DataSource.OpenConnectionAsync(Stop);
        await using var transaction = await holder.BeginTransactionAsync(Stop);
        await new NpgsqlCommand($"LOCK TABLE {log.Schema}.job_detail IN SHARE MODE", holder).ExecuteNonQueryAsync(Stop);

        var ahead = job.StepAsync("ahead", Stop).AsTask();
        var steps = new[] { first, second }.ToDictionary(action => action, action => job.StepAsync(action, Stop).AsTask());
        await transaction.RollbackAsync(Stop);
        await (await ahead).CompleteAsync("done", cancellationToken: Stop);
        var refusal = await steps["bad"].Awaiting(s => s).Should().ThrowAsync<JobmonWriteException>();
        await (await steps["good"]).CompleteAsync("done", cancellationToken: Stop);
        await job.CompleteAsync(cancellationToken: Stop);

        refusal.WithMessage("*no bad steps*");
        (await log.RowsAsync("SELECT action, status, message FROM S.job_detail ORDER BY step_id")).Should().Equal("ahead|OK|done", "good|OK|done");
    }
}
