using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Jobmon;

/// <summary>A run began: one row of <c>job_log</c> and one of <c>run</c>, recognised by its token when the write is repeated.</summary>
internal sealed class JobStartedEvent(JobRow job, long mark) : LogEvent(job, mark)
{
    public const string LateTag = "recorded-late";

    public JobRow? Parent { get; init; }

    public string? TraceId { get; init; }

    public string? SpanId { get; init; }

    public string? ArgumentsJson { get; init; }

    public IReadOnlyList<string> Tags { get; init; } = [];

    public TimeSpan? MaxRuntime { get; init; }

    /// <summary>The settings of the run, for a record in memory.</summary>
    public JobOptions? Options { get; init; }

    /// <summary>Its values, which change until its end, for a record in memory.</summary>
    public RunValues? Values { get; init; }

    /// <summary>Code 1 of <c>job_status_text</c> exists: without it success has no name.</summary>
    public bool SuccessHasText { get; private set; } = true;

    public override string Operation => "job start";

    public override bool IsReady => true;

    public override bool MayCommitRelaxed => true;

    public override NpgsqlBatchCommand ToCommand(WriterSql sql, WriteContext context)
    {
        var at = Time(context);
        var command = new NpgsqlBatchCommand(at is null ? sql.StartJob : sql.StartJobLate)
        {
            Parameters = { Text(Job.Name), Moment(at), Int(context.ControlPid()) },
        };
        if (sql.HasSide)
        {
            command.Parameters.Add(Uuid(Job.Token));
            command.Parameters.Add(Uuid(context.SessionId));
            command.Parameters.Add(BigInt(Parent?.JobId));
            command.Parameters.Add(Text(TraceId));
            command.Parameters.Add(Text(SpanId));
            command.Parameters.Add(Text(ArgumentsJson));
            command.Parameters.Add(Value(NpgsqlDbType.Array | NpgsqlDbType.Text, TagsOf(context)));
            command.Parameters.Add(Value(NpgsqlDbType.Interval, MaxRuntime));
        }
        else
        {
            command.Parameters.Add(Value(NpgsqlDbType.Boolean, Repeated));
        }

        return command;
    }

    public override void Accept(object[] row)
    {
        Job.JobId = (long)row[0];
        SuccessHasText = (bool)row[1];
    }

    public override void Abandon() => Job.Lost = true;

    private string[]? TagsOf(WriteContext context) =>
        Tags.Count == 0 && !Late ? null : [.. Tags.Select(t => context.Texts.Clean(t)!), .. Late ? [LateTag] : Array.Empty<string>()];
}
