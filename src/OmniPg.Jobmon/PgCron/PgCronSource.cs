using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>The database in which pg_cron keeps its jobs. Thread-safe; does not own its data source.</summary>
internal sealed class PgCronSource(NpgsqlDataSource dataSource, TimeSpan commandTimeout, TimeSpan startGrace)
{
    // For its connections outside of any transaction of the caller; there is no job log to be looked for.
    private readonly JobmonDatabase _access = new(dataSource, null, PgIdentifier.Create("cron"), commandTimeout);

    /// <summary>How late a start may be before it is missing.</summary>
    public TimeSpan StartGrace => startGrace;

    public int CommandTimeoutSeconds => _access.CommandTimeoutSeconds;

    public ValueTask<NpgsqlConnection> OpenAsync(CancellationToken cancellationToken) => _access.OpenAsync(cancellationToken);

    public Task<PgCronLook> LookAsync(CancellationToken cancellationToken) => GuardAsync("check of pg_cron", async () =>
    {
        var connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = connection.ConfigureAwait(false);
        return await JobmonDatabase.InTransactionAsync(connection, async () =>
        {
            var look = await PgCronLook.ReadAsync(connection, CommandTimeoutSeconds, cancellationToken).ConfigureAwait(false);
            if (look.Jobs.Count == 0)
                await RefuseBlindnessAsync(connection, look.Server, cancellationToken).ConfigureAwait(false);
            return look;
        }, cancellationToken).ConfigureAwait(false);
    }, cancellationToken);

    /// <summary>Runs a piece of work and turns what the server or the network refuse into typed exceptions that name this database.</summary>
    public async Task<T> GuardAsync<T>(string operation, Func<Task<T>> work, CancellationToken cancellationToken)
    {
        try
        {
            try
            {
                return await work().ConfigureAwait(false);
            }
            catch (PostgresException refusal) when (refusal.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName
                or PostgresErrorCodes.InsufficientPrivilege)
            {
                await ExplainAsync(cancellationToken).ConfigureAwait(false);
                throw;
            }
        }
        catch (NpgsqlException error) when (_access.Translate(error, operation, null) is { } typed)
        {
            throw new JobmonUnavailableException(
                operation, ServerText.Of(dataSource.ConnectionString), (error as PostgresException)?.MessageText ?? error.Message, typed.InnerException, "database of pg_cron");
        }
    }

    // What is missing shows in the first statement of a look, which works for every role; reading it throws.
    private async Task ExplainAsync(CancellationToken cancellationToken)
    {
        var connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = connection.ConfigureAwait(false);
        using var command = new NpgsqlCommand(PgCronSql.Server, connection) { CommandTimeout = CommandTimeoutSeconds };
        using var row = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await row.ReadAsync(cancellationToken).ConfigureAwait(false);
        PgCronServer.Read(row);
    }

    // A role that sees none because of the policies of pg_cron must not hear that all is well.
    private async Task RefuseBlindnessAsync(NpgsqlConnection connection, PgCronServer server, CancellationToken cancellationToken)
    {
        using var command = new NpgsqlCommand(PgCronSql.HidesJobs, connection) { CommandTimeout = CommandTimeoutSeconds };
        if (!(bool)(await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false))!)
            return;
        var role = PgIdentifier.Create(server.Role).Quoted;
        throw new JobmonPermissionException(server.Role, "a policy that shows it rows", "cron.job, cron.job_run_details",
            $"CREATE POLICY omnipg_check ON cron.job FOR SELECT TO {role} USING (true); "
            + $"CREATE POLICY omnipg_check ON cron.job_run_details FOR SELECT TO {role} USING (true);");
    }
}
