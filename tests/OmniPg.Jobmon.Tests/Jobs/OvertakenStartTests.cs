using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Jobs;

/// <summary>A run that ends while its start is still being written.</summary>
public sealed class OvertakenStartTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Run_that_ends_before_its_start_has_returned_is_recorded_and_forgotten()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { FlushInterval = TimeSpan.FromMilliseconds(50) });
        await jobmon.RunAsync("opens the connections", (_, _) => Task.CompletedTask, cancellationToken: Stop);

        var handle = await StartAndEndAsync(jobmon, log);

        (await log.RowsAsync("SELECT job_name, status FROM S.job_log ORDER BY job_id DESC LIMIT 1")).Should().Equal("OVERTAKEN|OK");
        await Eventually.TrueAsync(
            () =>
            {
                GC.Collect();
                return !handle.IsAlive;
            },
            "the background does not look after the run any more", cancellationToken: Stop);
    }

    private static async Task<WeakReference> StartAndEndAsync(JobmonClient jobmon, JobLogDatabase log)
    {
        await using var holder = await log.DataSource.OpenConnectionAsync(Stop);
        await using var transaction = await holder.BeginTransactionAsync(Stop);
        await new NpgsqlCommand($"LOCK TABLE {log.Schema}.job_log IN SHARE MODE", holder).ExecuteNonQueryAsync(Stop);
        var starting = jobmon.StartAsync("overtaken", cancellationToken: Stop);
        var ending = jobmon.Current!.CompleteAsync(cancellationToken: Stop);
        await transaction.RollbackAsync(Stop);
        await ending;
        return new WeakReference(await starting);
    }
}
