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
        return database.GuardAsync("install", () => InstallInOneTransactionAsync(options, cancellationToken), () => null, cancellationToken);
    }

    private async Task<InstallResult> InstallInOneTransactionAsync(InstallOptions options, CancellationToken cancellationToken)
    {
        var wanted = options.Schema is { } name ? PgIdentifier.Create(name) : database.ConfiguredSchema;
        PgIdentifier? readerRole = options.ReaderRole is { } role ? PgIdentifier.Create(role) : null;
        var connection = await database.OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var closingConnection = connection.ConfigureAwait(false);
        var session = database.On(connection, cancellationToken);
        var transaction = await SessionSettings.BeginAsync(async: true, connection, mayWrite: true, cancellationToken).ConfigureAwait(false);
        await using var closingTransaction = transaction.ConfigureAwait(false);
        await BeginAsync(connection, options.LockTimeout, cancellationToken).ConfigureAwait(false);
        // Looked at under the lock, so that what is judged here is what the scripts find.
        var before = await JobmonServerDetector.DetectAnyVersionAsync(connection, wanted, database.SideSchema, database.CommandTimeoutSeconds, cancellationToken).ConfigureAwait(false);
        before.RequireNothingNewer();

        if (before.Mode != JobmonMode.Extension)
        {
            await RunScriptAsync(connection, before, JobmonSchemaScript.Own(before.Schema, before.SideSchema), cancellationToken).ConfigureAwait(false);
            if (readerRole is { } reader)
                await ExecuteAsync(connection, JobmonSchemaScript.Visibility(before.Schema, before.SideSchema, reader), cancellationToken).ConfigureAwait(false);
            if (options.Dblink is { } mapping)
                await WriteMappingAsync(session, before.Schema, mapping).ConfigureAwait(false);
        }
        await RunScriptAsync(connection, before, JobmonSchemaScript.Side(before.Schema, before.SideSchema), cancellationToken).ConfigureAwait(false);
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);

        database.Forget();
        var autonomy = before.Mode == JobmonMode.Extension
            ? SqlAutonomy.Dblink : await CapabilityProbe.ProbeAsync(session, before.Schema).ConfigureAwait(false);
        return new InstallResult
        {
            Mode = before.Mode == JobmonMode.Extension ? JobmonMode.Extension : JobmonMode.Own,
            Schema = before.Schema,
            SideSchema = before.SideSchema,
            AlreadyInstalled = before.Mode == JobmonMode.Own || before.HasSide || before.FoundSide.IsOlder,
            Upgraded = before.HasOlderLog || before.FoundSide.IsOlder,
            SqlAutonomy = autonomy,
            WhyNotAutonomous = autonomy == SqlAutonomy.Dblink
                ? null : await CapabilityProbe.WhyNoneAsync(session).ConfigureAwait(false),
        };
    }

    /// <summary>Runs an installation script for the schemas of <paramref name="target"/> and turns its refusals into typed exceptions.</summary>
    public static async Task RunScriptAsync(NpgsqlConnection connection, JobmonServer target, string script, CancellationToken cancellationToken)
    {
        try
        {
            await ExecuteAsync(connection, script, cancellationToken).ConfigureAwait(false);
        }
        catch (PostgresException refusal) when (refusal.SqlState == Conflict)
        {
            throw new JobmonConflictException(target.Schema.Value, refusal.MessageText);
        }
        catch (PostgresException refusal) when (refusal.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            throw MissingRight(target, refusal);
        }
    }

    /// <summary>Waits for another installation; from here on no lock is waited for longer than <paramref name="lockTimeout"/>.</summary>
    public static Task BeginAsync(NpgsqlConnection connection, TimeSpan lockTimeout, CancellationToken cancellationToken)
    {
        var milliseconds = ((long)lockTimeout.TotalMilliseconds).ToString(System.Globalization.CultureInfo.InvariantCulture);
        return ExecuteAsync(connection, $"SET LOCAL lock_timeout = {milliseconds};\n{JobmonSchemaScript.Begin}", cancellationToken);
    }

    public static async Task ExecuteAsync(NpgsqlConnection connection, string script, CancellationToken cancellationToken)
    {
        using var command = new NpgsqlCommand(script, connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

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
