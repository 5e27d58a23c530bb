using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>A run ended: the row is closed unless somebody else closed it first, and open steps with it.</summary>
internal sealed class JobEndedEvent(JobRow job, long mark, JobOutcome outcome) : LogEvent(job, mark)
{
    private const string OpenStepMessage = "Step ended with the job";

    // $1 job, $2 level, $3 text of the level if the table has none, $4 time or null, $5 message of open steps, $6 action of a last step or
    // null, $7 its message, $8 error, $9 result.
    private const string ByTables =
        $"""
        WITH v AS (
            SELECT coalesce({TextOfLevel}, $3) AS status, coalesce($4, clock_timestamp()) AS at
        ), reaped AS (
        --side
            SELECT r.reaped_at FROM omnipg_jobmon.run r WHERE r.job_id = $1 AND r.reaped_at IS NOT NULL
        --noside
            SELECT NULL::timestamptz AS reaped_at WHERE false
        --end
        ), ended AS (
            UPDATE jobmon.job_log j SET end_time = greatest(v.at, j.start_time), status = v.status
            FROM v WHERE j.job_id = $1 AND (j.end_time IS NULL OR EXISTS (SELECT FROM reaped WHERE reaped_at >= j.end_time))
            RETURNING j.job_id, j.end_time, EXISTS (SELECT FROM reaped) AS recovered
        ), steps AS (
            UPDATE jobmon.job_detail d
            SET end_time = ended.end_time, elapsed_time = greatest(extract(epoch FROM ended.end_time - d.start_time), 0)::real,
                status = v.status, message = concat_ws(E'\n', $5, d.message)
            FROM ended, v WHERE d.job_id = ended.job_id AND d.end_time IS NULL
        ), last AS (
            INSERT INTO jobmon.job_detail (job_id, step_id, action, start_time, end_time, elapsed_time, status, message)
            SELECT ended.job_id, nextval('jobmon.job_detail_step_id_seq'), coalesce($6, 'Finished'), ended.end_time, ended.end_time, 0, v.status,
                   concat_ws(' ', $7, CASE WHEN ended.recovered THEN '(recovered after being declared dead)' END)
            FROM ended, v WHERE $6::text IS NOT NULL OR ended.recovered
        --side
        ), side AS (
            UPDATE omnipg_jobmon.run r SET error = $8::jsonb, result = coalesce($9::jsonb, r.result) FROM ended WHERE r.job_id = ended.job_id
        --end
        )
        SELECT (SELECT count(*) FROM ended), (SELECT l.status = v.status FROM jobmon.job_log l WHERE l.job_id = $1),
               pg_notify('omnipg_jobmon', 'end:' || $1::bigint)::text
        FROM v
        """;

    // The last step first: a monitor that sees the run ended finds the reason there.
    private const string ByPublicFunctions =
        """
        WITH last AS MATERIALIZED (
            SELECT jobmon.add_step($1, $6) AS step_id WHERE $6::text IS NOT NULL
        ), told AS MATERIALIZED (
            SELECT count(jobmon.update_step(last.step_id, $3, coalesce($7, ''))) AS n FROM last
        )
        SELECT count(CASE WHEN $2 = 1 THEN jobmon.close_job($1)::text ELSE jobmon.fail_job($1, $2)::text END), true,
               pg_notify('omnipg_jobmon', 'end:' || $1::bigint)::text
        FROM told
        """;

    /// <summary>Message of a step that ends with its run, and the progress that it had made.</summary>
    public static string OpenStep(string? progress) => progress is null ? OpenStepMessage : $"{OpenStepMessage}\n{progress}";

    /// <summary>Action of the step that the end of a run adds for a message that no step carries.</summary>
    public static string ActionOf(JobOutcome outcome, bool afterSteps) =>
        !outcome.IsFailure ? "Finished" : afterSteps ? "EXCEPTION after last step logged" : "EXCEPTION before first step logged";

    public JobOutcome Outcome { get; } = outcome;

    /// <summary>Action of a last step to add; null for none.</summary>
    public string? FinalAction { get; init; }

    public string? FinalMessage { get; init; }

    /// <summary>The exception as JSON; null on success.</summary>
    public string? ErrorJson { get; init; }

    /// <summary>Result values as JSON; null for none.</summary>
    public string? ResultJson { get; init; }

    public override string Operation => "job end";

    public override NpgsqlBatchCommand ToCommand(LogTables log, WriteContext context) => Command(
        log, null, ByTables, ByPublicFunctions,
        PgParameter.BigInt(Job.JobId), PgParameter.Integer(Outcome.Level.Code), PgParameter.Text(Outcome.Level.ToString()), PgParameter.Instant(Time(context)),
        PgParameter.Text(OpenStepMessage), PgParameter.Text(FinalAction), PgParameter.Text(Marked(FinalMessage, context)), PgParameter.Text(ErrorJson),
        PgParameter.Text(ResultJson));

    /// <summary>After a repeat with unknown outcome the own, earlier write looks like somebody else's: the status tells them apart.</summary>
    public override void Accept(object[] row)
    {
        var won = (long)row[0] > 0;
        var sameStatus = row[1] is true;
        Job.EndedElsewhere = !won && !(Repeated && sameStatus);
    }
}
