namespace OmniPg.Jobmon;

/// <summary>
/// Texts of <see cref="WriterSql"/> for a role that may call the extension's public functions but not touch its tables: every event goes
/// through dblink, with the rights of the role in <c>dblink_mapping_jobmon</c>.
/// </summary>
/// <remarks>
/// What the functions cannot do is lost in this way of writing: the last end of a run wins, an event whose outcome was unknown may appear
/// twice, a late event carries the time of its write, and the process id of attached work is not recorded.
/// </remarks>
internal static class FunctionTemplates
{
    // $1 name, $2 time, $3 pid, $4 repeated. As add_job() does it, but with the process id of the control session: add_job() would record
    // the pooled connection it happens to be called on, and a check would take the run for dead once the pool closes that one.
    public const string StartJob =
        """
        SELECT t.job_id, true, pg_notify('omnipg_jobmon', 'start:' || t.job_id)::text
        FROM @dblink@.dblink(@schema@.auth(),
            format('SELECT %s._autonomous_add_job(%L, %L, %s)', '@schema.literal@', current_user, $1, coalesce($3, pg_backend_pid())), true) AS t (job_id bigint)
        """;

    // $1 job, $2 action, $3 time, $4 repeated.
    // Not repeatable: the function gives no way to find the row of a first try.
    public const string StartStep = "SELECT @schema@.add_step($1, $2)::bigint";

    // $1 step, $2 level, $3 status or null, $4 text of the level, $5 message, $6 time. A null argument makes the original fail.
    public const string EndStep = "SELECT count(@schema@.update_step($1, coalesce($3, $4), coalesce($5, '')))";

    // $1 job, $2 level, $3 text of the level, $4 time, $5 message of open steps, $6 action of a last step or null, $7 its message. The
    // last step first: a monitor that sees the run ended finds the reason there.
    public const string EndJob =
        """
        WITH last AS MATERIALIZED (
            SELECT @schema@.add_step($1, $6) AS step_id WHERE $6::text IS NOT NULL
        ), told AS MATERIALIZED (
            SELECT count(@schema@.update_step(last.step_id, $3, coalesce($7, ''))) AS n FROM last
        )
        SELECT count(CASE WHEN $2 = 1 THEN @schema@.close_job($1)::text ELSE @schema@.fail_job($1, $2)::text END), true,
               pg_notify('omnipg_jobmon', 'end:' || $1::bigint)::text
        FROM told
        """;

    // $1 steps, $2 messages, $3 currents, $4 totals, $5 units.
    public const string Progress =
        "SELECT count(@schema@.update_step(u.step_id, 'PENDING', coalesce(u.message, ''))) FROM unnest($1, $2) AS u (step_id, message)";

    // $1 job, $2 pid.
    public const string AttachWorker = "SELECT 0::bigint";
}
