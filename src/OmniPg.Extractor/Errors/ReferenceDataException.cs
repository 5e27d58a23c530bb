using Npgsql;

namespace OmniPg.Extractor;

/// <summary>Rows of a reference table cannot be read; the tree stayed as it was.</summary>
public sealed class ReferenceDataException : ExtractorException
{
    internal ReferenceDataException(string table, PostgresException innerException)
        : base("extractor.reference", $"Rows of '{table}' cannot be read: {innerException.MessageText}", HintOf(innerException), innerException) => Table = table;

    /// <summary>The table with its schema, quoted where SQL needs it.</summary>
    public string Table { get; }

    private static string? HintOf(PostgresException error) => error.SqlState switch
    {
        PostgresErrorCodes.InsufficientPrivilege => "Grant SELECT on the table, and where it has policies, extract as its owner or with BYPASSRLS.",
        PostgresErrorCodes.LockNotAvailable => "Wait until the other session has ended, or raise ExtractorOptions.LockTimeout.",
        _ => null,
    };
}
