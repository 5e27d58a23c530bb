namespace OmniPg.Jobmon;

/// <summary>Statements of the monitor besides the check itself.</summary>
internal static class JobMonitorSql
{
    // $1: history as interval text, or null for the default.
    public const string Prepare =
        """
        SELECT coalesce($1, c.longest::text, '1 week'), coalesce($1::interval < c.longest, false), now(), pg_is_in_recovery(),
            current_setting('transaction_read_only') = 'off' AND has_table_privilege('@schema.literal@.job_log', 'UPDATE')
        FROM (SELECT greatest(max(error_threshold), max(warn_threshold)) AS longest FROM @schema@.job_check_config WHERE active) c
        """;

    // Compiling the check takes seconds where running it takes milliseconds. For this batch alone: it is one transaction.
    public const string NoCompilation = "SELECT set_config('jit', 'off', true)";

    /// <summary>Texts of the alert codes.</summary>
    public const string StatusTexts = "SELECT alert_code, alert_text FROM @schema@.job_status_text ORDER BY alert_code";

    public static async Task<SortedDictionary<int, string>> StatusTextsAsync(PgSession session, JobmonServer server)
    {
        var texts = await session.RowsAsync(server.RequireInstalled().Render(StatusTexts), row => (Code: row.GetInt32(0), Text: row.GetString(1))).ConfigureAwait(false);
        return new SortedDictionary<int, string>(texts.ToDictionary(t => t.Code, t => t.Text));
    }

    // $1 is unused, so that both statements about running jobs take the same parameters.
    public const string CountRunning =
        """
        SELECT count(*)::integer FROM @schema@.job_log j
        --side
        LEFT JOIN @side@.run r ON r.job_id = j.job_id
        LEFT JOIN @side@.session s ON s.session_id = r.session_id
        --end
        WHERE $1::integer IS NULL AND
        """ + "\n" + JobHistorySql.IsAtWork;

    public const string Lint =
        """
        SELECT c.job_name, 'name-not-upper-case', format('Job names are stored in upper case, so this rule matches no run and reports MISSING for ever. Use %L.', upper(c.job_name))
        FROM @schema@.job_check_config c WHERE c.job_name <> upper(c.job_name)
        UNION ALL
        SELECT c.job_name, 'warning-after-error', format('The warning threshold %s is longer than the error threshold %s: nothing is reported before the warning.', c.warn_threshold, c.error_threshold)
        FROM @schema@.job_check_config c WHERE c.warn_threshold > c.error_threshold
        UNION ALL
        SELECT c.job_name, 'threshold-not-positive', 'A threshold of zero or less reports the job as MISSING at once.'
        FROM @schema@.job_check_config c WHERE least(c.warn_threshold, c.error_threshold) <= '0'
        UNION ALL
        SELECT c.job_name, 'never-ran', 'No run of that name is in the log.'
        FROM @schema@.job_check_config c
        WHERE c.active AND c.job_name = upper(c.job_name) AND NOT EXISTS (SELECT FROM @schema@.job_log j WHERE j.job_name = c.job_name)
        UNION ALL
        SELECT c.job_name, 'inactive', 'The rule is off, and an inactive rule also silences the default rule of three failed runs.'
        FROM @schema@.job_check_config c WHERE NOT c.active
        UNION ALL
        SELECT NULL, 'success-text-missing', 'Table job_status_text has no code 1, so no run counts as a success.'
        WHERE NOT EXISTS (SELECT FROM @schema@.job_status_text WHERE alert_code = 1)
        UNION ALL
        SELECT NULL, 'status-text-twice', format('The text %L stands for several codes; the lowest wins.', t.alert_text)
        FROM @schema@.job_status_text t GROUP BY t.alert_text HAVING count(*) > 1
        --side
        UNION ALL
        SELECT u.job_name, 'name-not-upper-case', 'Job names are stored in upper case, so this schedule or limit matches no run.'
        FROM @side@.check_rule u WHERE u.job_name <> upper(u.job_name)
        --end
        ORDER BY 1 NULLS FIRST, 2
        """;
}
