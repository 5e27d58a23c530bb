using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace OmniPg.Jobmon.Benchmarks;

/// <summary>What does a check cost on a large log? One million runs of 400 jobs over 30 days, 200 of the jobs configured.</summary>
internal static class CheckFacts
{
    private const int Rounds = 15;

    // Every tenth configured job stopped a day ago and is missing; 20 runs are unfinished; a few failed since their last success.
    private const string Fill =
        """
        INSERT INTO SCHEMA.job_log (owner, job_name, start_time, end_time, status, pid)
        SELECT 'etl', 'JOB ' || n, at, at + interval '20 s', 'OK', 1
        FROM (SELECT g % 400 AS n, now() - interval '30 days' + g * interval '30 days' / 1000000 AS at FROM generate_series(1, 999980) g) r
        WHERE n >= 200 OR n % 10 <> 0 OR at < now() - interval '1 day';
        INSERT INTO SCHEMA.job_log (owner, job_name, start_time, pid) SELECT 'etl', 'JOB ' || g, now() - interval '1 min', pg_backend_pid() FROM generate_series(1, 20) g;
        INSERT INTO SCHEMA.job_check_log (job_id, job_name, alert_code) SELECT g, 'JOB ' || g % 7, 3 FROM generate_series(1, 30) g;
        INSERT INTO SCHEMA.job_check_config (job_name, warn_threshold, error_threshold, active) SELECT 'JOB ' || g, '6 hours', '2 days', true FROM generate_series(0, 199) g;
        ANALYZE SCHEMA.job_log;
        """;

    public static async Task<int> RunAsync()
    {
        await using var log = await BenchmarkLog.StartAsync();
        await FillAsync(log, "jobmon");
        if (log.HasOriginal)
            await FillAsync(log, "original");
        var rows = await log.ScalarAsync<long>("SELECT count(*) FROM jobmon.job_log");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"rows in job_log: {rows}"));

        var scans = await ScansAsync(log);
        await MeasureAsync("CheckAsync (own mode)", async () => (await log.Jobmon.Monitor.CheckAsync()).Alerts.Count);
        await MeasureAsync("check_job_status() (own mode)", () => CountAsync(log, "jobmon"));
        scans = await ScansAsync(log) - scans;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"sequential scans of job_log during both: {scans}"));
        if (log.HasOriginal)
            await MeasureAsync("check_job_status() (original)", () => CountAsync(log, "original"));
        return 0;
    }

    private static async Task FillAsync(BenchmarkLog log, string schema)
    {
        await using var command = log.DataSource.CreateCommand(Fill.Replace("SCHEMA", schema, StringComparison.Ordinal));
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync();
        await using var vacuum = log.DataSource.CreateCommand($"VACUUM {schema}.job_log");
        vacuum.CommandTimeout = 0;
        await vacuum.ExecuteNonQueryAsync();
    }

    private static async Task<int> CountAsync(BenchmarkLog log, string schema)
    {
        await using var command = new NpgsqlCommand($"SELECT count(*)::int FROM {schema}.check_job_status()", await log.DataSource.OpenConnectionAsync()) { CommandTimeout = 0 };
        await using (command.Connection)
            return (int)(await command.ExecuteScalarAsync())!;
    }

    // The counters reach the view when the backends that scanned go idle for a while; pg_stat_clear_snapshot reads them anew.
    private static async Task<long> ScansAsync(BenchmarkLog log)
    {
        await using var flush = log.DataSource.CreateCommand("SELECT pg_sleep(1.2)");
        await flush.ExecuteNonQueryAsync();
        return await log.ScalarAsync<long>("SELECT seq_scan FROM pg_stat_user_tables WHERE schemaname = 'jobmon' AND relname = 'job_log'");
    }

    private static async Task MeasureAsync(string what, Func<Task<int>> run)
    {
        var alerts = await run();
        var times = new List<double>();
        for (var round = 0; round < Rounds; round++)
        {
            var clock = Stopwatch.StartNew();
            await run();
            times.Add(clock.Elapsed.TotalMilliseconds);
        }
        times.Sort();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{what,-34} alerts {alerts,4}   min {times[0],8:0.0} ms   p50 {times[Rounds / 2],8:0.0} ms   max {times[^1],8:0.0} ms"));
    }
}
