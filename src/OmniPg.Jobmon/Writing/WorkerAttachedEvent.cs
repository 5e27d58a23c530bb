using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>The backend that does the work became known, or does something else from now on.</summary>
internal sealed class WorkerAttachedEvent(JobRow job, long mark, int? pid, DateTime? backendStart) : LogEvent(job, mark)
{
    public const string Attach = "worker attach";
    public const string Detach = "worker detach";

    /// <summary>The backend; null for none any more.</summary>
    public int? Pid { get; } = pid;

    public DateTime? BackendStart { get; } = backendStart;

    public override string Operation => Pid is null ? Detach : Attach;

    public override bool IsReady => Job.Lost || Job.JobId is not null;

    public override bool MayCommitRelaxed => true;

    public override NpgsqlBatchCommand ToCommand(WriterSql sql, WriteContext context)
    {
        var command = new NpgsqlBatchCommand(sql.AttachWorker) { Parameters = { BigInt(Job.JobId), Int(Pid ?? context.ControlPid()) } };
        if (sql.HasSide)
        {
            command.Parameters.Add(Int(Pid));
            command.Parameters.Add(Moment(BackendStart));
        }

        return command;
    }
}
