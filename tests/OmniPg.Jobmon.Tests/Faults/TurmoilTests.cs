using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Faults;

/// <summary>Many jobs at once while sessions are terminated and the server is restarted: everything is recorded, and once.</summary>
public sealed class TurmoilTests : IAsyncLifetime
{
    private const int Workers = 4;
    private const int JobsOfEach = 40;
    private const int StepsOfEach = 3;
    private const int Restarts = 3;

    private PgCluster _cluster = null!;
    private JobLogDatabase _log = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _cluster = await PgCluster.StartAsync(cancellationToken: Stop);
        _log = await JobLogDatabase.CreateAsync(_cluster, dblink: false);
    }

    public async ValueTask DisposeAsync()
    {
        await _log.DisposeAsync();
        await _cluster.DisposeAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_run_and_step_is_recorded_exactly_once_with_its_outcome(bool spool)
    {
        using var folder = new TemporaryDirectory();
        var lines = new FakeLoggerFactory();
        var jobmon = new JobmonClient(
            _log.DataSource,
            new JobmonOptions { FlushInterval = TimeSpan.FromMilliseconds(50), SpoolDirectory = spool ? folder.Path : null },
            lines);
        using var done = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        var terminator = TerminateSessionsAsync(done.Token);

        await Task.WhenAll(Enumerable.Range(0, Workers).Select(worker => Task.Run(() => WorkAsync(jobmon, worker), Stop)).Append(RestartAsync()));
        await done.CancelAsync();
        (await terminator).Should().BeGreaterThan(20, "sessions were terminated again and again");
        _log.DataSource.Clear();
        await Eventually.TrueAsync(
            async () => await _log.ScalarAsync<long>("SELECT count(*) FROM S.job_log WHERE end_time IS NOT NULL") == Workers * JobsOfEach,
            "all runs are written", TimeSpan.FromMinutes(2), Stop);
        await jobmon.DisposeAsync();

        (await _log.RowsAsync("SELECT status, count(*), count(DISTINCT job_name) FROM S.job_log GROUP BY 1 ORDER BY 1")).Should().Equal(
            $"CRITICAL|{Workers * JobsOfEach / 4}|{Workers * JobsOfEach / 4}", $"OK|{Workers * JobsOfEach * 3 / 4}|{Workers * JobsOfEach * 3 / 4}");
        (await _log.ScalarAsync<long>("SELECT count(*) FROM S.job_log WHERE (substring(job_name FROM '\\d+$')::int % 4 = 0) <> (status = 'CRITICAL')"))
            .Should().Be(0, "each run has its own outcome");
        (await _log.RowsAsync("SELECT action, status, count(*), count(DISTINCT job_id) FROM S.job_detail WHERE action LIKE 'step %' GROUP BY 1, 2 ORDER BY 1")).Should().Equal(
            Enumerable.Range(0, StepsOfEach).Select(step => $"step {step}|OK|{Workers * JobsOfEach}|{Workers * JobsOfEach}"));
        (await _log.RowsAsync("SELECT DISTINCT current, total FROM omnipg_jobmon.step WHERE total IS NOT NULL")).Should().Equal("100|100");
        (await _log.ScalarAsync<long>("SELECT count(*) FROM S.job_detail WHERE end_time < start_time OR elapsed_time < 0")).Should().Be(0);
        lines.Lines.Select(l => l.Id.Id).Should().NotContain([3101, 3103, 3203], "no event is refused, lost, or trips the background");
        Directory.GetFiles(folder.Path).Should().BeEmpty();
    }

    private static async Task WorkAsync(JobmonClient jobmon, int worker)
    {
        for (var number = 0; number < JobsOfEach; number++)
        {
            await using var job = await jobmon.StartAsync($"worker {worker} job {number}", cancellationToken: Stop);
            for (var i = 0; i < StepsOfEach; i++)
            {
                await using var step = await job.StepAsync($"step {i}", Stop);
                for (var done = 1; done <= 100; done++)
                    step.Report(done, 100);
                await Task.Yield();
                await step.CompleteAsync("done", cancellationToken: Stop);
            }

            if (number % 4 == 0)
                await job.FailAsync("on purpose", cancellationToken: Stop);
            else
                await job.CompleteAsync(cancellationToken: Stop);
        }
    }

    private async Task RestartAsync()
    {
        for (var restart = 1; restart <= Restarts; restart++)
        {
            // At a moment of the work, not of the clock.
            await Eventually.TrueAsync(
                async () => await CountAsync() >= Workers * JobsOfEach * restart / (Restarts + 2), "the work has come so far", TimeSpan.FromMinutes(5), Stop);
            await _cluster.RestartAsync(Stop);
        }
    }

    private async Task<long> CountAsync()
    {
        try
        {
            return await _log.ScalarAsync<long>("SELECT count(*) FROM S.job_log");
        }
        catch (NpgsqlException)
        {
            _log.DataSource.Clear();
            return 0;
        }
    }

    // One session after each few steps that came through: by the clock alone, a busy machine would never get one through.
    private async Task<int> TerminateSessionsAsync(CancellationToken stop)
    {
        const string Kill =
            """
            WITH seen AS MATERIALIZED (SELECT count(*) AS steps FROM jobmon.job_detail)
            SELECT seen.steps, pg_terminate_backend(victim.pid)
            FROM seen LEFT JOIN (
                SELECT pid FROM pg_stat_activity WHERE application_name = 'OmniPg.Jobmon' ORDER BY random() LIMIT 1) victim ON seen.steps > $1
            """;
        await using var source = NpgsqlDataSource.Create(_log.ConnectionString);
        var (steps, terminated) = (0L, 0);
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await using var command = source.CreateCommand(Kill);
                command.Parameters.AddWithValue(steps);
                await using var reader = await command.ExecuteReaderAsync(stop);
                await reader.ReadAsync(stop);
                (steps, terminated) = (reader.GetInt64(0), terminated + (reader.IsDBNull(1) ? 0 : 1));
            }
            catch (Exception error) when (error is NpgsqlException or OperationCanceledException)
            {
                source.Clear();
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20), stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return terminated;
    }
}
