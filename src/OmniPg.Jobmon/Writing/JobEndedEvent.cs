using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>A run ended: the row is closed unless somebody else closed it first, and open steps with it.</summary>
internal sealed class JobEndedEvent(JobRow job, long mark, JobOutcome outcome) : LogEvent(job, mark)
{
    public const string OpenStepMessage = "Step ended with the job";

    public JobOutcome Outcome { get; } = outcome;

    /// <summary>Action of a last step to add; null for none.</summary>
    public string? FinalAction { get; init; }

    public string? FinalMessage { get; init; }

    /// <summary>The exception as JSON; null on success.</summary>
    public string? ErrorJson { get; init; }

    /// <summary>Result values as JSON; null for none.</summary>
    public string? ResultJson { get; init; }

    public override string Operation => "job end";

    public override bool IsReady => Job.Lost || Job.JobId is not null;

    public override NpgsqlBatchCommand ToCommand(WriterSql sql, WriteContext context)
    {
        var at = Time(context);
        var command = new NpgsqlBatchCommand(sql.EndJob)
        {
            Parameters =
            {
                BigInt(Job.JobId), Int(Outcome.Level.Code), Text(Outcome.Level.ToString()), Moment(at), Text(OpenStepMessage),
                Text(FinalAction), Text(Marked(FinalMessage, context)),
            },
        };
        if (sql.HasSide)
        {
            command.Parameters.Add(Text(ErrorJson));
            command.Parameters.Add(Text(ResultJson));
        }

        return command;
    }

    /// <summary>After a repeat with unknown outcome the own, earlier write looks like somebody else's: the status tells them apart.</summary>
    public override void Accept(object[] row)
    {
        var won = (long)row[0] > 0;
        var sameStatus = row[1] is true;
        Job.EndedElsewhere = !won && !(Repeated && sameStatus);
    }
}
