using System.Net.Sockets;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>What a failed write means for what to do next.</summary>
internal enum WriteFailure
{
    /// <summary>The connection broke or the transaction lost a race: the same write at once on a fresh connection may do.</summary>
    Broken,

    /// <summary>Nothing can be written for now: keep the events and try again later.</summary>
    Unavailable,

    /// <summary>The server cannot store a character of the text.</summary>
    Encoding,

    /// <summary>This event will never be taken.</summary>
    Refused,
}

/// <summary>Reads errors of the driver.</summary>
internal static class WriteFailures
{
    public static WriteFailure Classify(Exception error) => error switch
    {
        PostgresException { SqlState: PostgresErrorCodes.UntranslatableCharacter or PostgresErrorCodes.CharacterNotInRepertoire } => WriteFailure.Encoding,
        PostgresException refusal => ClassifyState(refusal.SqlState),
        NpgsqlException { InnerException: TimeoutException } => WriteFailure.Unavailable,
        NpgsqlException { InnerException: SocketException { SocketErrorCode: SocketError.ConnectionRefused or SocketError.HostNotFound } } => WriteFailure.Unavailable,
        NpgsqlException or System.IO.IOException or ObjectDisposedException => WriteFailure.Broken,
        TimeoutException or SocketException => WriteFailure.Unavailable,
        _ => WriteFailure.Refused,
    };

    /// <summary>Whether the failure is one of the log itself, and not a bug or a cancellation.</summary>
    public static bool IsExpected(Exception error) =>
        error is NpgsqlException or TimeoutException or SocketException or System.IO.IOException or ObjectDisposedException or JobmonException;

    /// <summary>dblink connects nobody but a superuser to a server that asks for no password.</summary>
    public const string NoPasswordForDblink = "2F003";

    // A unique violation is the token of a first try that was committed after all: the repeat finds its row. 26000 and 42P05 are prepared
    // statements that a pooler has left with another session, 0A000 a plan whose table was altered (plancache.c): on a fresh connection
    // they are gone.
    // Classes: 08 connection, 53 resources, 57 operator, 58 system, 28 login, 25 read-only after a failover, XX and F0 the server itself.
    private static WriteFailure ClassifyState(string state) => state switch
    {
        PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.AdminShutdown
            or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.IdleSessionTimeout
            or PostgresErrorCodes.InvalidSqlStatementName or PostgresErrorCodes.DuplicatePreparedStatement
            or PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.FeatureNotSupported => WriteFailure.Broken,
        PostgresErrorCodes.ReadOnlySqlTransaction or PostgresErrorCodes.InsufficientPrivilege or PostgresErrorCodes.UndefinedTable
            or PostgresErrorCodes.UndefinedColumn or PostgresErrorCodes.UndefinedFunction or PostgresErrorCodes.InvalidSchemaName
            or PostgresErrorCodes.InvalidCatalogName or PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.QueryCanceled
            or PostgresErrorCodes.CannotConnectNow
            or NoPasswordForDblink => WriteFailure.Unavailable,
        _ => state[..2] switch
        {
            "08" or "53" or "57" or "58" or "28" or "25" or "XX" or "F0" => WriteFailure.Unavailable,
            _ => WriteFailure.Refused,
        },
    };
}
