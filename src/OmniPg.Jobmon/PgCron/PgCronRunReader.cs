using System.Runtime.CompilerServices;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Reads runs of pg_cron as records of the job log.</summary>
internal sealed class PgCronRunReader(PgCronSource source, JobmonDatabase log)
{
    public async IAsyncEnumerable<JobRecord> ListAsync(JobQuery query, [EnumeratorCancellation] CancellationToken cancellationToken = default)
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

    public async IAsyncEnumerable<JobRecord> RunningAsync(int? limit, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var look = await source.LookAsync(cancellationToken).ConfigureAwait(false);
        if (look.AtWork == 0)
            yield break;
        long[] runs = [.. look.Jobs.Where(j => j.IsAtWork(look.Server)).Select(j => j.LastRun!.Value)];
        await foreach (var run in ReadAsync(new JobQuery { Limit = limit }, null, runs, ("", ""), cancellationToken).ConfigureAwait(false))
            yield return run;
    }

    private IAsyncEnumerable<JobRecord> ReadAsync(
        JobQuery query, string? status, long[]? runs, (string? Ok, string? Critical) texts, CancellationToken cancellationToken) =>
        source.StreamAsync("list jobs of pg_cron", _ => new NpgsqlCommand(PgCronSql.Runs)
        {
            Parameters =
            {
                PgParameter.Text(query.Name), PgParameter.Text(query.NameMatches), PgParameter.Text(status), PgParameter.Instant(query.Since),
                PgParameter.Instant(query.Before), PgParameter.Flag(query.Unfinished), PgParameter.Integer(query.Limit), PgParameter.BigInts(runs),
            },
        }, row => Read(row, texts), cancellationToken);

    private async Task<(string? Ok, string? Critical)> StatusTextsAsync(CancellationToken cancellationToken)
    {
        var texts = await log.RunAsync("list jobs", (session, server) => session.RowsAsync(
            server.RequireInstalled().Render(JobMonitorSql.StatusTexts), row => (Code: row.GetInt32(0), Text: row.GetString(1))), cancellationToken).ConfigureAwait(false);
        return (texts.FirstOrDefault(t => t.Code == 1).Text, texts.FirstOrDefault(t => t.Code == 3).Text);
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
