using System.Globalization;
using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Jobmon;

/// <summary>One purge: batches in the order of job ids, each its own transaction.</summary>
internal sealed class JobPurge(PgSession session, JobmonServer server, PurgeOptions options, TimeSpan deadAfter)
{
    public async Task<PurgeResult> RunAsync(IProgress<long>? progress)
    {
        // Nodes that all purge at the same hour would fill the log with runs that find nothing to do.
        if (await ScalarAsync(session, JobPurgeSql.IsFree).ConfigureAwait(false) is not true)
            return new PurgeResult(0, 0, null) { AnotherAtWork = true };
        long? jobId = options.LogAsJob ? (long)(await ScalarAsync(session, JobPurgeSql.LogStart).ConfigureAwait(false))! : null;
        var stepId = jobId is { } id ? await ScalarAsync(session, JobPurgeSql.LogStep, PgParameter.BigInt(id)).ConfigureAwait(false) : null;
        try
        {
            var result = await DeleteAsync(session.Unlimited, jobId, progress).ConfigureAwait(false);
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

    private async Task<PurgeResult> DeleteAsync(PgSession unlimited, long? ownJob, IProgress<long>? progress)
    {
        var kept = await KeptByCountAsync(unlimited).ConfigureAwait(false);
        long deleted = 0, after = 0;
        for (var batches = 0; ; batches++)
        {
            var (count, last, mine) = await unlimited.InTransactionAsync(() => unlimited.RowAsync(
                server.Render(JobPurgeSql.Batch(server.Mode)), row => (row.GetInt64(0), row.BigInt(1), row.GetBoolean(2)),
                PgParameter.Interval(options.OlderThan), PgParameter.Texts(kept.Select(k => k.JobName)), PgParameter.BigInts(kept.Select(k => k.Oldest)),
                PgParameter.Interval(options.KeepFailuresFor), PgParameter.Integer(options.BatchSize), PgParameter.BigInt(after),
                PgParameter.Interval(deadAfter), PgParameter.BigInt(ownJob))).ConfigureAwait(false);
            after = last ?? after;
            if (count == 0)
            {
                if (mine && server.HasSide)
                    await ScalarAsync(unlimited, JobPurgeSql.SweepSessions).ConfigureAwait(false);
                return new PurgeResult(deleted, batches, ownJob) { AnotherAtWork = !mine };
            }

            deleted += count;
            progress?.Report(deleted);
        }
    }

    private async Task<IReadOnlyList<(string JobName, long Oldest)>> KeptByCountAsync(PgSession unlimited) => options.KeepPerJob is not { } keep ? []
        : await unlimited.InTransactionAsync(() => unlimited.RowsAsync(
            server.Render(JobPurgeSql.KeepBoundaries), row => (row.GetString(0), row.GetInt64(1)), PgParameter.Integer(keep))).ConfigureAwait(false);

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
        var uncancelled = session.Uncancelled;
        await ScalarAsync(uncancelled, JobPurgeSql.LogOutcome, PgParameter.Of(stepId, NpgsqlDbType.Bigint), PgParameter.Text(status), PgParameter.Text(message))
            .ConfigureAwait(false);
        await ScalarAsync(uncancelled, JobPurgeSql.LogEnd, PgParameter.BigInt(id), PgParameter.Integer(level)).ConfigureAwait(false);
    }

    private Task<object?> ScalarAsync(PgSession on, string sql, params NpgsqlParameter[] parameters) =>
        on.InTransactionAsync(() => on.ScalarAsync(server.Render(sql), parameters));
}
