using Npgsql;

namespace OmniPg.Partman;

/// <summary>What the server's errors mean to this package.</summary>
internal static class Refusal
{
    /// <summary>SQLSTATE of a guard: the database is another one by now than the plan was made for.</summary>
    public const string Overtaken = "OP001";

    /// <summary>SQLSTATE of a comparison that found a difference.</summary>
    public const string Different = "OP003";

    /// <summary>SQLSTATE of a guard: a table that was empty when the plan was made holds rows.</summary>
    public const string Filled = "OP005";

    /// <summary>What is said of a table that no row names.</summary>
    public static PartitionSetNotFoundException NotFound(QualifiedName table, PartmanServer server) => new(
        table, server.HasConfig ? $"'{server.ConfigSchema}.part_config' in database '{server.Database}' has no row of it" : $"database '{server.Database}' has no sets at all, neither of the extension nor in schema '{server.OwnSchema}'");

    /// <summary>What is said where the extension is too old to be written to.</summary>
    public static PartmanStoreException ReadOnly(PartmanServer server) => new(
        $"The extension pg_partman is of version '{server.ExtensionVersion}', whose sets are only read.", "Upgrade it to version 5, or use PartmanStore.Own.");

    /// <summary>Whether a step may be tried again as it is: it waited for a lock, or lost against another transaction.</summary>
    public static bool IsOfLocks(PostgresException error) =>
        error.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure;

    /// <summary>The package's error for one of the driver.</summary>
    /// <param name="error">The driver's error.</param>
    /// <param name="operation">What was done, as a sentence begins.</param>
    /// <param name="table">The set; null when it concerns none.</param>
    /// <param name="child">The partition; null when it concerns none.</param>
    /// <param name="server">Host, port and database.</param>
    /// <param name="role">The role of the session.</param>
    public static PartmanException Of(NpgsqlException error, string operation, QualifiedName? table, QualifiedName? child, string server, string role)
    {
        if (error is not PostgresException refused)
            return new PartmanServerException(table, operation, server, error);
        return refused.SqlState switch
        {
            PostgresErrorCodes.InsufficientPrivilege => Privilege(refused, table, role),
            PostgresErrorCodes.ReadOnlySqlTransaction => new StandbyServerException(server, refused),
            PostgresErrorCodes.CheckViolation when table is { } t && child is { } c && refused.MessageText.Contains("default partition", StringComparison.Ordinal) =>
                new DefaultPartitionConflictException(t, c, refused),
            PostgresErrorCodes.InvalidObjectDefinition when table is { } t && refused.MessageText.Contains("overlap", StringComparison.Ordinal) => new PartitionOverlapException(t, refused.MessageText, refused),
            PostgresErrorCodes.ForeignKeyViolation when table is { } t && child is { } c => new ForeignKeyBlocksDetachException(t, c, refused.Detail ?? refused.MessageText, refused),
            Different when table is { } t => new ConversionVerificationException(t, refused.MessageText, operation != "swap-back", refused),
            Overtaken when table is { } t => new StalePlanException(t, operation, $"nothing: {refused.MessageText}"),
            // Names of a unit were those of its plan. What a function of the user misses has its context.
            PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.UndefinedColumn or PostgresErrorCodes.UndefinedObject or PostgresErrorCodes.InvalidSchemaName when table is { } t && string.IsNullOrEmpty(refused.Where) =>
                new StalePlanException(t, operation, $"another one: {refused.MessageText}"),
            PostgresErrorCodes.DuplicateTable when table is { } t && child is { } c => new PartitionNameCollisionException(t, c, "taken by another relation"),
            // Its words are those of the server's language; whoever ran out of memory otherwise stands elsewhere.
            PostgresErrorCodes.OutOfMemory when refused.File == "lock.c" => new PartmanServerException(
                table, operation, server, refused, "The server's table of locks is full, and one of a partition and of each of its indexes has to stand there: raise 'max_locks_per_transaction', and restart the server. The transaction is undone."),
            PostgresErrorCodes.DiskFull => new PartmanServerException(table, operation, server, refused, "Make room on the disk of the server. The transaction is undone."),
            _ => new PartmanServerException(table, operation, server, refused),
        };
    }

    // The server names the kind of object in its message: "permission denied for schema app", "must be owner of table events".
    private static PartmanPrivilegeException Privilege(PostgresException refused, QualifiedName? table, string role)
    {
        var to = PgIdentifier.Create(role).Quoted;
        var message = refused.MessageText;
        string[] grants =
            message.StartsWith("permission denied for schema ", StringComparison.Ordinal) ? [$"GRANT USAGE, CREATE ON SCHEMA {Name("permission denied for schema ")} TO {to};"]
            : message.StartsWith("permission denied for database ", StringComparison.Ordinal) ? [$"GRANT CREATE ON DATABASE {Name("permission denied for database ")} TO {to};"]
            : message.StartsWith("permission denied for tablespace ", StringComparison.Ordinal) ? [$"GRANT CREATE ON TABLESPACE {Name("permission denied for tablespace ")} TO {to};"]
            : message.StartsWith("must be owner of", StringComparison.Ordinal) && table is { } t ? [$"ALTER TABLE {t.Quoted} OWNER TO {to};"]
            : [$"-- {message}"];
        return new PartmanPrivilegeException(table, $"Role '{role}': {message}.", grants, refused);

        string Name(string words) => PgIdentifier.Create(message[words.Length..].Trim('"')).Quoted;
    }
}
