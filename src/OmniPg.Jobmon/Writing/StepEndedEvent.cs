using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>A step ended.</summary>
internal sealed class StepEndedEvent(StepRow step, long mark, AlertLevel level) : LogEvent(step.Job, mark)
{
    public StepRow Step { get; } = step;

    public AlertLevel Level { get; } = level;

    /// <summary>Status text of the caller; null takes the text of the level.</summary>
    public string? Status { get; init; }

    public string? Message { get; init; }

    /// <summary>What was reported last; null for nothing.</summary>
    public StepProgress? Progress { get; init; }

    public long? RowsAffected { get; init; }

    /// <summary>What the step ended with, for a record in memory; null for none.</summary>
    public Exception? Error { get; init; }

    /// <summary>The exception as JSON; null on success.</summary>
    public string? ErrorJson { get; init; }

    public bool IsSuccess => Level == AlertLevel.Ok;

    public override string Operation => "step end";

    public override bool IsReady => Job.Lost || Step.Lost || Step.StepId is not null;

    public override bool IsPointless => Job.Lost || Step.Lost;

    public override NpgsqlBatchCommand ToCommand(WriterSql sql, WriteContext context)
    {
        var at = Time(context);
        var command = new NpgsqlBatchCommand(at is null ? sql.EndStep : sql.EndStepLate)
        {
            Parameters =
            {
                BigInt(Step.StepId), Int(Level.Code), Text(context.Texts.Clean(Status)), Text(Level.ToString()),
                Text(Marked(Message, context)), Moment(at),
            },
        };
        if (sql.HasSide)
        {
            command.Parameters.Add(BigInt(Progress?.Current));
            command.Parameters.Add(BigInt(Progress?.Total));
            command.Parameters.Add(Text(context.Texts.Clean(Progress?.Unit)));
            command.Parameters.Add(BigInt(RowsAffected));
            command.Parameters.Add(Text(ErrorJson));
        }

        return command;
    }
}
