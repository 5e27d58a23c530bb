using System.Globalization;
using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Jobmon;

/// <summary>One purge: batches in the order of job ids, each its own transaction.</summary>
internal sealed class JobPurge(NpgsqlConnection connection, JobmonServer server, PurgeOptions options, TimeSpan deadAfter)
{
    private string? Age => options.OlderThanInterval
        ?? (options.OlderThan is { } age ? string.Create(CultureInfo.InvariantCulture, $"{age.TotalSeconds:0.######} seconds") : null);

    public async Task<PurgeResult> RunAsync(IProgress<long>? progress, CancellationToken cancellationToken)
    {
        // Nodes that all purge at the same hour would fill the log with runs that find nothing to do.
        var isFree = await ScalarAsync(JobPurgeSql.IsFree, cancellationToken, SqlParameters.Text(Age)).ConfigureAwait(false);
        if (isFree is DBNull)
            throw new ArgumentException($"Runs cannot be older than '{Age}': the age must not be negative.");
        if (isFree is not true)
            return new PurgeResult(0, 0, null) { AnotherAtWork = true };
        long? jobId = options.LogAsJob ? (long)(await ScalarAsync(JobPurgeSql.LogStart, cancellationToken).ConfigureAwait(false))! : null;
        var stepId = jobId is { } id ? await ScalarAsync(JobPurgeSql.LogStep, cancellationToken, Number(id)).ConfigureAwait(false) : null;
        try
        {
            var result = await DeleteAsync(jobId, progress, cancellationToken).ConfigureAwait(false);
            await LogOutcomeAsync(jobId, stepId, 1, "OK",
                string.Create(CultureInfo.InvariantCulture, $"Deleted {result.DeletedJobs} rows from job_log and associated rows in job_detail")).ConfigureAwait(false);
            return result;
        }
        catch (Exception error) when (jobId is not null)
        {
            await TryLogFailureAsync(jobId, stepId, error).ConfigureAwait(false);
            throw;
        }
    }

    private async Task<PurgeResult> DeleteAsync(long? ownJob, IProgress<long>? progress, CancellationToken cancellationToken)
    {
        var (names, boundaries) = await KeptByCountAsync(cancellationToken).ConfigureAwait(false);
        long deleted = 0, after = 0;
        for (var batches = 0; ; batches++)
        {
            using var command = BatchCommand(names, boundaries, after, ownJob);
            var (count, last, mine) = await JobmonDatabase.InTransactionAsync(connection, async () =>
            {
                var row = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                await using var closing = row.ConfigureAwait(false);
                await row.ReadAsync(cancellationToken).ConfigureAwait(false);
                return (row.GetInt64(0), row.IsDBNull(1) ? (long?)null : row.GetInt64(1), row.GetBoolean(2));
            }, cancellationToken).ConfigureAwait(false);
            after = last ?? after;
            if (count == 0)
            {
                if (mine && server.HasSide)
                    await ScalarAsync(JobPurgeSql.SweepSessions, cancellationToken).ConfigureAwait(false);
                return new PurgeResult(deleted, batches, ownJob) { AnotherAtWork = !mine };
            }

            deleted += count;
            progress?.Report(deleted);
        }
    }

    private NpgsqlCommand BatchCommand(string[] names, long[] boundaries, long after, long? ownJob)
    {
        return new NpgsqlCommand(server.Render(JobPurgeSql.Batch(server.Mode)), connection)
        {
            CommandTimeout = 0,
            Parameters =
            {
                SqlParameters.Text(Age), new NpgsqlParameter { Value = names }, new NpgsqlParameter { Value = boundaries },
                SqlParameters.Interval(options.KeepFailuresFor), SqlParameters.Integer(options.BatchSize), Number(after),
                SqlParameters.Interval(deadAfter), Number(ownJob),
            },
        };
    }

    private async Task<(string[] Names, long[] Boundaries)> KeptByCountAsync(CancellationToken cancellationToken)
    {
        if (options.KeepPerJob is not { } keep)
            return ([], []);
        using var command = new NpgsqlCommand(server.Render(JobPurgeSql.KeepBoundaries), connection)
        {
            CommandTimeout = 0,
            Parameters = { SqlParameters.Integer(keep) },
        };
        return await JobmonDatabase.InTransactionAsync<(string[], long[])>(connection, async () =>
        {
            var names = new List<string>();
            var boundaries = new List<long>();
            var rows = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using var closing = rows.ConfigureAwait(false);
            while (await rows.ReadAsync(cancellationToken).ConfigureAwait(false))
            {
                names.Add(rows.GetString(0));
                boundaries.Add(rows.GetInt64(1));
            }
            return ([.. names], [.. boundaries]);
        }, cancellationToken).ConfigureAwait(false);
    }

    private async Task TryLogFailureAsync(long? jobId, object? stepId, Exception error)
    {
        try
        {
            await LogOutcomeAsync(jobId, stepId, 3, "CRITICAL", "ERROR: " + error.Message).ConfigureAwait(false);
        }
        catch (Exception second) when (second is NpgsqlException or InvalidOperationException)
        {
            // The connection is gone; what broke the purge is on its way to the caller, and the reaper closes the run.
        }
    }

    private async Task LogOutcomeAsync(long? jobId, object? stepId, int level, string status, string message)
    {
        if (jobId is not { } id)
            return;
        await ScalarAsync(JobPurgeSql.LogOutcome, CancellationToken.None, new NpgsqlParameter { Value = stepId }, SqlParameters.Text(status),
            SqlParameters.Text(message)).ConfigureAwait(false);
        await ScalarAsync(JobPurgeSql.LogEnd, CancellationToken.None, Number(id), SqlParameters.Integer(level)).ConfigureAwait(false);
    }

    private async Task<object?> ScalarAsync(string sql, CancellationToken cancellationToken, params NpgsqlParameter[] parameters)
    {
        using var command = new NpgsqlCommand(server.Render(sql), connection);
        foreach (var parameter in parameters)
            command.Parameters.Add(parameter);
        return await JobmonDatabase.InTransactionAsync(
            connection, () => command.ExecuteScalarAsync(cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    private static NpgsqlParameter Number(long? value) => new() { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Bigint };
}
