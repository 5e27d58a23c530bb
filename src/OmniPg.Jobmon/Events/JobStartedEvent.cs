using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Jobmon;

/// <summary>A run began: one row of <c>job_log</c> and one of <c>run</c>, recognised by its token when the write is repeated.</summary>
internal sealed class JobStartedEvent(JobRow job, long mark) : LogEvent(job, mark)
{
    public const string LateTag = "recorded-late";

    // $1 name, $2 time or null, $3 pid or null, $4 token, $5 session, $6 parent, $7 trace, $8 span, $9 arguments, $10 tags, $11 max runtime,
    // $12 repeated. The row of a first try is found by its token; without side tables the best there is: an own row of the same name, begun
    // a moment ago.
    private const string ByTables =
        """
        WITH old AS (
        --side
            SELECT r.job_id FROM omnipg_jobmon.run r WHERE r.client_token = $4
        --noside
            SELECT l.job_id FROM jobmon.job_log l
            WHERE $12 AND l.job_name = upper($1) AND l.owner = current_user AND l.end_time IS NULL
              AND l.start_time > clock_timestamp() - interval '30 seconds' ORDER BY l.job_id DESC LIMIT 1
        --end
        ), fresh AS MATERIALIZED (
        --functions
            SELECT jobmon._autonomous_add_job(current_user::text, $1, coalesce($3, pg_backend_pid()))::bigint AS job_id
            WHERE NOT EXISTS (SELECT FROM old) AND $2::timestamptz IS NULL
        --nofunctions
            INSERT INTO jobmon.job_log (job_id, owner, job_name, start_time, pid)
            SELECT nextval('jobmon.job_log_job_id_seq'), current_user, upper($1), coalesce($2, clock_timestamp()), coalesce($3, pg_backend_pid())
            WHERE NOT EXISTS (SELECT FROM old)
            RETURNING job_id
        --end
        --side
        ), side AS (
            INSERT INTO omnipg_jobmon.run (job_id, client_token, session_id, display_name, parent_job_id, trace_id, span_id, args, tags, max_runtime)
            SELECT job_id, $4, $5, $1, $6, $7, $8, $9::jsonb, $10, $11 FROM fresh
        --end
        )
        SELECT job_id, EXISTS (SELECT FROM jobmon.job_status_text WHERE alert_code = 1), pg_notify('omnipg_jobmon', 'start:' || job_id)::text
        FROM (SELECT job_id FROM fresh UNION ALL SELECT job_id FROM old) AS begun
        """;

    // As add_job() does it, but with the process id of the control session: add_job() would record the pooled connection it happens to be
    // called on, and a check would take the run for dead once the pool closes that one.
    private const string ThroughDblink =
        """
        SELECT t.job_id, true, pg_notify('omnipg_jobmon', 'start:' || t.job_id)::text
        FROM dblink.dblink(jobmon.auth(),
            concat('SELECT jobmon._autonomous_add_job(', quote_literal(current_user), ', ', quote_literal($1), ', ', coalesce($3, pg_backend_pid()), ')'),
            true) AS t (job_id bigint)
        """;

    private static readonly JobOptions Defaults = new();

    public JobRow? Parent { get; init; }

    public string? TraceId { get; init; }

    public string? SpanId { get; init; }

    public string? ArgumentsJson { get; init; }

    public JobOptions Options { get; init; } = Defaults;

    /// <summary>Its values, which change until its end, for a record in memory.</summary>
    public RunValues? Values { get; init; }

    /// <summary>Code 1 of <c>job_status_text</c> exists: without it success has no name.</summary>
    public bool SuccessHasText { get; private set; } = true;

    /// <summary>This start and all that follows it, as the original records a run that found another one at work.</summary>
    public List<LogEvent> Skipped()
    {
        var step = new StepRow(Job, null, 1, $"Obtaining advisory lock for job: {Job.Name}");
        return
        [
            this,
            new StepStartedEvent(step, Mark),
            new StepEndedEvent(step, Mark, AlertLevel.Warning) { Message = "Found concurrent job. Exiting gracefully" },
            new JobEndedEvent(Job, Mark, new JobOutcome(AlertLevel.Warning, JobState.Skipped, null, null)),
        ];
    }

    public override string Operation => "job start";

    public override bool IsReady => true;

    public override bool MayCommitRelaxed => true;

    public override NpgsqlBatchCommand ToCommand(LogTables log, WriteContext context)
    {
        var at = Time(context);
        return Command(
            log, at, ByTables, ThroughDblink,
            PgParameter.Text(Job.Name), PgParameter.Instant(at), PgParameter.Integer(context.ControlPid()), PgParameter.Uuid(Job.Token),
            PgParameter.Uuid(context.SessionId), PgParameter.BigInt(Parent?.JobId), PgParameter.Text(TraceId), PgParameter.Text(SpanId), PgParameter.Text(ArgumentsJson),
            PgParameter.Of(TagsOf(context), NpgsqlDbType.Array | NpgsqlDbType.Text), PgParameter.Of(Options.MaxRuntime, NpgsqlDbType.Interval), PgParameter.Flag(Repeated));
    }

    public override void Accept(object[] row)
    {
        Job.JobId = (long)row[0];
        SuccessHasText = (bool)row[1];
    }

    public override void Abandon() => Job.Lost = true;

    private string[]? TagsOf(WriteContext context) =>
        Options.Tags.Count == 0 && !Late ? null : [.. Options.Tags.Select(t => context.Texts.Clean(t)!), .. Late ? [LateTag] : Array.Empty<string>()];
}
