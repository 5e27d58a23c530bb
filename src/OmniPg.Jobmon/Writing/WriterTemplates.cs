namespace OmniPg.Jobmon;

/// <summary>Texts of <see cref="WriterSql"/> before names are filled in.</summary>
/// <remarks>
/// A row is found again by its token when the outcome of a first try is unknown. Without side tables the best there is: an own row of
/// the same name or action, begun a moment ago.
/// </remarks>
internal static class WriterTemplates
{
    // A level that has no text would end as a status that no trigger knows, and nobody would be told: it ends as the highest one that has.
    private const string TextOfLevel =
        """

                (SELECT t.alert_text FROM @schema@.job_status_text t WHERE t.alert_code = $2 ORDER BY 1 LIMIT 1),
                (SELECT t.alert_text FROM @schema@.job_status_text t WHERE t.alert_code > 1 AND $2 <> 1 ORDER BY t.alert_code DESC LIMIT 1)
        """;

    // $1 name, $2 time or null, $3 pid or null; side: $4 token, $5 session, $6 parent, $7 trace, $8 span, $9 arguments, $10 tags, $11 max
    // runtime; no side: $4 repeated.
    public const string StartJob =
        """
        WITH old AS (
        --side
            SELECT r.job_id FROM @side@.run r WHERE r.client_token = $4
        --end
        --noside
            SELECT l.job_id FROM @schema@.job_log l
            WHERE $4 AND l.job_name = upper($1) AND l.owner = current_user AND l.end_time IS NULL
              AND l.start_time > clock_timestamp() - interval '30 seconds' ORDER BY l.job_id DESC LIMIT 1
        --end
        ), fresh AS (
            INSERT INTO @schema@.job_log (job_id, owner, job_name, start_time, pid)
            SELECT nextval('@schema.literal@.job_log_job_id_seq'), current_user, upper($1), coalesce($2, clock_timestamp()), coalesce($3, pg_backend_pid())
            WHERE NOT EXISTS (SELECT FROM old)
            RETURNING job_id
        """ + StartJobTail;

    public const string StartJobByFunction =
        """
        WITH old AS (
        --side
            SELECT r.job_id FROM @side@.run r WHERE r.client_token = $4
        --end
        --noside
            SELECT l.job_id FROM @schema@.job_log l
            WHERE $4 AND l.job_name = upper($1) AND l.owner = current_user AND l.end_time IS NULL
              AND l.start_time > clock_timestamp() - interval '30 seconds' ORDER BY l.job_id DESC LIMIT 1
        --end
        ), fresh AS MATERIALIZED (
            SELECT @schema@._autonomous_add_job(current_user::text, $1, coalesce($3, pg_backend_pid()))::bigint AS job_id
            WHERE NOT EXISTS (SELECT FROM old) AND $2::timestamptz IS NULL
        """ + StartJobTail;

    private const string StartJobTail =
        """

        )
        --side
        , side AS (
            INSERT INTO @side@.run (job_id, client_token, session_id, display_name, parent_job_id, trace_id, span_id, args, tags, max_runtime)
            SELECT job_id, $4, $5, $1, $6, $7, $8, $9::jsonb, $10, $11 FROM fresh
        )
        --end
        SELECT job_id, EXISTS (SELECT FROM @schema@.job_status_text WHERE alert_code = 1), pg_notify('omnipg_jobmon', 'start:' || job_id)::text
        FROM (SELECT job_id FROM fresh UNION ALL SELECT job_id FROM old) AS begun
        """;

    // $1 job, $2 action, $3 time or null; side: $4 token, $5 parent step, $6 ordinal; no side: $4 repeated.
    public const string StartStep =
        """
        WITH old AS (
        --side
            SELECT s.step_id FROM @side@.step s WHERE s.client_token = $4
        --end
        --noside
            SELECT d.step_id FROM @schema@.job_detail d
            WHERE $4 AND d.job_id = $1 AND d.action = $2 AND d.end_time IS NULL
              AND d.start_time > clock_timestamp() - interval '30 seconds' ORDER BY d.step_id DESC LIMIT 1
        --end
        ), fresh AS (
            INSERT INTO @schema@.job_detail (job_id, step_id, action, start_time)
            SELECT $1, nextval('@schema.literal@.job_detail_step_id_seq'), $2, coalesce($3, clock_timestamp())
            WHERE NOT EXISTS (SELECT FROM old)
            RETURNING step_id
        """ + StartStepTail;

