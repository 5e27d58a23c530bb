using System.Globalization;
using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Jobmon;

/// <summary>One purge: batches in the order of job ids, each its own transaction.</summary>
internal sealed class JobPurge(PgSession session, JobmonServer server, PurgeOptions options, TimeSpan deadAfter)
{
    // $1 runs to keep. For every job with more: the oldest run that stays.
    private const string KeepBoundaries =
        """
        SELECT r.job_name, min(r.job_id) FROM (
            SELECT j.job_name, j.job_id, row_number() OVER (PARTITION BY j.job_name ORDER BY j.job_id DESC) AS rank FROM jobmon.job_log j) r
        WHERE r.rank <= $1 GROUP BY r.job_name HAVING count(*) = $1
        """;

    // $1 name of the lock. Whether nobody else is deleting just now.
    private const string IsFree = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))";

    // One purge of a log at a time, whichever process or node began it: the lock is of the batch's transaction, so it needs no session
    // of its own behind a pooler and is free when its process dies. Deleted by an array of ids, not by a join: the planner takes the
    // batch for a tenth of the table and would read all of it each time.
    // $1 age, $2 names and $3 boundaries of what is kept by count, $4 age of failures, $5 batch, $6 highest run looked at before,
    // $7 age of a dead heartbeat, $8 the purge's own run, $9 name of the lock.
    private const string Doomed =
        """
        WITH turn AS MATERIALIZED (
            SELECT pg_try_advisory_xact_lock(hashtextextended($9, 0)) AS mine
        ), watched AS (
            SELECT c.job_name FROM jobmon.job_check_config c WHERE c.active
            --side
            UNION SELECT u.job_name FROM omnipg_jobmon.check_rule u WHERE u.active
            --end
        ), needed AS MATERIALIZED (
            -- Without its newest start a job with a rule looks missing, without its newest end like one that never ended.
            SELECT n.job_id FROM watched w, LATERAL (
                (SELECT j.job_id FROM jobmon.job_log j WHERE j.job_name = w.job_name ORDER BY j.start_time DESC, j.job_id DESC LIMIT 1)
                UNION ALL
                (SELECT j.job_id FROM jobmon.job_log j WHERE j.job_name = w.job_name AND j.end_time IS NOT NULL
                    ORDER BY j.start_time DESC, j.job_id DESC LIMIT 1)) n
        ), doomed AS (
            SELECT j.job_id FROM jobmon.job_log j
            --side
            LEFT JOIN omnipg_jobmon.run r ON r.job_id = j.job_id
            LEFT JOIN omnipg_jobmon.session s ON s.session_id = r.session_id
            --end
            WHERE (SELECT t.mine FROM turn t) AND j.job_id > $6 AND j.job_id IS DISTINCT FROM $8
              AND NOT EXISTS (SELECT FROM needed n WHERE n.job_id = j.job_id)
              AND (j.start_time <= now() - $1::interval
                  OR EXISTS (SELECT FROM unnest($2::text[], $3::bigint[]) AS k (job_name, job_id) WHERE k.job_name = j.job_name AND j.job_id < k.job_id))
              AND ($4::interval IS NULL OR j.start_time <= now() - $4
                  OR j.status = (SELECT t.alert_text FROM jobmon.job_status_text t WHERE t.alert_code = 1))
              AND NOT (j.status IS NULL AND j.end_time IS NULL AND
                  --side
                  CASE WHEN s.session_id IS NOT NULL THEN coalesce(omnipg_jobmon.session_is_live(s.session_id, $7), false) ELSE
                  --noside
                  CASE WHEN true THEN $7::interval IS NOT NULL AND
                  --end
                      EXISTS (SELECT FROM pg_catalog.pg_stat_activity a
                          WHERE a.pid = j.pid AND (a.backend_start IS NULL OR a.backend_start <= j.start_time)) END)
            ORDER BY j.job_id LIMIT $5
        ), gone AS (
            DELETE FROM jobmon.job_log WHERE job_id = ANY (ARRAY(SELECT d.job_id FROM doomed d)) RETURNING job_id
        )

        """;

    // The extension's tables cannot have our trigger; on own ones it takes the side rows along.
    private const string SideRows =
        """
        --side
        , lines AS (DELETE FROM omnipg_jobmon.log_line WHERE job_id = ANY (ARRAY(SELECT d.job_id FROM doomed d)))
        , steps AS (DELETE FROM omnipg_jobmon.step WHERE job_id = ANY (ARRAY(SELECT d.job_id FROM doomed d)))
        , runs AS (DELETE FROM omnipg_jobmon.run WHERE job_id = ANY (ARRAY(SELECT d.job_id FROM doomed d)))
        --end

        """;

    private const string Gone = "SELECT count(*), max(job_id), (SELECT t.mine FROM turn t) FROM gone";

    // Processes that ended and whose runs are all gone.
    private const string SweepSessions =
        """
        DELETE FROM omnipg_jobmon.session s
        WHERE s.heartbeat_at < now() - interval '1 day' AND NOT EXISTS (SELECT FROM omnipg_jobmon.run r WHERE r.session_id = s.session_id)
        """;

    private const string LogStart = "SELECT jobmon._autonomous_add_job(current_user::text, 'Purging pg_jobmon job logs', pg_backend_pid())";

    private const string LogStep = "SELECT jobmon._autonomous_add_step($1, 'Purging pg_jobmon job logs')";

    // $1 step, $2 status, $3 message.
    private const string LogOutcome = "SELECT jobmon._autonomous_update_step($1, $2, $3)";

    // $1 run, $2 level.
    private const string LogEnd = "SELECT jobmon._autonomous_fail_job($1, $2)";

    public async Task<PurgeResult> RunAsync(IProgress<long>? progress)
    {
        // Nodes that all purge at the same hour would fill the log with runs that find nothing to do.
        if (await ScalarAsync(session, IsFree, LockName()).ConfigureAwait(false) is not true)
            return new PurgeResult(0, 0, null) { AnotherAtWork = true };
        long? jobId = options.LogAsJob ? (long)(await ScalarAsync(session, LogStart).ConfigureAwait(false))! : null;
        var stepId = jobId is { } id ? await ScalarAsync(session, LogStep, PgParameter.BigInt(id)).ConfigureAwait(false) : null;
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
                server.Render(server.Mode == JobmonMode.Extension ? Doomed + SideRows + Gone : Doomed + Gone), row => (row.GetInt64(0), row.BigInt(1), row.GetBoolean(2)),
                PgParameter.Interval(options.OlderThan), PgParameter.Texts(kept.Select(k => k.JobName)), PgParameter.BigInts(kept.Select(k => k.Oldest)),
                PgParameter.Interval(options.KeepFailuresFor), PgParameter.Integer(options.BatchSize), PgParameter.BigInt(after),
                PgParameter.Interval(deadAfter), PgParameter.BigInt(ownJob), LockName())).ConfigureAwait(false);
            after = last ?? after;
            if (count == 0)
            {
                if (mine && server.HasSide)
                    await ScalarAsync(unlimited, SweepSessions).ConfigureAwait(false);
                return new PurgeResult(deleted, batches, ownJob) { AnotherAtWork = !mine };
            }

            deleted += count;
            progress?.Report(deleted);
        }
    }

    private async Task<IReadOnlyList<(string JobName, long Oldest)>> KeptByCountAsync(PgSession unlimited) => options.KeepPerJob is not { } keep ? []
        : await unlimited.InTransactionAsync(() => unlimited.RowsAsync(
            server.Render(KeepBoundaries), row => (row.GetString(0), row.GetInt64(1)), PgParameter.Integer(keep))).ConfigureAwait(false);

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
        await ScalarAsync(uncancelled, LogOutcome, PgParameter.Of(stepId, NpgsqlDbType.Bigint), PgParameter.Text(status), PgParameter.Text(message))
            .ConfigureAwait(false);
        await ScalarAsync(uncancelled, LogEnd, PgParameter.BigInt(id), PgParameter.Integer(level)).ConfigureAwait(false);
    }

    private NpgsqlParameter LockName() => PgParameter.Text("omnipg_jobmon.purge " + server.Schema.Quoted);

    private Task<object?> ScalarAsync(PgSession on, string sql, params NpgsqlParameter[] parameters) =>
        on.InTransactionAsync(() => on.ScalarAsync(server.Render(sql), parameters));
}
