namespace OmniPg.Jobmon;

/// <summary>Copies the extension's tables into the SDK's own schema, in one transaction.</summary>
internal static class ExtensionMigration
{
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

    public static Task RunAsync(JobmonDatabase database, PgIdentifier target, CancellationToken cancellationToken) =>
        database.ConnectAsync("migration", session => RunInOneTransactionAsync(database, session, target), cancellationToken);

    private static async Task<bool> RunInOneTransactionAsync(JobmonDatabase database, PgSession session, PgIdentifier target)
    {
        var done = await SchemaInstall.RunAsync(session, JobmonSchemaScript.LockName, new InstallOptions().LockTimeout, async () =>
        {
            var found = (await database.LookAsync(session, null).ConfigureAwait(false)).RequireOwnVersion();
            if (found.Mode != JobmonMode.Extension)
                throw new JobmonNotInstalledException(found.Database, "pg_jobmon");
            if (found.Schema == target)
                throw new JobmonConflictException(target.Value, "it holds the extension pg_jobmon");
            (await database.LookAsync(session, target).ConfigureAwait(false)).RequireNothingNewer();
            await CopyAsync(session, found, target).ConfigureAwait(false);
            return true;
        }).ConfigureAwait(false);
        database.Forget();
        return done;
    }

    private static async Task CopyAsync(PgSession session, JobmonServer source, PgIdentifier target)
    {
        var to = source with { Schema = target };
        await JobmonInstaller.ApplyAsync(session, to, JobmonSchemaScript.OwnOnly(target, source.SideSchema)).ConfigureAwait(false);
        if (await session.ScalarAsync($"SELECT EXISTS (SELECT FROM {target.Quoted}.job_log)").ConfigureAwait(false) is true)
            throw new JobmonConflictException(target.Value, "it already holds runs");
        var hasAddress = await session.ScalarAsync(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = $1::regclass AND attname = 'hostaddr')",
            PgParameter.Text($"{source.Schema.Quoted}.dblink_mapping_jobmon")).ConfigureAwait(false) is true;
        var copy = SqlTemplate.Render(Copy + (hasAddress ? CopyMapping : CopyOldMapping), target, source.SideSchema, true, ("@from@", source.Schema.Quoted));
        await session.Unlimited.ExecuteAsync(copy).ConfigureAwait(false);
        await JobmonInstaller.ApplyAsync(session, to, JobmonSchemaScript.TakeOver(target, source.SideSchema)).ConfigureAwait(false);
    }
}
