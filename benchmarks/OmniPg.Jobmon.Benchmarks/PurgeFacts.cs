using System.Diagnostics;
using System.Globalization;

namespace OmniPg.Jobmon.Benchmarks;

/// <summary>What does it cost to purge one million runs with one step each, and how long does it hold its locks at a time?</summary>
internal static class PurgeFacts
{
    private const string Fill =
        """
        INSERT INTO SCHEMA.job_log (owner, job_name, start_time, end_time, status, pid)
        SELECT 'etl', 'JOB ' || g % 400, now() - interval '60 days', now() - interval '60 days', 'OK', 1 FROM generate_series(1, 1000000) g;
        INSERT INTO SCHEMA.job_detail (job_id, action, start_time, end_time, elapsed_time, status, message)
        SELECT job_id, 'load', start_time, end_time, 1, 'OK', 'Rows affected: 12345' FROM SCHEMA.job_log;
        ANALYZE SCHEMA.job_log; ANALYZE SCHEMA.job_detail;
        """;

    public static async Task<int> RunAsync()
    {
        await using var log = await BenchmarkLog.StartAsync();
        await ExecuteAsync(log, Fill.Replace("SCHEMA", "jobmon", StringComparison.Ordinal));
        // What the writer would have left beside each run.
        await ExecuteAsync(log, "INSERT INTO omnipg_jobmon.run (job_id, display_name) SELECT job_id, job_name FROM jobmon.job_log");
        await ExecuteAsync(log, "INSERT INTO omnipg_jobmon.step (step_id, job_id, ordinal) SELECT step_id, job_id, 1 FROM jobmon.job_detail");
        await ExecuteAsync(log, "VACUUM ANALYZE"); await ExecuteAsync(log, "ALTER DATABASE postgres SET jit = off"); log.DataSource.Clear();

        var (longest, last) = (TimeSpan.Zero, Stopwatch.StartNew());
        var clock = Stopwatch.StartNew();
        var result = await log.Jobmon.Admin.PurgeAsync(new PurgeOptions { OlderThan = TimeSpan.FromDays(30) }, new Each<long>(_ =>
        {
            longest = last.Elapsed > longest ? last.Elapsed : longest;
            last.Restart();
        }));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"PurgeAsync: {result.DeletedJobs} runs in {clock.Elapsed.TotalSeconds:0.0} s, side rows included; longest batch {longest.TotalMilliseconds:0} ms"));

        if (!log.HasOriginal)
            return 0;
        await ExecuteAsync(log, Fill.Replace("SCHEMA", "original", StringComparison.Ordinal));
        await ExecuteAsync(log, "VACUUM ANALYZE");
        clock.Restart();
        await ExecuteAsync(log, "SELECT original.job_log_clear('30 days')");
        var elapsed = clock.Elapsed.TotalSeconds;
        var left = await log.ScalarAsync<long>("SELECT count(*) FROM original.job_log");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"job_log_clear() of the original: {elapsed:0.0} s in one transaction; rows left: {left}"));
        return 0;
    }

    private static async Task ExecuteAsync(BenchmarkLog log, string sql)
    {
        await using var command = log.DataSource.CreateCommand(sql);
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Unlike <see cref="Progress{T}"/> called at once, on the caller's thread.</summary>
    private sealed class Each<T>(Action<T> report) : IProgress<T>
    {
        public void Report(T value) => report(value);
    }
}
