using System.Text;

namespace OmniPg.Jobmon;

/// <inheritdoc cref="IJobmonAdmin"/>
internal sealed class JobmonAdmin(JobmonDatabase database, TimeSpan deadAfter) : IJobmonAdmin
{
    // $1 name, or $4 run; $2 by, $3 why.
    private const string Acknowledge =
        """
        WITH gone AS (DELETE FROM jobmon.job_check_log WHERE job_name = upper($1) OR job_id = $4 RETURNING job_id, job_name)
        --side
        , kept AS (
            INSERT INTO omnipg_jobmon.acknowledgement (job_name, job_ids, acknowledged_by, why)
            SELECT g.job_name, array_agg(g.job_id ORDER BY g.job_id), $2, $3 FROM gone g GROUP BY g.job_name)
        --end
        SELECT count(*)::integer FROM gone WHERE $2 IS NOT NULL OR $3 IS NOT NULL
        """;

    // $1 name, $2 until, or $5 for how long, $3 by, $4 why.
    private const string Mute =
        """
        INSERT INTO omnipg_jobmon.check_rule AS r (job_name, muted_until, muted_by, muted_why) VALUES (upper($1), coalesce($2, now() + $5), $3, $4)
        ON CONFLICT (job_name) DO UPDATE SET muted_until = excluded.muted_until, muted_by = excluded.muted_by, muted_why = excluded.muted_why
        RETURNING r.muted_until
        """;

    // Not where nothing is muted: the row would look like a rule.
    private const string Unmute =
        "UPDATE omnipg_jobmon.check_rule SET muted_until = NULL, muted_by = $3, muted_why = $4 WHERE job_name = upper($1) RETURNING muted_until";

    // A row without limits stands for a muting only, and is no rule once that is over.
    private const string Rules =
        """
        SELECT * FROM (
            SELECT coalesce(c.job_name, u.job_name) AS job_name, coalesce(c.active, false) OR coalesce(u.active AND u.limits > 0, false),
                c.warn_threshold, c.error_threshold, c.sensitivity, c.escalate,
                u.cron, u.time_zone, u.start_grace, u.max_runtime, u.min_runtime, u.anomaly_factor, u.stall_after,
                u.muted_until, u.muted_by, u.muted_why
            FROM jobmon.job_check_config c
            --side
            FULL JOIN (
                SELECT r.job_name, r.active, num_nonnulls(r.cron, r.max_runtime, r.min_runtime, r.anomaly_factor, r.stall_after) AS limits,
                    r.cron, r.time_zone, r.start_grace, r.max_runtime, r.min_runtime, r.anomaly_factor, r.stall_after,
                    CASE WHEN r.muted_until > now() THEN r.muted_until END AS muted_until,
                    CASE WHEN r.muted_until > now() THEN r.muted_by END AS muted_by, CASE WHEN r.muted_until > now() THEN r.muted_why END AS muted_why
                FROM omnipg_jobmon.check_rule r) u ON u.job_name = c.job_name
            WHERE c.job_name IS NOT NULL OR u.limits > 0 OR u.muted_until IS NOT NULL
            --noside
            CROSS JOIN (SELECT false AS active, 0 AS limits, NULL::text AS job_name, NULL::text AS cron, NULL::text AS time_zone, NULL::interval AS start_grace,
                NULL::interval AS max_runtime, NULL::interval AS min_runtime, NULL::float8 AS anomaly_factor, NULL::interval AS stall_after,
                NULL::timestamptz AS muted_until, NULL::text AS muted_by, NULL::text AS muted_why) u
            --end
        ) AS r ORDER BY r.job_name
        """;

    // $1 code, $2 text. Changes nothing when the text belongs to another code.
    private const string SetStatusText =
        """
        INSERT INTO jobmon.job_status_text AS t (alert_code, alert_text)
        SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM jobmon.job_status_text WHERE alert_text = $2 AND alert_code <> $1)
        ON CONFLICT (alert_code) DO UPDATE SET alert_text = excluded.alert_text
        """;

