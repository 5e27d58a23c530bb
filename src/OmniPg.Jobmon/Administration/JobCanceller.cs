using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Cancels a run: through its process if that lives, else through its backend, never without the guard against a reused pid.</summary>
internal static class JobCanceller
{
    private const string Look = "SELECT end_time IS NOT NULL OR status IS NOT NULL FROM jobmon.job_log WHERE job_id = $1";

    private const string Flag =
        "SELECT omnipg_jobmon.request_cancel($1, current_user || coalesce(': ' || $2, ''))";

    private const string AtWork =
        """

        FROM jobmon.job_log j JOIN pg_catalog.pg_stat_activity a ON a.pid = j.pid
        WHERE j.job_id = $1 AND a.datname = current_database() AND a.pid <> pg_backend_pid()

        """;

    // One row when a backend with the pid of the run is at work in this database: whether it is provably the run's. The pid of a run of
    // this package is that of its log, unless work was attached; behind a pooler it is anybody's.
    private const string Backend = "SELECT a.pid, a.backend_start IS NULL, a.backend_start <= j.start_time" + AtWork +
        """
        --side
          AND NOT EXISTS (SELECT FROM omnipg_jobmon.run r LEFT JOIN omnipg_jobmon.session s ON s.session_id = r.session_id
                          WHERE r.job_id = j.job_id AND (s.liveness = 'lock' AND r.work_pid = a.pid) IS NOT TRUE)
        --end
        """;

    private const string Signal = "SELECT coalesce(bool_or(pg_cancel_backend(a.pid)), false)" + AtWork +
        """
          AND a.backend_start <= j.start_time
        --side
          AND NOT EXISTS (SELECT FROM omnipg_jobmon.run r LEFT JOIN omnipg_jobmon.session s ON s.session_id = r.session_id
                          WHERE r.job_id = j.job_id
                            AND (s.liveness = 'lock' AND r.work_pid = a.pid AND r.work_backend_start = a.backend_start) IS NOT TRUE)
        --end
        """;

    // The last step, or a new one, carries the reason; whoever closed the run in between has won.
    private const string Mark =
        """
        WITH level AS (
            SELECT coalesce((SELECT t.alert_text FROM jobmon.job_status_text t WHERE t.alert_code = 3), 'CRITICAL') AS label, clock_timestamp() AS moment,
                'Manually cancelled via call to jobmon.cancel_job() by ' || current_user || coalesce(': ' || $2, '') AS reason
        ), ended AS (
            UPDATE jobmon.job_log j SET end_time = l.moment, status = l.label FROM level l WHERE j.job_id = $1 AND j.end_time IS NULL RETURNING j.job_id
        ), last AS (
            UPDATE jobmon.job_detail d
            SET end_time = l.moment, status = l.label, message = l.reason, elapsed_time = greatest(extract(epoch FROM l.moment - d.start_time), 0)::real
            FROM level l, ended e WHERE d.step_id = (SELECT max(x.step_id) FROM jobmon.job_detail x WHERE x.job_id = e.job_id) RETURNING d.step_id
        ), first AS (
            INSERT INTO jobmon.job_detail (job_id, action, start_time, end_time, elapsed_time, status, message)
            SELECT e.job_id, 'Cancelled before first step logged', l.moment, l.moment, 0, l.label, l.reason
            FROM level l, ended e WHERE NOT EXISTS (SELECT FROM jobmon.job_detail x WHERE x.job_id = e.job_id) RETURNING step_id
        )
        SELECT count(*) FROM ended
        """;

    public static async Task<CancelResult> CancelAsync(PgSession session, JobmonServer server, long jobId, string? reason)
    {
        Task<object?> Ask(string sql) => session.ScalarAsync(server.Render(sql), PgParameter.BigInt(jobId));
        Task<object?> Tell(string sql) => session.ScalarAsync(server.Render(sql), PgParameter.BigInt(jobId), PgParameter.Text(reason));

        var ended = await Ask(Look).ConfigureAwait(false);
        if (ended is not bool)
            return CancelResult.NotFound;
        if (ended is true)
            return CancelResult.AlreadyFinished;
        if (server.HasSide && await Tell(Flag).ConfigureAwait(false) is int signalled)
            return signalled > 0 ? CancelResult.BackendSignalled : CancelResult.Requested;

        var (present, hidden) = await session.RowAsync(
            server.Render(Backend), row => row.GetBoolean(1) ? (true, true) : (row.GetBoolean(2), false), PgParameter.BigInt(jobId)).ConfigureAwait(false);
        if (hidden)
            return CancelResult.NotPermitted;
        try
        {
            present = present && await Ask(Signal).ConfigureAwait(false) is true;
        }
        catch (PostgresException refusal) when (refusal.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            return CancelResult.NotPermitted;
        }
        if (await Tell(Mark).ConfigureAwait(false) is 0L)
            return CancelResult.AlreadyFinished;
        return present ? CancelResult.BackendSignalled : CancelResult.MarkedCancelled;
    }
}
