using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>One database with a job log: in the schema of that name, or without one in the extension's, else the SDK's own.</summary>
internal sealed class JobmonDatabase(NpgsqlDataSource dataSource, PgIdentifier? schema, PgIdentifier sideSchema, TimeSpan commandTimeout)
    : PgDatabase<JobmonServer>(dataSource, commandTimeout)
{
    public PgIdentifier? ConfiguredSchema => schema;

    public PgIdentifier SideSchema => sideSchema;

    protected override async ValueTask<JobmonServer> FindAsync(PgSession session) =>
        (await LookAsync(session, schema).ConfigureAwait(false)).RequireOwnVersion();

    /// <summary>What is there now, of whatever version.</summary>
    public ValueTask<JobmonServer> LookAsync(PgSession session, PgIdentifier? wanted) => JobmonServer.DetectAsync(
        async: true, session.Connection, wanted, sideSchema, session.CommandTimeoutSeconds, session.CancellationToken);

    /// <summary>Runs work of which it does not matter what was found before, on a connection of its own.</summary>
    public Task<T> ConnectAsync<T>(string operation, Func<PgSession, Task<T>> work, CancellationToken cancellationToken) => GuardAsync(operation, async () =>
    {
        var connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = connection.ConfigureAwait(false);
        return await work(On(connection, cancellationToken)).ConfigureAwait(false);
    }, () => null, cancellationToken);

    protected override bool IsWorthKeeping(JobmonServer found) => found.Mode != JobmonMode.NotInstalled;

    protected override async ValueTask<Exception?> ExplainAsync(NpgsqlException error, string operation, JobmonServer? target, CancellationToken cancellationToken)
    {
        switch ((error as PostgresException)?.SqlState)
        {
            case PostgresErrorCodes.InsufficientPrivilege when target is not null:
                try
                {
                    return await JobmonRights.ExplainAsync(
                        async: true, DataSource, target, operation, (PostgresException)error, cancellationToken).ConfigureAwait(false);
                }
                catch (NpgsqlException second)
                {
                    return JobmonUnavailableException.Of(second, operation, Name);
                }
            case PostgresErrorCodes.InvalidRegularExpression:
                return new ArgumentException($"The server refuses the regular expression: {((PostgresException)error).MessageText}", error);
            case PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.UndefinedFunction or PostgresErrorCodes.InvalidSchemaName when target is not null:
                Forget();
                return new JobmonNotInstalledException(target.Database, target.Schema.Value, error);
            default:
                return JobmonUnavailableException.Of(error, operation, Name);
        }
    }
}
