using Npgsql;

namespace OmniPg.Jobmon;

/// <summary><c>jobmon.unavailable</c>: the server could not be reached, does not let the user in, is read-only, or refused the write for want of resources.</summary>
public sealed class JobmonUnavailableException : JobmonException
{
    internal JobmonUnavailableException(string operation, string server, string reason, Exception? innerException = null, string subject = "job log")
        : base(
            "jobmon.unavailable",
            $"The {subject} on '{server}' could not be used for '{operation}': {reason}",
            HintOf(innerException),
            innerException) =>
        Operation = operation;

    /// <summary>The exception for an error that means this; null for any other.</summary>
    internal static JobmonUnavailableException? Of(NpgsqlException error, string operation, string server, string subject = "job log") => error switch
    {
        PostgresException
        {
            SqlState: PostgresErrorCodes.ReadOnlySqlTransaction or PostgresErrorCodes.TooManyConnections or PostgresErrorCodes.AdminShutdown
            or PostgresErrorCodes.CannotConnectNow or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.LockNotAvailable
            // A pooler has given the connection another backend.
            or PostgresErrorCodes.InvalidSqlStatementName or PostgresErrorCodes.DuplicatePreparedStatement
        } refusal => new(operation, server, refusal.MessageText, refusal, subject),
        PostgresException refusal => IsLogin(refusal) ? new(operation, server, refusal.MessageText, refusal, subject) : null,
        _ => new(operation, server, error.Message, error, subject),
    };

    /// <summary>Whether the server was reached and does not let this user or this database in; that lasts until somebody changes something.</summary>
    internal static bool IsLogin(Exception? error) => error is PostgresException
    {
        SqlState: PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification or PostgresErrorCodes.InvalidCatalogName
    };

    /// <summary>The words of the server, whose state stands in <see cref="OmniPgException.SqlState"/>, or of the driver.</summary>
    internal static string ReasonOf(Exception error) => error is PostgresException refusal ? refusal.MessageText : error.Message;

    private static string HintOf(Exception? error) => error switch
    {
        PostgresException { SqlState: PostgresErrorCodes.InvalidCatalogName } => "Name a database of that server in the connection.",
        _ when IsLogin(error) => "Check user and password of the connection, and the server's pg_hba.conf.",
        _ => "Check that the server is up, writable and has free connections and disk space.",
    };

    /// <summary>What was not done, for example <c>job start</c> or <c>check</c>.</summary>
    public string Operation { get; }

    /// <summary>True: the same call can succeed later; false where the server knows user, password or database not.</summary>
    public override bool IsTransient => !IsLogin(InnerException);
}
