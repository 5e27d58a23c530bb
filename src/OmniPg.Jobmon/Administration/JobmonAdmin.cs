using Npgsql;

namespace OmniPg.Jobmon;

/// <inheritdoc cref="IJobmonAdmin"/>
internal sealed class JobmonAdmin(JobmonDatabase database, TimeSpan deadAfter) : IJobmonAdmin
{
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
        Reaper.ReapAsync(database, deadAfter, foreign: false, cancellationToken);

    public Task<int> ReapForeignAsync(CancellationToken cancellationToken = default) =>
        Reaper.ReapAsync(database, deadAfter, foreign: true, cancellationToken);

    public Task ExportAsync(Stream jsonLines, JobQuery query, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(jsonLines);
        ArgumentNullException.ThrowIfNull(query);
        return JobExport.WriteAsync(database, jsonLines, query, cancellationToken);
    }

    public Task MigrateFromExtensionAsync(string? schema = null, CancellationToken cancellationToken = default)
    {
        var target = schema is null ? database.ConfiguredSchema ?? JobmonServerDetector.DefaultSchema : PgIdentifier.Create(schema);
        return ExtensionMigration.RunAsync(database, target, cancellationToken);
    }

    public CheckBuilder Rule(string jobName)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        return new CheckBuilder(new JobRule { JobName = jobName, Active = true }, setsEscalate: false, (rule, active, ct) =>
            RunAsync("manage: rule", (session, server) => CheckRuleWriter.SaveAsync(session, server, rule, active), ct));
    }

    public Task<IReadOnlyList<JobRule>> ListRulesAsync(CancellationToken cancellationToken = default) => RunAsync(
        "read rules",
        (session, server) => session.RowsAsync(server.Render(JobmonAdminSql.Rules), row => new JobRule
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
        MuteAsync(until is null ? JobmonAdminSql.Unmute : JobmonAdminSql.Mute, jobName, PgParameter.Instant(until), by, why, cancellationToken);

    public async Task<DateTimeOffset> MuteForAsync(string jobName, PgInterval interval, string by, string? why = null, CancellationToken cancellationToken = default)
    {
        if (interval.Estimate <= TimeSpan.Zero)
            throw new ArgumentException($"A job is muted for longer than zero, not for '{interval}'.", nameof(interval));
        return (await MuteAsync(JobmonAdminSql.MuteFor, jobName, PgParameter.Interval(interval), by, why, cancellationToken).ConfigureAwait(false))!.Value;
    }

    public async Task<IReadOnlyDictionary<int, string>> StatusTextsAsync(CancellationToken cancellationToken = default)
    {
        var texts = await RunAsync("read texts", (session, server) => session.RowsAsync(
            server.Render(JobMonitorSql.StatusTexts), row => (Code: row.GetInt32(0), Text: row.GetString(1))), cancellationToken).ConfigureAwait(false);
        return new SortedDictionary<int, string>(texts.ToDictionary(t => t.Code, t => t.Text));
    }

    public Task SetStatusTextAsync(AlertLevel level, string text, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(text);
        ArgumentOutOfRangeException.ThrowIfLessThan(level.Code, 1, nameof(level));
        return RunAsync("manage: status text", async (session, server) =>
            await session.ExecuteAsync(server.Render(JobmonAdminSql.SetStatusText), PgParameter.Integer(level.Code), PgParameter.Text(text)).ConfigureAwait(false) == 1
                ? true : throw new ArgumentException($"The text '{text}' stands for another code already, and a status must mean one code.", nameof(text)), cancellationToken);
    }

    private Task<int> AcknowledgeAsync(string? jobName, long? jobId, string by, string? why, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(by);
        return RunAsync("manage: acknowledge", async (session, server) => (int)(await session.ScalarAsync(
            server.Render(JobmonAdminSql.Acknowledge), PgParameter.Text(jobName), PgParameter.Text(by), PgParameter.Text(why), PgParameter.BigInt(jobId)).ConfigureAwait(false))!,
            cancellationToken);
    }

    private Task<DateTimeOffset?> MuteAsync(string sql, string jobName, NpgsqlParameter until, string by, string? why, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        ArgumentException.ThrowIfNullOrWhiteSpace(by);
        return RunAsync("manage: mute", async (session, server) =>
        {
            await SideSchema.RequireAsync(session, server).ConfigureAwait(false);
            return await session.RowAsync(
                server.Render(sql), row => row.Instant(0), PgParameter.Text(jobName), until, PgParameter.Text(by), PgParameter.Text(why)).ConfigureAwait(false);
        }, cancellationToken);
    }

    private PgIdentifier SchemaOf(InstallOptions? options) =>
        options?.Schema is { } name ? PgIdentifier.Create(name) : database.Known?.Schema ?? database.ConfiguredSchema ?? JobmonServerDetector.DefaultSchema;

    private Task<T> RunAsync<T>(string operation, Func<PgSession, JobmonServer, Task<T>> work, CancellationToken cancellationToken) =>
        database.RunAsync(operation, (session, server) => work(session, server.RequireInstalled()), cancellationToken);
}
