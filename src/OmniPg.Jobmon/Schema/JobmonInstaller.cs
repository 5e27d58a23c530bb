using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Installs the job log, or moves it over from the extension: each in one transaction under the lock of an installation.</summary>
internal sealed class JobmonInstaller(JobmonDatabase database)
{
    /// <summary>SQLSTATE of the guards' refusals.</summary>
    private const string Conflict = "OJ001";

    // Check log before configuration: the escalation trigger does nothing for a name without configuration.
    private const string Copy =
        """
        LOCK TABLE @from@.job_log, @from@.job_detail, @from@.job_check_log, @from@.job_check_config, @from@.job_status_text IN SHARE MODE;
        INSERT INTO @schema@.job_log (job_id, owner, job_name, start_time, end_time, status, pid)
            SELECT job_id, owner, job_name, start_time, end_time, status, pid FROM @from@.job_log;
        INSERT INTO @schema@.job_detail (job_id, step_id, action, start_time, end_time, elapsed_time, status, message)
            SELECT job_id, step_id, action, start_time, end_time, elapsed_time, status, message FROM @from@.job_detail;
        INSERT INTO @schema@.job_check_log (job_id, job_name, alert_code) SELECT job_id, job_name, alert_code FROM @from@.job_check_log;
        DELETE FROM @schema@.job_check_config;
        INSERT INTO @schema@.job_check_config (job_name, warn_threshold, error_threshold, active, sensitivity, escalate)
            SELECT job_name, warn_threshold, error_threshold, active, sensitivity, escalate FROM @from@.job_check_config;
        DELETE FROM @schema@.job_status_text;
        INSERT INTO @schema@.job_status_text (alert_code, alert_text) SELECT alert_code, alert_text FROM @from@.job_status_text;
        SELECT setval('@schema.literal@.job_log_job_id_seq', s.last_value, s.is_called) FROM @from@.job_log_job_id_seq s;
        SELECT setval('@schema.literal@.job_detail_step_id_seq', s.last_value, s.is_called) FROM @from@.job_detail_step_id_seq s;
        DELETE FROM @schema@.dblink_mapping_jobmon;

        """;

    private const string CopyMapping =
        "INSERT INTO @schema@.dblink_mapping_jobmon (username, port, pwd, host, hostaddr) SELECT username, port, pwd, host, hostaddr FROM @from@.dblink_mapping_jobmon";

    // Before 1.5.0 the column host held a numeric address.
    private const string CopyOldMapping =
        "INSERT INTO @schema@.dblink_mapping_jobmon (username, port, pwd, hostaddr) SELECT username, port, pwd, host FROM @from@.dblink_mapping_jobmon";

    public Task<InstallResult> InstallAsync(InstallOptions options, CancellationToken cancellationToken)
    {
        OptionsCheck.Require(options);
        var wanted = options.Schema is { } name ? PgIdentifier.Create(name) : database.ConfiguredSchema;
        return database.ConnectAsync("install", async session =>
        {
            var before = await UnderLockAsync(session, wanted, options.LockTimeout, found => InstallAsync(session, found, options)).ConfigureAwait(false);
            return await ResultAsync(session, before).ConfigureAwait(false);
        }, cancellationToken);
    }

    /// <summary>Copies the extension's tables into the SDK's own schema.</summary>
    public Task MigrateAsync(PgIdentifier target, CancellationToken cancellationToken) => database.ConnectAsync(
        "migration", session => UnderLockAsync(session, null, new InstallOptions().LockTimeout, found => MigrateAsync(session, found, target)), cancellationToken);

    /// <summary>Does the work under the lock, on what is found there: so what is judged is what the scripts find.</summary>
    private async Task<JobmonServer> UnderLockAsync(PgSession session, PgIdentifier? wanted, TimeSpan lockTimeout, Func<JobmonServer, Task> work)
    {
        var before = await SchemaInstall.RunAsync(session, JobmonSchemaScript.LockName, lockTimeout, async () =>
        {
            var found = await database.LookAsync(session, wanted).ConfigureAwait(false);
            await work(found).ConfigureAwait(false);
            return found;
        }).ConfigureAwait(false);
        database.Forget();
        return before;
    }

    private static async Task InstallAsync(PgSession session, JobmonServer found, InstallOptions options)
    {
        found.RequireNothingNewer();
        PgIdentifier? readerRole = options.ReaderRole is { } role ? PgIdentifier.Create(role) : null;
        await ApplyAsync(session, found, JobmonSchemaScript.Plan(found.Mode, found.Schema, found.SideSchema, readerRole)).ConfigureAwait(false);
        // Beside the plan: what it says may hold a password.
        if (found.Mode != JobmonMode.Extension && options.Dblink is { } mapping)
            await WriteMappingAsync(session, found.Schema, mapping).ConfigureAwait(false);
    }