    private static readonly byte[] NewLine = "\n"u8.ToArray();

    public Task<InstallResult> InstallAsync(InstallOptions? options = null, CancellationToken cancellationToken = default) =>
        new JobmonInstaller(database).InstallAsync(options ?? new InstallOptions(), cancellationToken);

    public SqlPlan InstallPlan(InstallOptions? options = null)
    {
        PgIdentifier? reader = options is null || OptionsCheck.Require(options).ReaderRole is not { } role ? null : PgIdentifier.Create(role);
        return JobmonSchemaScript.Plan(JobmonMode.Own, SchemaOf(options), database.SideSchema, reader);
    }

    public Task<string> GrantScriptAsync(string role, JobmonAccess access, CancellationToken cancellationToken = default)
    {
        var name = PgIdentifier.Create(role);
        return database.RunAsync("read rights", (_, server) =>
            Task.FromResult(JobmonRights.Script(name, access, server.Mode, server.Schema, server.SideSchema)), cancellationToken);
    }

    public string GrantScript(string role, JobmonAccess access, InstallOptions? options = null)
    {
        var schema = SchemaOf(options);
        // Another schema than the extension's can only hold a log of own mode.
        var mode = database.Known is { } known && known.Schema == schema ? known.Mode : JobmonMode.Own;
        return JobmonRights.Script(PgIdentifier.Create(role), access, mode, schema, database.SideSchema);
    }

    public Task<CancelResult> CancelAsync(long jobId, string? reason = null, CancellationToken cancellationToken = default) =>
        RunAsync("write: cancel", (session, server) => JobCanceller.CancelAsync(session, server, jobId, reason), cancellationToken);

    public Task<PurgeResult> PurgeAsync(PurgeOptions options, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        OptionsCheck.Require(options);
        return database.RunEachAsync("manage: purge", (session, server) =>
            new JobPurge(session, server.RequireInstalled(), options, deadAfter).RunAsync(progress), cancellationToken);
    }

    public Task<int> ReapAsync(CancellationToken cancellationToken = default) =>
        JobMonitor.ReapAsync(database, deadAfter, foreign: false, cancellationToken);

    public Task<int> ReapForeignAsync(CancellationToken cancellationToken = default) =>
        JobMonitor.ReapAsync(database, deadAfter, foreign: true, cancellationToken);

    public Task ExportAsync(Stream jsonLines, JobQuery query, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(jsonLines);
        ArgumentNullException.ThrowIfNull(query);
        return WriteAsync(jsonLines, query, cancellationToken);
    }

    public Task MigrateFromExtensionAsync(string? schema = null, CancellationToken cancellationToken = default)
    {
        var target = schema is null ? database.ConfiguredSchema ?? JobmonServer.DefaultSchema : PgIdentifier.Create(schema);
        return new JobmonInstaller(database).MigrateAsync(target, cancellationToken);
    }

