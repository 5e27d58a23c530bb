using System.Runtime.CompilerServices;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>The history of a job log with the runs of pg_cron among its own.</summary>
internal sealed class PgCronHistory(IJobHistory log, JobmonDatabase database, PgCronSource cron) : IJobHistory
{
    // $1 name, $2 pattern, $3 status, $4 since, $5 before, $6 unfinished, $7 limit, $8 run ids. A run that found no connection has no times before 1.6.3;
    // it began before those that came after it. The window follows the index downwards and ends with the limit.
    private const string Runs =
        """
        SELECT q.runid, q.jobid, q.name, q.username, q.start_time, q.end_time, q.status, coalesce(q.job_pid, 0), q.command, q.database, q.return_message
        FROM (SELECT r.runid, coalesce(r.jobid, 0) AS jobid, upper('PG_CRON: ' || coalesce(j.jobname::text, '#' || r.jobid, '#')) AS name,
                coalesce(r.username, '') AS username,
                coalesce(r.start_time, r.end_time, min(coalesce(r.start_time, r.end_time)) OVER (ORDER BY r.runid DESC ROWS UNBOUNDED PRECEDING), now()) AS start_time,
                CASE WHEN r.status IN ('succeeded', 'failed') THEN coalesce(r.end_time, r.start_time) END AS end_time,
                r.status, r.job_pid, coalesce(r.command, '') AS command, coalesce(r.database, '') AS database, r.return_message
              FROM cron.job_run_details r LEFT JOIN cron.job j ON j.jobid = r.jobid) q
        WHERE ($1 IS NULL OR q.name = upper($1)) AND ($2 IS NULL OR q.name ~* $2) AND ($3 IS NULL OR q.status = $3)
          AND ($4 IS NULL OR q.start_time >= $4) AND ($5 IS NULL OR q.start_time < $5)
          AND ($6 IS NULL OR (q.status IN ('succeeded', 'failed')) = NOT $6) AND ($8 IS NULL OR q.runid = ANY ($8))
        ORDER BY q.runid DESC LIMIT $7
        """;

    public IAsyncEnumerable<JobRecord> ListAsync(JobQuery query, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        return MergeAsync(log.ListAsync(query, cancellationToken), CronListAsync(query, cancellationToken), query.Limit, cancellationToken);
    }

    public IAsyncEnumerable<JobRecord> RunningAsync(int? limit = 10, CancellationToken cancellationToken = default) =>
        MergeAsync(log.RunningAsync(limit, cancellationToken), CronRunningAsync(limit, cancellationToken), limit, cancellationToken);

    public IAsyncEnumerable<JobStepRecord> StepsAsync(IReadOnlyCollection<long> jobIds, bool openOnly = false, CancellationToken cancellationToken = default) =>
        log.StepsAsync(jobIds, openOnly, cancellationToken);

    public IAsyncEnumerable<JobStepRecord> StepsAsync(string jobName, int? jobs = 1, CancellationToken cancellationToken = default) =>
        log.StepsAsync(jobName, jobs, cancellationToken);

    public Task<JobStatistics> StatisticsAsync(string jobName, PgInterval window, CancellationToken cancellationToken = default) =>
        log.StatisticsAsync(jobName, window, cancellationToken);

    /// <summary>Both lists as one, the newest start first; each keeps its own order.</summary>
    private static async IAsyncEnumerable<JobRecord> MergeAsync(
        IAsyncEnumerable<JobRecord> first, IAsyncEnumerable<JobRecord> second, int? limit, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var a = first.GetAsyncEnumerator(cancellationToken);
        await using var closingA = a.ConfigureAwait(false);
        var b = second.GetAsyncEnumerator(cancellationToken);
        await using var closingB = b.ConfigureAwait(false);
        var (hasA, hasB) = (await a.MoveNextAsync().ConfigureAwait(false), await b.MoveNextAsync().ConfigureAwait(false));
        for (var left = limit ?? int.MaxValue; left > 0 && (hasA || hasB); left -= limit is null ? 0 : 1)
        {
            if (hasA && (!hasB || a.Current.StartTime >= b.Current.StartTime))
            {
                yield return a.Current;
                hasA = await a.MoveNextAsync().ConfigureAwait(false);
            }
            else
            {
                yield return b.Current;
                hasB = await b.MoveNextAsync().ConfigureAwait(false);
            }
        }
    }

    private async IAsyncEnumerable<JobRecord> CronListAsync(JobQuery query, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var texts = await StatusTextsAsync(cancellationToken).ConfigureAwait(false);
        string? status = null;
        if (query.Status is { } text)
        {
            status = text == texts.Ok ? "succeeded" : text == texts.Critical ? "failed" : null;
            if (status is null)
                yield break;
        }
        // No run of pg_cron carries a tag.
        if (query.Tag is not null)
            yield break;
        await foreach (var run in ReadAsync(query, status, null, texts, cancellationToken).ConfigureAwait(false))
            yield return run;
    }

    private async IAsyncEnumerable<JobRecord> CronRunningAsync(int? limit, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var look = await cron.LookAsync(cancellationToken).ConfigureAwait(false);
        if (look.AtWork == 0)
            yield break;
        long[] runs = [.. look.Jobs.Where(j => j.IsAtWork(look.Server)).Select(j => j.LastRun!.Value)];
        await foreach (var run in ReadAsync(new JobQuery { Limit = limit }, null, runs, ("", ""), cancellationToken).ConfigureAwait(false))
            yield return run;
    }

    private IAsyncEnumerable<JobRecord> ReadAsync(
        JobQuery query, string? status, long[]? runs, (string? Ok, string? Critical) texts, CancellationToken cancellationToken) =>
        cron.StreamAsync("list jobs of pg_cron", _ => new NpgsqlCommand(Runs)
        {
            Parameters =
            {
                PgParameter.Text(query.Name), PgParameter.Text(query.NameMatches), PgParameter.Text(status), PgParameter.Instant(query.Since),
                PgParameter.Instant(query.Before), PgParameter.Flag(query.Unfinished), PgParameter.Integer(query.Limit), PgParameter.BigInts(runs),
            },
        }, row => Read(row, texts), cancellationToken);

    private async Task<(string? Ok, string? Critical)> StatusTextsAsync(CancellationToken cancellationToken)
    {
        var texts = await database.RunAsync("list jobs", JobMonitor.StatusTextsAsync, cancellationToken).ConfigureAwait(false);
        return (texts.GetValueOrDefault(1), texts.GetValueOrDefault(3));
    }

    private static JobRecord Read(NpgsqlDataReader row, (string? Ok, string? Critical) texts) => new()
    {
        // Below zero, so that it is never taken for a run of the log: cancelling by it would hit the innocent.
        JobId = -row.GetInt64(0),
        JobName = row.GetString(2),
        Owner = row.GetString(3),
        StartTime = row.GetFieldValue<DateTimeOffset>(4),
        EndTime = row.Instant(5),
        Status = row.Text(6) switch { "succeeded" => texts.Ok, "failed" => texts.Critical, _ => null },
        Pid = row.GetInt32(7),
        PgCron = new PgCronRun
        {
            RunId = row.GetInt64(0), JobId = row.GetInt64(1), Command = row.GetString(8), Database = row.GetString(9), Message = row.Text(10),
        },
    };
}
