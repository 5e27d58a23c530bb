using Npgsql;

namespace OmniPg.Jobmon;

/// <inheritdoc cref="IJobMonitor"/>
/// <param name="database">Where the log is.</param>
/// <param name="deadAfter">Age of a dead heartbeat.</param>
/// <param name="time">Clock of the waits.</param>
/// <param name="waiting">Counts the events of the own client that the log does not have yet; null where none can be.</param>
internal sealed class JobMonitor(JobmonDatabase database, TimeSpan deadAfter, TimeProvider time, Func<int>? waiting = null) : IJobMonitor
{
    // $1: history as interval text, or null for the default.
    private const string Prepare =
        """
        SELECT coalesce($1, c.longest::text, '1 week'), coalesce($1::interval < c.longest, false), now(), pg_is_in_recovery(),
            current_setting('transaction_read_only') = 'off' AND has_table_privilege('jobmon.job_log', 'UPDATE')
        FROM (SELECT greatest(max(error_threshold), max(warn_threshold)) AS longest FROM jobmon.job_check_config WHERE active) c
        """;

    // $1 age of a dead heartbeat, $2 whether to close runs of SQL callers, too. Of several callers at once exactly one closes each run.
    public const string Reap = "SELECT omnipg_jobmon.reap_dead_jobs($1, $2)";

    // Compiling the check takes seconds where running it takes milliseconds. For this batch alone: it is one transaction.
    public const string NoCompilation = "SELECT set_config('jit', 'off', true)";

    private const string StatusTexts = "SELECT alert_code, alert_text FROM jobmon.job_status_text ORDER BY alert_code";

    // $1 is unused, so that both statements about running jobs take the same parameters.
    private const string CountRunning =
        """
        SELECT count(*)::integer FROM jobmon.job_log j
        --side
        LEFT JOIN omnipg_jobmon.run r ON r.job_id = j.job_id
        LEFT JOIN omnipg_jobmon.session s ON s.session_id = r.session_id
        --end
        WHERE $1::integer IS NULL AND
        """ + "\n" + JobHistory.IsAtWork;

    private const string LintRules =
        """
        SELECT c.job_name, 'name-not-upper-case', format('Job names are stored in upper case, so this rule matches no run and reports MISSING for ever. Use %L.', upper(c.job_name))
        FROM jobmon.job_check_config c WHERE c.job_name <> upper(c.job_name)
        UNION ALL
        SELECT c.job_name, 'warning-after-error', format('The warning threshold %s is longer than the error threshold %s: nothing is reported before the warning.', c.warn_threshold, c.error_threshold)
        FROM jobmon.job_check_config c WHERE c.warn_threshold > c.error_threshold
        UNION ALL
        SELECT c.job_name, 'threshold-not-positive', 'A threshold of zero or less reports the job as MISSING at once.'
        FROM jobmon.job_check_config c WHERE least(c.warn_threshold, c.error_threshold) <= '0'
        UNION ALL
        SELECT c.job_name, 'never-ran', 'No run of that name is in the log.'
        FROM jobmon.job_check_config c
        WHERE c.active AND c.job_name = upper(c.job_name) AND NOT EXISTS (SELECT FROM jobmon.job_log j WHERE j.job_name = c.job_name)
        UNION ALL
        SELECT c.job_name, 'inactive', 'The rule is off, and an inactive rule also silences the default rule of three failed runs.'
        FROM jobmon.job_check_config c WHERE NOT c.active
        UNION ALL
        SELECT NULL, 'success-text-missing', 'Table job_status_text has no code 1, so no run counts as a success.'
        WHERE NOT EXISTS (SELECT FROM jobmon.job_status_text WHERE alert_code = 1)
        UNION ALL
        SELECT NULL, 'status-text-twice', format('The text %L stands for several codes; the lowest wins.', t.alert_text)
        FROM jobmon.job_status_text t GROUP BY t.alert_text HAVING count(*) > 1
        --side
        UNION ALL
        SELECT u.job_name, 'name-not-upper-case', 'Job names are stored in upper case, so this schedule or limit matches no run.'
        FROM omnipg_jobmon.check_rule u WHERE u.job_name <> upper(u.job_name)
        --end
        ORDER BY 1 NULLS FIRST, 2
        """;

    public async Task<JobCheckResult> CheckAsync(PgInterval? history = null, CancellationToken cancellationToken = default)
    {
        var (check, mayReap) = await database.RunAsync("check", (session, server) => CheckAsync(session, server.RequireInstalled(), history), cancellationToken)
            .ConfigureAwait(false);
        if (mayReap && check.Alerts.Any(a => a.Status == JobAlertStatus.Died))
            await ReapAsync(database, deadAfter, foreign: false, cancellationToken).ConfigureAwait(false);
        return check with { WaitingEvents = waiting?.Invoke() ?? 0 };
    }

    public IAsyncEnumerable<JobEvent> WatchAsync(CancellationToken cancellationToken = default) =>
        new JobWatcher(database, time).WatchAsync(cancellationToken);

