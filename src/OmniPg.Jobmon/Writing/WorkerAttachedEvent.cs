using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>The backend that does the work became known.</summary>
internal sealed class WorkerAttachedEvent(JobRow job, long mark, int pid, DateTime? backendStart) : LogEvent(job, mark)
{
    public int Pid { get; } = pid;

    public DateTime? BackendStart { get; } = backendStart;

    public override string Operation => "worker attach";

    public override bool IsReady => Job.Lost || Job.JobId is not null;

    public override bool MayCommitRelaxed => true;

    public override NpgsqlBatchCommand ToCommand(WriterSql sql, WriteContext context)
    {
        var command = new NpgsqlBatchCommand(sql.AttachWorker) { Parameters = { BigInt(Job.JobId), Int(Pid) } };
        if (sql.HasSide)
            command.Parameters.Add(Moment(BackendStart));
        return command;
    }
}
