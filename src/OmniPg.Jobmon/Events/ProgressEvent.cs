using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Jobmon;

/// <summary>New progress of all moving steps of one run. Never kept: the next one says more.</summary>
internal sealed class ProgressEvent(JobRow job, long mark, IReadOnlyList<(StepRow Step, StepProgress Progress)> steps) : LogEvent(job, mark)
{
    // $1 steps, $2 messages, $3 currents, $4 totals, $5 units: one statement for all moving steps of a job.
    private const string ByTables =
        """
        WITH p AS MATERIALIZED (
            SELECT * FROM unnest($1, $2, $3, $4, $5) AS u (step_id, message, current, total, unit) ORDER BY step_id
        --side
        ), side AS (
            UPDATE omnipg_jobmon.step s SET current = p.current, total = p.total, unit = p.unit, progress_at = clock_timestamp()
            FROM p WHERE s.step_id = p.step_id
        --end
        ), moved AS (
            UPDATE jobmon.job_detail d
            SET status = 'PENDING', message = p.message, elapsed_time = greatest(extract(epoch FROM clock_timestamp() - d.start_time), 0)::real
            FROM p WHERE d.step_id = p.step_id AND d.end_time IS NULL
            RETURNING 1
        )
        SELECT count(*) FROM moved
        """;

    private const string ByPublicFunction =
        "SELECT count(jobmon.update_step(u.step_id, 'PENDING', coalesce(u.message, ''))) FROM unnest($1, $2) AS u (step_id, message)";

    public IReadOnlyList<(StepRow Step, StepProgress Progress)> Steps { get; } = steps;

    public override string Operation => "progress";

    public override bool IsReady => Job.JobId is not null;

    public override bool MayCommitRelaxed => true;

    public override NpgsqlBatchCommand ToCommand(LogTables log, WriteContext context) => Command(
        log, null, ByTables, ByPublicFunction,
        List(NpgsqlDbType.Bigint, s => s.Step.StepId!.Value),
        List(NpgsqlDbType.Text, s => context.Texts.Clean(s.Progress.ToText())),
        List(NpgsqlDbType.Bigint, s => (long?)s.Progress.Current),
        List(NpgsqlDbType.Bigint, s => s.Progress.Total),
        List(NpgsqlDbType.Text, s => context.Texts.Clean(s.Progress.Unit)));

    private NpgsqlParameter List<T>(NpgsqlDbType type, Func<(StepRow Step, StepProgress Progress), T> value) =>
        PgParameter.Of(Steps.Select(value).ToArray(), NpgsqlDbType.Array | type);
}