    private static async Task<InstallResult> ResultAsync(PgSession session, JobmonServer before)
    {
        var isAutonomous = before.Mode == JobmonMode.Extension || await JobmonCapabilities.IsAutonomousAsync(session, before.Schema).ConfigureAwait(false);
        return new InstallResult
        {
            Mode = before.Mode == JobmonMode.Extension ? JobmonMode.Extension : JobmonMode.Own,
            Schema = before.Schema,
            SideSchema = before.SideSchema,
            AlreadyInstalled = before.Mode == JobmonMode.Own || before.HasSide || before.FoundSide.IsOlder,
            Upgraded = before.HasOlderLog || before.FoundSide.IsOlder,
            SqlIsAutonomous = isAutonomous,
            WhyNotAutonomous = isAutonomous ? null : await JobmonCapabilities.WhyNoneAsync(session).ConfigureAwait(false),
        };
    }

    private async Task MigrateAsync(PgSession session, JobmonServer source, PgIdentifier target)
    {
        source.RequireOwnVersion();
        if (source.Mode != JobmonMode.Extension)
            throw new JobmonNotInstalledException(source.Database, "pg_jobmon");
        if (source.Schema == target)
            throw new JobmonConflictException(target.Value, "it holds the extension pg_jobmon");
        (await database.LookAsync(session, target).ConfigureAwait(false)).RequireNothingNewer();
        var to = source with { Schema = target };
        await ApplyAsync(session, to, JobmonSchemaScript.OwnOnly(target, source.SideSchema)).ConfigureAwait(false);
        if (await session.ScalarAsync($"SELECT EXISTS (SELECT FROM {target.Quoted}.job_log)").ConfigureAwait(false) is true)
            throw new JobmonConflictException(target.Value, "it already holds runs");
        var hasAddress = await session.ScalarAsync(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = $1::regclass AND attname = 'hostaddr')",
            PgParameter.Text($"{source.Schema.Quoted}.dblink_mapping_jobmon")).ConfigureAwait(false) is true;
        var copy = SqlTemplate.Render(Copy + (hasAddress ? CopyMapping : CopyOldMapping), target, source.SideSchema, true, ("@from@", source.Schema.Quoted));
        await session.Unlimited.ExecuteAsync(copy).ConfigureAwait(false);
        await ApplyAsync(session, to, JobmonSchemaScript.TakeOver(target, source.SideSchema)).ConfigureAwait(false);
    }

    /// <summary>Runs a plan for the schemas of <paramref name="target"/> and turns its refusals into typed exceptions.</summary>
    private static Task ApplyAsync(PgSession session, JobmonServer target, SqlPlan plan) => SchemaInstall.ApplyAsync(session, plan, refusal => refusal.SqlState switch
    {
        Conflict => new JobmonConflictException(target.Schema.Value, refusal.MessageText),
        PostgresErrorCodes.InsufficientPrivilege => MissingRight(target, refusal),
        _ => null,
    });

    private static async Task WriteMappingAsync(PgSession session, PgIdentifier schema, DblinkMapping mapping)
    {
        await session.ExecuteAsync($"DELETE FROM {schema.Quoted}.dblink_mapping_jobmon").ConfigureAwait(false);
        await session.ExecuteAsync(
            $"INSERT INTO {schema.Quoted}.dblink_mapping_jobmon (username, port, pwd, host, hostaddr) VALUES ($1, $2, $3, $4, $5)",
            PgParameter.Text(mapping.Username), PgParameter.Integer(mapping.Port), PgParameter.Text(mapping.Password), PgParameter.Text(mapping.Host),
            PgParameter.Text(mapping.HostAddress)).ConfigureAwait(false);
    }

    // Creating a schema is the usual refusal; otherwise the schema exists and belongs to somebody else.
    private static JobmonPermissionException MissingRight(JobmonServer server, PostgresException refusal)
    {
        var role = PgIdentifier.Create(server.Role).Quoted;
        return refusal.MessageText.Contains(server.Database, StringComparison.Ordinal)
            ? new JobmonPermissionException(server.Role, "CREATE", server.Database,
                $"GRANT CREATE ON DATABASE {PgIdentifier.Create(server.Database).Quoted} TO {role};", refusal)
            : new JobmonPermissionException(server.Role, $"a right ({refusal.MessageText})", server.Schema.Value,
                $"GRANT USAGE, CREATE ON SCHEMA {server.Schema.Quoted}, {server.SideSchema.Quoted} TO {role};", refusal);
    }
}