    public CheckBuilder Rule(string jobName)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        return new CheckBuilder(database, new JobRule { JobName = jobName, Active = true });
    }

    public Task<IReadOnlyList<JobRule>> ListRulesAsync(CancellationToken cancellationToken = default) => RunAsync(
        "read rules",
        (session, server) => session.RowsAsync(server.Render(Rules), row => new JobRule
        {
            JobName = row.GetString(0),
            Active = row.GetBoolean(1),
            WarnThreshold = row.Interval(2),
            ErrorThreshold = row.Interval(3),
            Sensitivity = row.IsDBNull(4) ? null : row.GetInt16(4),
            Escalate = row.Integer(5),
            Cron = row.Text(6),
            TimeZone = row.Text(7),
            StartGrace = row.Interval(8),
            MaxRuntime = row.Interval(9),
            MinRuntime = row.Interval(10),
            LongerThanUsual = row.Double(11),
            StallAfter = row.Interval(12),
            MutedUntil = row.Instant(13),
            MutedBy = row.Text(14),
            MutedWhy = row.Text(15),
        }),
        cancellationToken);

    public Task<int> AcknowledgeAsync(string jobName, string by, string? why = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        return AcknowledgeAsync(jobName, null, by, why, cancellationToken);
    }

    public Task<int> AcknowledgeAsync(long jobId, string by, string? why = null, CancellationToken cancellationToken = default) =>
        AcknowledgeAsync(null, jobId, by, why, cancellationToken);

    public Task MuteAsync(string jobName, DateTimeOffset? until, string by, string? why = null, CancellationToken cancellationToken = default) =>
        MuteAsync(jobName, until, null, by, why, cancellationToken);

    public async Task<DateTimeOffset> MuteForAsync(string jobName, PgInterval interval, string by, string? why = null, CancellationToken cancellationToken = default)
    {
        if (interval.Estimate <= TimeSpan.Zero)
            throw new ArgumentException($"A job is muted for longer than zero, not for '{interval}'.", nameof(interval));
        return (await MuteAsync(jobName, null, interval, by, why, cancellationToken).ConfigureAwait(false))!.Value;
    }

    public async Task<IReadOnlyDictionary<int, string>> StatusTextsAsync(CancellationToken cancellationToken = default) =>
        await database.RunAsync("read texts", JobMonitor.StatusTextsAsync, cancellationToken).ConfigureAwait(false);

    public Task SetStatusTextAsync(AlertLevel level, string text, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(text);
        ArgumentOutOfRangeException.ThrowIfLessThan(level.Code, 1, nameof(level));
        return RunAsync("manage: status text", async (session, server) =>
            await session.ExecuteAsync(server.Render(SetStatusText), PgParameter.Integer(level.Code), PgParameter.Text(text)).ConfigureAwait(false) == 1
                ? true : throw new ArgumentException($"The text '{text}' stands for another code already, and a status must mean one code.", nameof(text)), cancellationToken);
    }

    // The server builds each object, so a run with its steps is one row and memory stays constant.
    private async Task WriteAsync(Stream target, JobQuery query, CancellationToken cancellationToken)
    {
        var lines = database.StreamAsync("export", server => JobHistory.ListCommand(server, query, JobHistory.Export), row => row.GetString(0), cancellationToken);
        await foreach (var line in lines.ConfigureAwait(false))
        {
            await target.WriteAsync(Encoding.UTF8.GetBytes(line), cancellationToken).ConfigureAwait(false);
            await target.WriteAsync(NewLine, cancellationToken).ConfigureAwait(false);
        }
        await target.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    private Task<int> AcknowledgeAsync(string? jobName, long? jobId, string by, string? why, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(by);
        return RunAsync("manage: acknowledge", async (session, server) => (int)(await session.ScalarAsync(
            server.Render(Acknowledge), PgParameter.Text(jobName), PgParameter.Text(by), PgParameter.Text(why), PgParameter.BigInt(jobId)).ConfigureAwait(false))!,
            cancellationToken);
    }

    private Task<DateTimeOffset?> MuteAsync(
        string jobName, DateTimeOffset? until, PgInterval? interval, string by, string? why, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        ArgumentException.ThrowIfNullOrWhiteSpace(by);
        return RunAsync("manage: mute", async (session, server) =>
        {
            await server.RequireSideAsync(session).ConfigureAwait(false);
            return await session.RowAsync(
                server.Render(until is null && interval is null ? Unmute : Mute), row => row.Instant(0),
                PgParameter.Text(jobName), PgParameter.Instant(until), PgParameter.Text(by), PgParameter.Text(why), PgParameter.Interval(interval)).ConfigureAwait(false);
        }, cancellationToken);
    }

    private PgIdentifier SchemaOf(InstallOptions? options) =>
        options?.Schema is { } name ? PgIdentifier.Create(name) : database.Known?.Schema ?? database.ConfiguredSchema ?? JobmonServer.DefaultSchema;

    private Task<T> RunAsync<T>(string operation, Func<PgSession, JobmonServer, Task<T>> work, CancellationToken cancellationToken) =>
        database.RunAsync(operation, (session, server) => work(session, server.RequireInstalled()), cancellationToken);
}
