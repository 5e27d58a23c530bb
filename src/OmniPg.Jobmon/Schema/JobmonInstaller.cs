using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Runs the installation in one transaction under an advisory lock.</summary>
internal sealed class JobmonInstaller(JobmonDatabase database)
{
    /// <summary>SQLSTATE of the guards' refusals.</summary>
    private const string Conflict = "OJ001";

    public Task<InstallResult> InstallAsync(InstallOptions options, CancellationToken cancellationToken)
    {
        OptionsCheck.Require(options);
        return database.ConnectAsync("install", session => InstallInOneTransactionAsync(session, options), cancellationToken);
    }

    private async Task<InstallResult> InstallInOneTransactionAsync(PgSession session, InstallOptions options)
    {
        var wanted = options.Schema is { } name ? PgIdentifier.Create(name) : database.ConfiguredSchema;
        PgIdentifier? readerRole = options.ReaderRole is { } role ? PgIdentifier.Create(role) : null;
        var before = await SchemaInstall.RunAsync(session, JobmonSchemaScript.LockName, options.LockTimeout, async () =>
        {
            // Looked at under the lock, so that what is judged here is what the scripts find.
            var found = (await database.LookAsync(session, wanted).ConfigureAwait(false)).RequireNothingNewer();
            await ApplyAsync(session, found, JobmonSchemaScript.Plan(found.Mode, found.Schema, found.SideSchema, readerRole)).ConfigureAwait(false);
            // Beside the plan: what it says may hold a password.
            if (found.Mode != JobmonMode.Extension && options.Dblink is { } mapping)
                await WriteMappingAsync(session, found.Schema, mapping).ConfigureAwait(false);
            return found;
        }).ConfigureAwait(false);

        database.Forget();
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

    /// <summary>Runs a plan for the schemas of <paramref name="target"/> and turns its refusals into typed exceptions.</summary>
    public static Task ApplyAsync(PgSession session, JobmonServer target, SqlPlan plan) => SchemaInstall.ApplyAsync(session, plan, refusal => refusal.SqlState switch
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
