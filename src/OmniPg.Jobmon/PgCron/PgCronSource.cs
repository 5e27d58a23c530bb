using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>The database in which pg_cron keeps its jobs: always in schema <c>cron</c>, so there is no place to be found, and nothing of it is remembered.</summary>
internal sealed class PgCronSource(NpgsqlDataSource dataSource, TimeSpan commandTimeout, TimeSpan startGrace) : PgDatabase<string>(dataSource, commandTimeout)
{
    // What the server says when no job is visible: whether the policies of pg_cron, which show a role its own jobs alone, concern this role.
    private const string HidesJobs = "SELECT pg_catalog.row_security_active('cron.job')";

    /// <summary>How late a start may be before it is missing.</summary>
    public TimeSpan StartGrace => startGrace;

    public Task<PgCronLook> LookAsync(CancellationToken cancellationToken) => RunAsync("check of pg_cron", async (session, _) =>
    {
        var look = await PgCronLook.ReadAsync(session).ConfigureAwait(false);
        if (look.Jobs.Count == 0)
            await RefuseBlindnessAsync(session, look.Server).ConfigureAwait(false);
        return look;
    }, cancellationToken);

    protected override ValueTask<string> FindAsync(PgSession session) => ValueTask.FromResult("cron");

    protected override bool IsWorthKeeping(string found) => true;

    protected override async ValueTask<Exception?> ExplainAsync(NpgsqlException error, string operation, string? target, CancellationToken cancellationToken)
    {
        try
        {
            switch (error)
            {
                case PostgresException { SqlState: PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName or PostgresErrorCodes.InsufficientPrivilege }:
                    return await WhatIsMissingAsync(cancellationToken).ConfigureAwait(false);
                case PostgresException { SqlState: PostgresErrorCodes.InvalidRegularExpression } refusal:
                    return new ArgumentException($"The server refuses the regular expression: {refusal.MessageText}", refusal);
            }
        }
        catch (NpgsqlException second)
        {
            error = second;
        }
        return JobmonUnavailableException.Of(error, operation, Name, "database of pg_cron");
    }

    // It shows in the first statement of a look, which works for every role; reading it throws.
    private async Task<JobmonException?> WhatIsMissingAsync(CancellationToken cancellationToken)
    {
        var connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = connection.ConfigureAwait(false);
        try
        {
            await On(connection, cancellationToken).RowAsync(PgCronServer.Sql, PgCronServer.Read).ConfigureAwait(false);
            return null;
        }
        catch (JobmonException missing)
        {
            return missing;
        }
    }

    // A role that sees none because of the policies of pg_cron must not hear that all is well.
    private static async Task RefuseBlindnessAsync(PgSession session, PgCronServer server)
    {
        if (await session.ScalarAsync(HidesJobs).ConfigureAwait(false) is not true)
            return;
        var role = PgIdentifier.Create(server.Role).Quoted;
        throw new JobmonPermissionException(server.Role, "a policy that shows it rows", "cron.job, cron.job_run_details",
            $"CREATE POLICY omnipg_check ON cron.job FOR SELECT TO {role} USING (true); "
            + $"CREATE POLICY omnipg_check ON cron.job_run_details FOR SELECT TO {role} USING (true);");
    }
}

/// <summary>All jobs of pg_cron that the role may see, as they stand at one instant.</summary>
internal sealed record PgCronLook(PgCronServer Server, IReadOnlyList<PgCronJob> Jobs)
{
    /// <summary>Jobs whose newest run is at work now.</summary>
    public int AtWork => Jobs.Count(j => j.IsAtWork(Server) && !Server.IsStandby);

    public static async Task<PgCronLook> ReadAsync(PgSession session)
    {
        var cancellationToken = session.CancellationToken;
        using var batch = new NpgsqlBatch(session.Connection)
        {
            Timeout = session.CommandTimeoutSeconds,
            BatchCommands =
            {
                new NpgsqlBatchCommand(JobMonitor.NoCompilation), new NpgsqlBatchCommand(PgCronServer.Sql),
                new NpgsqlBatchCommand(PgCronJob.Sql) { Parameters = { PgParameter.Integer(PgCronJob.RecentRuns), PgParameter.Integer(PgCronJob.MostFailures) } },
            },
        };
        var rows = await batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = rows.ConfigureAwait(false);
        var server = await JobMonitor.NextAsync(rows, PgCronServer.Read, cancellationToken).ConfigureAwait(false);
        return new PgCronLook(server[0], await JobMonitor.NextAsync(rows, PgCronJob.Read, cancellationToken).ConfigureAwait(false));
    }
}
