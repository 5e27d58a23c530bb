using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Jobmon;

/// <summary>Captured lines, many in one statement. A repeated write changes nothing: the numbers are given here.</summary>
internal sealed class LogLinesEvent(JobRow job, long mark, long first, LogLine[] lines) : LogEvent(job, mark)
{
    // $1 job, $2 first sequence number, $3 steps, $4 times, $5 levels, $6 categories, $7 messages.
    private const string Insert =
        """
        WITH lines AS (
        INSERT INTO omnipg_jobmon.log_line (job_id, seq, step_id, ts, level, category, message)
        SELECT $1, $2 + u.n - 1, u.step_id, coalesce(u.ts, clock_timestamp()), u.level, u.category, u.message
        FROM unnest($3, $4, $5, $6, $7) WITH ORDINALITY AS u (step_id, ts, level, category, message, n)
        ON CONFLICT (job_id, seq) DO NOTHING
        )
        SELECT 1
        """;

    /// <summary>Number of the first line within its run, from 1.</summary>
    public long First { get; } = first;

    public LogLine[] Lines { get; } = lines;

    public override string Operation => "log lines";

    public override bool MayCommitRelaxed => true;

    public override NpgsqlBatchCommand ToCommand(LogTables log, WriteContext context) => Command(
        log, null, Insert, Insert,
        PgParameter.BigInt(Job.JobId), PgParameter.BigInt(First), List(NpgsqlDbType.Bigint, l => l.Step?.StepId),
        List(NpgsqlDbType.TimestampTz, l => context.Clock.At(l.Mark)), List(NpgsqlDbType.Smallint, l => l.Level),
        List(NpgsqlDbType.Text, l => context.Texts.Clean(l.Category)), List(NpgsqlDbType.Text, l => context.Texts.Clean(l.Message)));

    private NpgsqlParameter List<T>(NpgsqlDbType type, Func<LogLine, T> value) => PgParameter.Of(Lines.Select(value).ToArray(), NpgsqlDbType.Array | type);
}

/// <summary>One captured line.</summary>
internal readonly record struct LogLine(StepRow? Step, long Mark, short Level, string? Category, string Message);
