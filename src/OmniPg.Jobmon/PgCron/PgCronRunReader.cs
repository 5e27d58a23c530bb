using System.Runtime.CompilerServices;
using Npgsql;
using NpgsqlTypes;

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

    private async IAsyncEnumerable<JobRecord> ReadAsync(
        JobQuery query, string? status, long[]? runs, (string? Ok, string? Critical) texts, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        const string operation = "list jobs of pg_cron";
        var connection = await source.GuardAsync(operation, () => source.OpenAsync(cancellationToken).AsTask(), cancellationToken).ConfigureAwait(false);
        await using var closingConnection = connection.ConfigureAwait(false);
        using var command = new NpgsqlCommand(PgCronSql.Runs, connection)
        {
            CommandTimeout = source.CommandTimeoutSeconds,
            Parameters =
            {
                SqlParameters.Text(query.Name), SqlParameters.Text(query.NameMatches), SqlParameters.Text(status), SqlParameters.Instant(query.Since),
                SqlParameters.Instant(query.Before), SqlParameters.Flag(query.Unfinished), SqlParameters.Integer(query.Limit),
                new NpgsqlParameter { Value = (object?)runs ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint },
            },
        };
        var transaction = await source.GuardAsync(
            operation, () => SessionSettings.BeginAsync(async: true, connection, mayWrite: false, cancellationToken).AsTask(), cancellationToken).ConfigureAwait(false);
        await using var closingTransaction = transaction.ConfigureAwait(false);
        var rows = await source.GuardAsync(operation, () => command.ExecuteReaderAsync(cancellationToken), cancellationToken).ConfigureAwait(false);
        await using var closing = rows.ConfigureAwait(false);
        while (await source.GuardAsync(operation, () => rows.ReadAsync(cancellationToken), cancellationToken).ConfigureAwait(false))
            yield return Read(rows, texts);
    }

    private Task<(string? Ok, string? Critical)> StatusTextsAsync(CancellationToken cancellationToken) => log.RunAsync("list jobs", async (connection, server, ct) =>
    {
        using var command = new NpgsqlCommand(server.RequireInstalled().Render(JobMonitorSql.StatusTexts), connection) { CommandTimeout = server.CommandTimeoutSeconds };
        var rows = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
        await using var closing = rows.ConfigureAwait(false);
        (string? Ok, string? Critical) texts = (null, null);
        while (await rows.ReadAsync(ct).ConfigureAwait(false))
        {
            texts = rows.GetInt32(0) switch
            {
                1 => (rows.GetString(1), texts.Critical),
                3 => (texts.Ok, rows.GetString(1)),
                _ => texts,
            };
        }
        return texts;
    }, cancellationToken);

    private static JobRecord Read(NpgsqlDataReader row, (string? Ok, string? Critical) texts) => new()
    {
        // Below zero, so that it is never taken for a run of the log: cancelling by it would hit the innocent.
        JobId = -row.GetInt64(0),
        JobName = row.GetString(2),
        Owner = row.GetString(3),
        StartTime = row.GetFieldValue<DateTimeOffset>(4),
        EndTime = HistoryRows.Instant(row, 5),
        Status = HistoryRows.Text(row, 6) switch { "succeeded" => texts.Ok, "failed" => texts.Critical, _ => null },
        Pid = row.GetInt32(7),
        PgCron = new PgCronRun
        {
            RunId = row.GetInt64(0), JobId = row.GetInt64(1), Command = row.GetString(8), Database = row.GetString(9), Message = HistoryRows.Text(row, 10),
        },
    };
}
