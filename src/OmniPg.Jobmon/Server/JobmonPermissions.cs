using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Finds which right a role lacks, so that a refusal can name it together with the statement that gives it.</summary>
internal static class JobmonPermissions
{
    /// <summary>The exception for a refusal with SQLSTATE 42501: names the first missing right, and grants all that are missing.</summary>
    /// <param name="async">Whether to use asynchronous I/O.</param>
    /// <param name="dataSource">Gives a fresh connection: the one that was refused may be inside an aborted transaction.</param>
    /// <param name="server">Where the log is.</param>
    /// <param name="operation">What was refused; <c>manage…</c>, <c>write…</c> or anything else for reading.</param>
    /// <param name="refusal">The server's answer.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public static async ValueTask<JobmonPermissionException> ExplainAsync(
        bool async, NpgsqlDataSource dataSource, JobmonServer server, string operation, PostgresException refusal, CancellationToken cancellationToken)
    {
        var access = operation.StartsWith("manage", StringComparison.Ordinal) ? JobmonAccess.Manage
            : operation.StartsWith("write", StringComparison.Ordinal) ? JobmonAccess.Write : JobmonAccess.Read;
        var lacking = await Privileges.MissingAsync(
            async, dataSource, [server.Schema, server.SideSchema],
            JobmonRights.Used(server.Mode, access).Select(grant => grant.In(server.Schema, server.SideSchema)), cancellationToken).ConfigureAwait(false);
        // Only the log itself may go through the functions; history and administration never do.
        var functionsFailed = server.ByFunctions && operation == "write";
        return lacking is [var first, ..]
            ? new JobmonPermissionException(server.Role, first.Right, first.Object, Privileges.Grants(lacking), refusal, functionsFailed)
            : new JobmonPermissionException(server.Role, $"a right ({refusal.MessageText})", server.Schema.Value,
                "the text of Admin.GrantScriptAsync() for this role", refusal, functionsFailed);
    }
}
