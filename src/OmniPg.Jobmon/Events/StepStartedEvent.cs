using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>A step began.</summary>
internal sealed class StepStartedEvent(StepRow step, long mark) : LogEvent(step.Job, mark)
{
    // $1 job, $2 action, $3 time or null, $4 token, $5 parent step, $6 ordinal, $7 repeated.
    private const string ByTables =
        """
        WITH old AS (
        --side
            SELECT s.step_id FROM omnipg_jobmon.step s WHERE s.client_token = $4
        --noside
            SELECT d.step_id FROM jobmon.job_detail d
            WHERE $7 AND d.job_id = $1 AND d.action = $2 AND d.end_time IS NULL
              AND d.start_time > clock_timestamp() - interval '30 seconds' ORDER BY d.step_id DESC LIMIT 1
        --end
        ), fresh AS MATERIALIZED (
        --functions
            SELECT jobmon._autonomous_add_step($1, $2)::bigint AS step_id
            WHERE NOT EXISTS (SELECT FROM old) AND $3::timestamptz IS NULL
        --nofunctions
            INSERT INTO jobmon.job_detail (job_id, step_id, action, start_time)
            SELECT $1, nextval('jobmon.job_detail_step_id_seq'), $2, coalesce($3, clock_timestamp())
            WHERE NOT EXISTS (SELECT FROM old)
            RETURNING step_id
        --end
        --side
        ), side AS (
            INSERT INTO omnipg_jobmon.step (step_id, client_token, job_id, parent_step_id, ordinal) SELECT step_id, $4, $1, $5, $6 FROM fresh
        --end
        )
        SELECT step_id FROM fresh UNION ALL SELECT step_id FROM old
        """;

    // Not repeatable: the function gives no way to find the row of a first try.
    private const string ThroughDblink = "SELECT jobmon.add_step($1, $2)::bigint";

    public StepRow Step { get; } = step;

    public override string Operation => "step start";

    public override bool IsReady => Job.Lost || (Job.JobId is not null && (Step.Parent is null || Step.Parent.StepId is not null || Step.Parent.Lost));

    public override bool MayCommitRelaxed => true;

    public override NpgsqlBatchCommand ToCommand(LogTables log, WriteContext context)
    {
        var at = Time(context);
        return Command(
            log, at, ByTables, ThroughDblink,
            PgParameter.BigInt(Job.JobId), PgParameter.Text(context.Texts.Clean(Step.Action)), PgParameter.Instant(at), PgParameter.Uuid(Step.Token),
            PgParameter.BigInt(Step.Parent?.StepId), PgParameter.Integer(Step.Ordinal), PgParameter.Flag(Repeated));
    }

    public override void Accept(object[] row) => Step.StepId = (long)row[0];

    public override void Abandon() => Step.Lost = true;
}
