using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>A step began.</summary>
internal sealed class StepStartedEvent(StepRow step, long mark) : LogEvent(step.Job, mark)
{
    public StepRow Step { get; } = step;

    public override string Operation => "step start";

    public override bool IsReady => Job.Lost || (Job.JobId is not null && (Step.Parent is null || Step.Parent.StepId is not null || Step.Parent.Lost));

    public override bool MayCommitRelaxed => true;

    public override NpgsqlBatchCommand ToCommand(WriterSql sql, WriteContext context)
    {
        var at = Time(context);
        var command = new NpgsqlBatchCommand(at is null ? sql.StartStep : sql.StartStepLate)
        {
            Parameters = { BigInt(Job.JobId), Text(context.Texts.Clean(Step.Action)), Moment(at) },
        };
        if (sql.HasSide)
        {
            command.Parameters.Add(Uuid(Step.Token));
            command.Parameters.Add(BigInt(Step.Parent?.StepId));
            command.Parameters.Add(Int(Step.Ordinal));
        }
        else
        {
            command.Parameters.Add(new NpgsqlParameter<bool> { TypedValue = Repeated });
        }

        return command;
    }

    public override void Accept(object[] row) => Step.StepId = (long)row[0];

    public override void Abandon() => Step.Lost = true;
}
