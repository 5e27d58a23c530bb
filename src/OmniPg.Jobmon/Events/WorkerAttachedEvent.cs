using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>The backend that does the work became known, or does something else from now on.</summary>
internal sealed class WorkerAttachedEvent(JobRow job, long mark, int? pid, DateTime? backendStart) : LogEvent(job, mark)
{
    public const string Attach = "worker attach";
    public const string Detach = "worker detach";

    // $1 job, $2 pid or null, $3 attached pid, null for none, $4 backend start.
    private const string ByTables =
        """
        WITH log AS (
            UPDATE jobmon.job_log SET pid = coalesce($2, pg_backend_pid()) WHERE job_id = $1 AND end_time IS NULL RETURNING job_id
        --side
        ), side AS (
            UPDATE omnipg_jobmon.run r SET work_pid = $3, work_backend_start = $4 FROM log WHERE r.job_id = log.job_id
        --end
        )
        SELECT count(*) FROM log
        """;

    // No function of the extension takes it.
    private const string Unknown = "SELECT 0::bigint";

    /// <summary>The backend; null for none any more.</summary>
    public int? Pid { get; } = pid;

    public DateTime? BackendStart { get; } = backendStart;

    public override string Operation => Pid is null ? Detach : Attach;

    public override bool MayCommitRelaxed => true;

    public override NpgsqlBatchCommand ToCommand(LogTables log, WriteContext context) => Command(
        log, null, ByTables, Unknown,
        PgParameter.BigInt(Job.JobId), PgParameter.Integer(Pid ?? context.ControlPid()), PgParameter.Integer(Pid), PgParameter.Instant(BackendStart));
}
