using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Turns what stopped a write into the exception that a caller sees.</summary>
internal sealed class WriteErrors(LogTarget target, OwnConnections connections, JobmonOptions options)
{
    public async ValueTask<Exception> ExplainAsync(bool async, Exception error, string operation)
    {
        switch (error)
        {
            case JobmonException:
                return error;
            case PostgresException refusal when target.Server is { } server && LacksRight(server, refusal):
                return await JobmonPermissions.ExplainAsync(async, connections.DataSource, server, "write", refusal, CancellationToken.None).ConfigureAwait(false);
            case PostgresException { SqlState: PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName } refusal:
                return new JobmonNotInstalledException(connections.DatabaseName, target.Server?.Schema.Value ?? options.Schema ?? "jobmon", refusal);
            case not null when WriteFailures.Classify(error) is WriteFailure.Refused or WriteFailure.Encoding:
                return new JobmonWriteException(operation, error.Message, error);
            default:
                return new JobmonUnavailableException(operation, connections.ServerName, error!.Message, error);
        }
    }

    // dblink connects nobody but a superuser to a server that asks for no password, and its own connection can fail: to the caller both
    // are rights of the role that the extension stores.
    private static bool LacksRight(JobmonServer server, PostgresException refusal) =>
        refusal.SqlState == PostgresErrorCodes.InsufficientPrivilege || (server.ByFunctions
            && (refusal.SqlState == WriteFailures.NoPasswordForDblink || refusal.SqlState.StartsWith("08", StringComparison.Ordinal)));
}