    public const string StartStepByFunction =
        """
        WITH old AS (
        --side
            SELECT s.step_id FROM @side@.step s WHERE s.client_token = $4
        --end
        --noside
            SELECT d.step_id FROM @schema@.job_detail d
            WHERE $4 AND d.job_id = $1 AND d.action = $2 AND d.end_time IS NULL
              AND d.start_time > clock_timestamp() - interval '30 seconds' ORDER BY d.step_id DESC LIMIT 1
        --end
        ), fresh AS MATERIALIZED (
            SELECT @schema@._autonomous_add_step($1, $2)::bigint AS step_id
            WHERE NOT EXISTS (SELECT FROM old) AND $3::timestamptz IS NULL
        """ + StartStepTail;

    private const string StartStepTail =
        """

        )
        --side
        , side AS (
            INSERT INTO @side@.step (step_id, client_token, job_id, parent_step_id, ordinal) SELECT step_id, $4, $1, $5, $6 FROM fresh
        )
        --end
        SELECT step_id FROM fresh UNION ALL SELECT step_id FROM old
        """;

    // $1 step, $2 level, $3 status or null, $4 text of the level if the table has none, $5 message, $6 time or null; side: $7 current,
    // $8 total, $9 unit, $10 rows, $11 error. A step closed by the reaper takes its true end; one closed by anybody else keeps theirs.
    private const string EndStepHead =
        """
        WITH v AS (
            SELECT coalesce($3,
        """ + TextOfLevel + """
                , $4) AS status,
                   coalesce($6, clock_timestamp()) AS at
        )
        --side
        , side AS (
            UPDATE @side@.step SET current = coalesce($7, current), total = coalesce($8, total), unit = coalesce($9, unit),
                progress_at = CASE WHEN $7::bigint IS NULL THEN progress_at ELSE v.at END, rows_affected = $10, error = $11::jsonb
            FROM v WHERE step_id = $1
        )
        --end

        """;

    public const string EndStep = EndStepHead +
        """
        , ended AS (
            UPDATE @schema@.job_detail d
            SET end_time = greatest(v.at, d.start_time), elapsed_time = greatest(extract(epoch FROM v.at - d.start_time), 0)::real, status = v.status,
        --side
                message = CASE WHEN EXISTS (SELECT FROM @side@.run r WHERE r.job_id = d.job_id AND r.reaped_at IS NOT NULL)
                    THEN concat_ws(' ', $5, '(recovered after being declared dead)') ELSE coalesce($5, d.message) END
            FROM v WHERE d.step_id = $1
              AND (d.end_time IS NULL OR EXISTS (SELECT FROM @side@.run r WHERE r.job_id = d.job_id AND r.reaped_at >= d.end_time))
        --end
        --noside
                message = coalesce($5, d.message)
            FROM v WHERE d.step_id = $1 AND d.end_time IS NULL
        --end
            RETURNING 1
        )
        SELECT count(*) FROM ended
        """;

    public const string EndStepByFunction = EndStepHead +
        """
        , open AS MATERIALIZED (
            SELECT d.step_id,
        --side
                CASE WHEN r.reaped_at IS NOT NULL THEN concat_ws(' ', $5, '(recovered after being declared dead)') ELSE coalesce($5, d.message) END AS message
            FROM @schema@.job_detail d LEFT JOIN @side@.run r ON r.job_id = d.job_id
            WHERE d.step_id = $1 AND (d.end_time IS NULL OR r.reaped_at >= d.end_time)
        --end
        --noside
                coalesce($5, d.message) AS message
            FROM @schema@.job_detail d WHERE d.step_id = $1 AND d.end_time IS NULL
        --end
            FOR UPDATE OF d
        )
        SELECT count(@schema@._autonomous_update_step(open.step_id, v.status, open.message)) FROM open, v
        """;

