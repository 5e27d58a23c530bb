using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Jobmon;

/// <summary>Captured lines, many in one statement. A repeated write changes nothing: the numbers are given here.</summary>
internal sealed class LogLinesEvent(JobRow job, long mark, long first, LogLine[] lines) : LogEvent(job, mark)
{
    /// <summary>Number of the first line within its run, from 1.</summary>
    public long First { get; } = first;

    public LogLine[] Lines { get; } = lines;

    public override string Operation => "log lines";

    public override bool IsReady => Job.Lost || Job.JobId is not null;

    public override bool MayCommitRelaxed => true;

    public override NpgsqlBatchCommand ToCommand(WriterSql sql, WriteContext context) => new(sql.LogLines)
    {
        Parameters =
        {
            BigInt(Job.JobId), BigInt(First), List(NpgsqlDbType.Bigint, l => l.Step?.StepId),
            List(NpgsqlDbType.TimestampTz, l => context.Clock.At(l.Mark)), List(NpgsqlDbType.Smallint, l => l.Level),
            List(NpgsqlDbType.Text, l => context.Texts.Clean(l.Category)), List(NpgsqlDbType.Text, l => context.Texts.Clean(l.Message)),
        },
    };

    private NpgsqlParameter List<T>(NpgsqlDbType type, Func<LogLine, T> value) => Value(NpgsqlDbType.Array | type, Lines.Select(value).ToArray());
}
