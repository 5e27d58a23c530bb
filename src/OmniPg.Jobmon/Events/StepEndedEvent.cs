using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>A step ended.</summary>
internal sealed class StepEndedEvent(StepRow step, long mark, AlertLevel level) : LogEvent(step.Job, mark)
{
    // $1 step, $2 level, $3 status or null, $4 text of the level if the table has none, $5 message, $6 time or null, $7 current, $8 total,
    // $9 unit, $10 rows, $11 error.
    // A step closed by the reaper takes its true end; one closed by anybody else keeps theirs.
    private const string IsOpen = "d.step_id = $1 AND (d.end_time IS NULL OR EXISTS (SELECT FROM reaped WHERE reaped_at >= d.end_time))";

    private const string FinalMessage =
        "CASE WHEN EXISTS (SELECT FROM reaped) THEN concat_ws(' ', $5, '(recovered after being declared dead)') ELSE coalesce($5, d.message) END";

    private const string ByTables =
        $"""
        WITH v AS (
            SELECT coalesce($3, {TextOfLevel}, $4) AS status, coalesce($6, clock_timestamp()) AS at
        --side
        ), side AS (
            UPDATE omnipg_jobmon.step SET current = coalesce($7, current), total = coalesce($8, total), unit = coalesce($9, unit),
                progress_at = CASE WHEN $7::bigint IS NULL THEN progress_at ELSE v.at END, rows_affected = $10, error = $11::jsonb
            FROM v WHERE step_id = $1
        ), reaped AS (
            SELECT r.reaped_at FROM jobmon.job_detail d JOIN omnipg_jobmon.run r USING (job_id) WHERE d.step_id = $1 AND r.reaped_at IS NOT NULL
        --noside
        ), reaped AS (
            SELECT NULL::timestamptz AS reaped_at WHERE false
        --end
        --functions
        ), open AS MATERIALIZED (
            SELECT d.step_id, {FinalMessage} AS message FROM jobmon.job_detail d WHERE {IsOpen} FOR UPDATE OF d
        )
        SELECT count(jobmon._autonomous_update_step(open.step_id, v.status, open.message)) FROM open, v
        --nofunctions
        ), ended AS (
            UPDATE jobmon.job_detail d
            SET end_time = greatest(v.at, d.start_time), elapsed_time = greatest(extract(epoch FROM v.at - d.start_time), 0)::real, status = v.status,
                message = {FinalMessage}
            FROM v WHERE {IsOpen}
            RETURNING 1
        )
        SELECT count(*) FROM ended
        --end
        """;

    // A null argument makes the original fail.
    private const string ByPublicFunction = "SELECT count(jobmon.update_step($1, coalesce($3, $4), coalesce($5, '')))";

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

    public override NpgsqlBatchCommand ToCommand(LogTables log, WriteContext context)
    {
        var at = Time(context);
        return Command(
            log, at, ByTables, ByPublicFunction,
            PgParameter.BigInt(Step.StepId), PgParameter.Integer(Level.Code), PgParameter.Text(context.Texts.Clean(Status)), PgParameter.Text(Level.ToString()),
            PgParameter.Text(Marked(Message, context)), PgParameter.Instant(at), PgParameter.BigInt(Progress?.Current), PgParameter.BigInt(Progress?.Total),
            PgParameter.Text(context.Texts.Clean(Progress?.Unit)), PgParameter.BigInt(RowsAffected), PgParameter.Text(ErrorJson));
    }
}