    // $1 job, $2 level, $3 text of the level if the table has none, $4 time or null, $5 message of open steps, $6 action of a last step or
    // null, $7 its message; side: $8 error, $9 result.
    public const string EndJob =
        """
        WITH v AS (
            SELECT coalesce(
        """ + TextOfLevel + """
                , $3) AS status,
                   coalesce($4, clock_timestamp()) AS at
        ), ended AS (
            UPDATE @schema@.job_log j SET end_time = greatest(v.at, j.start_time), status = v.status
        --side
            FROM v LEFT JOIN @side@.run r ON r.job_id = $1
            WHERE j.job_id = $1 AND (j.end_time IS NULL OR r.reaped_at >= j.end_time)
            RETURNING j.job_id, j.end_time, r.reaped_at IS NOT NULL AS recovered
        --end
        --noside
            FROM v WHERE j.job_id = $1 AND j.end_time IS NULL
            RETURNING j.job_id, j.end_time, false AS recovered
        --end
        ), steps AS (
            UPDATE @schema@.job_detail d
            SET end_time = ended.end_time, elapsed_time = greatest(extract(epoch FROM ended.end_time - d.start_time), 0)::real,
                status = v.status, message = concat_ws(E'\n', $5, d.message)
            FROM ended, v WHERE d.job_id = ended.job_id AND d.end_time IS NULL
        ), last AS (
            INSERT INTO @schema@.job_detail (job_id, step_id, action, start_time, end_time, elapsed_time, status, message)
            SELECT ended.job_id, nextval('@schema.literal@.job_detail_step_id_seq'), coalesce($6, 'Finished'), ended.end_time, ended.end_time, 0, v.status,
                   concat_ws(' ', $7, CASE WHEN ended.recovered THEN '(recovered after being declared dead)' END)
            FROM ended, v WHERE $6::text IS NOT NULL OR ended.recovered
        )
        --side
        , side AS (
            UPDATE @side@.run r SET error = $8::jsonb, result = coalesce($9::jsonb, r.result) FROM ended WHERE r.job_id = ended.job_id
        )
        --end
        SELECT (SELECT count(*) FROM ended), (SELECT l.status = v.status FROM @schema@.job_log l WHERE l.job_id = $1),
               pg_notify('omnipg_jobmon', 'end:' || $1::bigint)::text
        FROM v
        """;

    // $1 steps, $2 messages, $3 currents, $4 totals, $5 units: one statement for all moving steps of a job.
    public const string Progress =
        """
        WITH p AS MATERIALIZED (
            SELECT * FROM unnest($1, $2, $3, $4, $5) AS u (step_id, message, current, total, unit) ORDER BY step_id
        )
        --side
        , side AS (
            UPDATE @side@.step s SET current = p.current, total = p.total, unit = p.unit, progress_at = clock_timestamp()
            FROM p WHERE s.step_id = p.step_id
        )
        --end
        , moved AS (
            UPDATE @schema@.job_detail d
            SET status = 'PENDING', message = p.message, elapsed_time = greatest(extract(epoch FROM clock_timestamp() - d.start_time), 0)::real
            FROM p WHERE d.step_id = p.step_id AND d.end_time IS NULL
            RETURNING 1
        )
        SELECT count(*) FROM moved
        """;

    // $1 job, $2 pid or null; side: $3 attached pid, null for none, $4 backend start.
    public const string AttachWorker =
        """
        WITH log AS (
            UPDATE @schema@.job_log SET pid = coalesce($2, pg_backend_pid()) WHERE job_id = $1 AND end_time IS NULL RETURNING job_id
        )
        --side
        , side AS (
            UPDATE @side@.run r SET work_pid = $3, work_backend_start = $4 FROM log WHERE r.job_id = log.job_id
        )
        --end
        SELECT count(*) FROM log
        """;

    // $1 job, $2 first sequence number, $3 steps, $4 times, $5 levels, $6 categories, $7 messages.
    public const string LogLines =
        """
        WITH lines AS (
        INSERT INTO @side@.log_line (job_id, seq, step_id, ts, level, category, message)
        SELECT $1, $2 + u.n - 1, u.step_id, coalesce(u.ts, clock_timestamp()), u.level, u.category, u.message
        FROM unnest($3, $4, $5, $6, $7) WITH ORDINALITY AS u (step_id, ts, level, category, message, n)
        ON CONFLICT (job_id, seq) DO NOTHING
        )
        SELECT 1
        """;
}