    public async Task<IReadOnlyList<ConfigFinding>> LintAsync(CancellationToken cancellationToken = default) =>
        await database.RunAsync("lint", async (session, server) =>
        {
            var findings = await session.RowsAsync(
                server.RequireInstalled().Render(LintRules), row => new ConfigFinding(row.Text(0), row.GetString(1), row.GetString(2))).ConfigureAwait(false);
            var schedules = server.HasSide ? await ScheduleRule.ReadAsync(session, server).ConfigureAwait(false) : [];
            var invalid = from rule in schedules
                          let reason = rule.WhyInvalid()
                          where reason is not null
                          select new ConfigFinding(rule.JobName, "schedule-invalid", reason);
            return (IReadOnlyList<ConfigFinding>)[.. findings, .. invalid];
        }, cancellationToken).ConfigureAwait(false);

    /// <summary>Closes runs whose process died; returns how many.</summary>
    public static Task<int> ReapAsync(JobmonDatabase database, TimeSpan deadAfter, bool foreign, CancellationToken cancellationToken) =>
        database.RunAsync("write: reap", async (session, server) =>
        {
            if (!server.RequireInstalled().FoundSide.Exists)
                return 0;
            // To have closed nothing would be the wrong answer of a role that cannot see what there is to close.
            await server.RequireSideAsync(session).ConfigureAwait(false);
            return (int)(await session.ScalarAsync(server.Render(Reap), PgParameter.Interval(deadAfter), PgParameter.Flag(foreign)).ConfigureAwait(false))!;
        }, cancellationToken);

    public static async Task<SortedDictionary<int, string>> StatusTextsAsync(PgSession session, JobmonServer server) =>
        Sorted(await session.RowsAsync(server.RequireInstalled().Render(StatusTexts), ReadStatusText).ConfigureAwait(false));

    /// <summary>The rows of the next answer to a batch.</summary>
    public static async Task<List<T>> NextAsync<T>(NpgsqlDataReader rows, Func<NpgsqlDataReader, T> read, CancellationToken cancellationToken)
    {
        await rows.NextResultAsync(cancellationToken).ConfigureAwait(false);
        var answer = new List<T>();
        while (await rows.ReadAsync(cancellationToken).ConfigureAwait(false))
            answer.Add(read(rows));
        return answer;
    }

    private async Task<(JobCheckResult Check, bool MayReap)> CheckAsync(PgSession session, JobmonServer server, PgInterval? history)
    {
        var (window, tooShort, checkedAt, standby, mayReap) = await session.RowAsync(
            server.Render(Prepare),
            row => (row.GetString(0), row.GetBoolean(1), row.GetFieldValue<DateTimeOffset>(2), row.GetBoolean(3), row.GetBoolean(4)),
            PgParameter.Text(history?.ToString())).ConfigureAwait(false);
        if (tooShort)
            throw new ArgumentException("The history must be greater than or equal to the longest threshold in job_check_config.", nameof(history));

        using var batch = new NpgsqlBatch(session.Connection) { Timeout = session.CommandTimeoutSeconds };
        Add(batch, NoCompilation);
        Add(batch, CheckRows(server), PgParameter.Text(window), PgParameter.Interval(deadAfter));
        Add(batch, server.Render(StatusTexts));
        Add(batch, server.Render(CountRunning), PgParameter.Integer(null), PgParameter.Interval(deadAfter));
        var check = await ReadAsync(batch, checkedAt, standby, session.CancellationToken).ConfigureAwait(false);
        var schedules = server.HasSide ? await ScheduleRule.ReadAsync(session, server).ConfigureAwait(false) : [];
        return (check.With(schedules.Select(rule => rule.Check(checkedAt)).OfType<JobAlert>()), mayReap && server.HasSide && !standby);
    }

    // The text of a script: it is installed as a function, too.
    private static string CheckRows(JobmonServer server) => SqlTemplate.Render(
        JobmonServer.Script("check-rows.sql"), server.Schema, server.SideSchema, server.HasSide, ("@history@", "$1::text::interval"), ("@dead.after@", "$2"));

    private static void Add(NpgsqlBatch batch, string sql, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = batch.CreateBatchCommand();
        command.CommandText = sql;
        foreach (var parameter in parameters)
            command.Parameters.Add(parameter);
        batch.BatchCommands.Add(command);
    }

    private static async Task<JobCheckResult> ReadAsync(NpgsqlBatch batch, DateTimeOffset checkedAt, bool standby, CancellationToken cancellationToken)
    {
        var rows = await batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = rows.ConfigureAwait(false);
        return new JobCheckResult
        {
            Alerts = await NextAsync(rows, JobAlert.Read, cancellationToken).ConfigureAwait(false),
            StatusTexts = Sorted(await NextAsync(rows, ReadStatusText, cancellationToken).ConfigureAwait(false)),
            RunningJobs = (await NextAsync(rows, row => row.GetInt32(0), cancellationToken).ConfigureAwait(false))[0],
            Worst = AlertLevel.Ok,
            CheckedAt = checkedAt,
            OnStandby = standby,
        };
    }

    private static KeyValuePair<int, string> ReadStatusText(NpgsqlDataReader row) => new(row.GetInt32(0), row.GetString(1));

    private static SortedDictionary<int, string> Sorted(IEnumerable<KeyValuePair<int, string>> texts) => new(new Dictionary<int, string>(texts));
}
