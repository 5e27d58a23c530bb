namespace OmniPg.Mimeo;

/// <summary><c>mimeo.not-managed</c>: the table is in no table of the configuration.</summary>
public sealed class NotManagedException : MimeoException
{
    internal NotManagedException(string destination)
        : base("mimeo.not-managed", $"Destination table given in argument ({destination}) is not managed by mimeo.", "List what is managed, or set the table up.")
    {
    }
}

/// <summary><c>mimeo.conflict</c>: the destination is managed already, or a source still has tables.</summary>
public sealed class ReplicationConflictException : MimeoException
{
    internal ReplicationConflictException(string message, string hint)
        : base("mimeo.conflict", message, hint)
    {
    }
}

/// <summary><c>mimeo.destination.exists</c>: a relation stands where a snapshot needs its view or a table, or one that was made for something else where a history has to be. Nothing was made.</summary>
public sealed class DestinationExistsException : MimeoException
{
    internal DestinationExistsException(QualifiedName relation)
        : base("mimeo.destination.exists", $"Relation '{relation}' exists where a snapshot has to be made.", "Rename or drop it, or choose another destination.")
    {
    }

    internal DestinationExistsException(QualifiedName relation, QualifiedName destination, string? claim)
        : base("mimeo.destination.exists", $"Relation '{relation}' exists where older images of deleted rows of '{destination}' have to stand, and was not made for them.",
            $"Rename it, or leave KeepHistory out.{(claim is null ? "" : $" Where it does hold them: {claim};")}")
    {
    }
}

/// <summary><c>mimeo.destination.missing</c>: the managed table is not there any more.</summary>
public sealed class DestinationMissingException : MimeoException
{
    internal DestinationMissingException(QualifiedName relation)
        : base("mimeo.destination.missing", $"Relation '{relation}' of the destination is missing.", "Drop the table from the configuration and create it anew.")
    {
    }

    internal DestinationMissingException(QualifiedName history, QualifiedName destination)
        : base("mimeo.destination.missing", $"Relation '{history}' of the destination is missing, where older images of deleted rows of '{destination}' have to stand.",
            $"Bring it back under its name. If its images are lost, call UpdateAsync with the specification as it is, which makes it anew and empty, or with KeepHistory = false.")
    {
    }
}

/// <summary><c>mimeo.source.unknown</c>: no source of that name is stored.</summary>
public sealed class UnknownSourceException : MimeoException
{
    internal UnknownSourceException(string source)
        : base("mimeo.source.unknown", $"Source '{source}' is not known at the destination.", "Add it by name with its connection string.")
    {
    }
}

/// <summary><c>mimeo.source.setting</c>: the connection that is stored for a source, perhaps for the extension's libpq, is none that the driver can make.</summary>
public sealed class SourceSettingException : MimeoException
{
    internal SourceSettingException(string source, Exception inner)
        : base("mimeo.source.setting", $"What is stored for source '{source}' makes no connection: {inner.Message}", "Add the source anew by its name, or give the client a data source for it.", inner)
    {
    }
}

/// <summary><c>mimeo.source.connection</c>: the source does not answer or does not let the role in.</summary>
public sealed class SourceConnectionException : MimeoException
{
    internal SourceConnectionException(string source, string server, Exception inner)
        : base("mimeo.source.connection", $"Source '{source}' at '{server}' cannot be read: {inner.Message}", "Check server, role and pg_hba.conf of the source.", inner)
    {
    }
}

/// <summary><c>mimeo.source.table-not-found</c>: the source has no such relation.</summary>
public sealed class SourceTableNotFoundException : MimeoException
{
    internal SourceTableNotFoundException(QualifiedName table, string source)
        : base("mimeo.source.table-not-found", $"Source table '{table}' not found at source '{source}'.", "The configuration was kept. Names are case-sensitive when quoted.")
    {
    }
}

/// <summary><c>mimeo.source.condition</c>: the condition, or an expression of a column, does not make one query of the source.</summary>
public sealed class InvalidConditionException : MimeoException
{
    internal InvalidConditionException(string text, string why, Exception inner, bool isExpression = false)
        : base("mimeo.source.condition", $"The {(isExpression ? "expression" : "condition")} '{text}' makes no query at the source: {why}",
            isExpression ? "Make it of columns of the source, and of a type that can be cast to the column's." : "Begin with WHERE, or with a comma and further tables.", inner)
    {
    }
}

/// <summary><c>mimeo.columns</c>: columns that are missing or do not fit, all of them together; nothing was written.</summary>
public sealed class ColumnDriftException : MimeoException
{
    internal ColumnDriftException(QualifiedName destination, IReadOnlyList<string> differences, string hint)
        : base("mimeo.columns", $"Columns of '{destination}' do not fit: {string.Join("; ", differences)}.", hint) => Differences = differences;

    /// <summary>One sentence for each column.</summary>
    public IReadOnlyList<string> Differences { get; }
}

/// <summary><c>mimeo.key.missing</c>: nothing tells the rows of the source apart, or not all of them.</summary>
public sealed class NoReplicationKeyException : MimeoException
{
    internal NoReplicationKeyException(QualifiedName source, string why, string hint = "Name the key columns.")
        : base("mimeo.key.missing", $"Source table '{source}' {why}.", hint)
    {
    }
}

/// <summary><c>mimeo.source.kind</c>: the method needs a trigger, which rows of such a relation do not fire and no standby can have.</summary>
public sealed class SourceKindException : MimeoException
{
    internal SourceKindException(QualifiedName source, string kind)
        : base("mimeo.source.kind", $"Source '{source}' is a {kind}; a queue of changes needs a table or a partitioned table.", "Choose its table, or another method.")
    {
    }

    internal SourceKindException(QualifiedName source, string server, string hint)
        : base("mimeo.source.kind", $"Source '{source}' stands at '{server}', a standby, where no queue can be made or emptied.", hint)
    {
    }
}

/// <summary><c>mimeo.queue.missing</c>: the queue of the source is not there any more. The configuration was kept.</summary>
public sealed class QueueMissingException : MimeoException
{
    internal QueueMissingException(QualifiedName destination, QualifiedName queue, Exception? inner)
        : base("mimeo.queue.missing", $"Source queue table missing ({queue}), which '{destination}' is refreshed by.", "Drop the table from the configuration and create it anew; its rows may stay.", inner)
    {
    }
}

/// <summary><c>mimeo.queue.limit</c>: one source table feeds as many destinations as it can.</summary>
public sealed class QueueLimitException : MimeoException
{
    internal QueueLimitException(QualifiedName source)
        : base("mimeo.queue.limit", $"Limit of 99 queue tables for a single source table reached: '{source}'.", "Drop a destination that nobody needs.")
    {
    }
}

/// <summary><c>mimeo.queue.left</c>: a set-up failed, and what it had made at the source could not be taken away again. The inner error says why it failed.</summary>
public sealed class QueueLeftException : MimeoException
{
    internal QueueLeftException(string cause, string why, string statements, Exception inner)
        : base("mimeo.queue.left", $"{cause} What had been made at the source could not be removed: {why}", $"The next set-up of the same table removes it. Or run there: {statements}", inner)
    {
    }
}

/// <summary><c>mimeo.cursor.null</c>: the source has rows without a value in the cursor column, and the refresh was to fail then. Nothing was changed.</summary>
public sealed class NullCursorException : MimeoException
{
    internal NullCursorException(QualifiedName source, QualifiedName destination, string column)
        : base("mimeo.cursor.null", $"Source table '{source}' has rows without a value in '{column}', which never come to '{destination}'.", "Give them a value there, or pull the table by a method without a cursor.")
    {
    }
}

/// <summary><c>mimeo.batch.stalled</c>: all rows of a batch share one cursor value, so no limit cuts between them. The place in the source is unchanged.</summary>
public sealed class BatchStalledException : MimeoException
{
    internal BatchStalledException(QualifiedName destination, int limit, string value)
        : base("mimeo.batch.stalled", $"The first '{limit}' rows for '{destination}' all have the cursor value '{value}'.", "Refresh once with a larger limit.")
    {
    }
}

/// <summary><c>mimeo.lock</c>: a lock was not to be had in time. Nothing was changed.</summary>
public sealed class MimeoLockException : MimeoException
{
    internal MimeoLockException(QualifiedName relation, string operation, Exception? inner)
        : base("mimeo.lock", IsDeadlock(inner) ? $"'{relation}' and others waited for each other's locks, and the server ended the attempt to {operation}." : $"'{relation}' was locked by others for too long to {operation}.",
            IsDeadlock(inner) ? "Refresh again; the server's log names both statements." : "Look at pg_locks for a long transaction, then refresh again.", inner)
    {
    }

    private static bool IsDeadlock(Exception? inner) => inner is Npgsql.PostgresException { SqlState: Npgsql.PostgresErrorCodes.DeadlockDetected };

    /// <inheritdoc/>
    public override bool IsTransient => true;
}

/// <summary><c>mimeo.server</c>: the destination is not to be reached, ended the session or refused a statement. What was not committed is not kept.</summary>
public sealed class MimeoServerException : MimeoException
{
    internal MimeoServerException(string server, string operation, Npgsql.NpgsqlException inner)
        : base("mimeo.server", $"The destination '{server}' did not {operation}: {(inner as Npgsql.PostgresException)?.MessageText ?? inner.Message}", (inner as Npgsql.PostgresException)?.SqlState switch
        {
            Npgsql.PostgresErrorCodes.InvalidSchemaName => "Create the schema at the destination first: a set-up makes tables only.",
            Npgsql.PostgresErrorCodes.UniqueViolation => "An index of the destination refuses what the source has. Where rows stay that were deleted there, nothing but the key can be unique: drop that index, or make it one of live rows.",
            Npgsql.PostgresErrorCodes.DiskFull => "Make room at the destination, then try again: a refresh may be repeated at any time.",
            _ => "Look at the server's log; a refresh may be repeated at any time.",
        }, inner) =>
        IsTransient = inner.IsTransient || inner is Npgsql.PostgresException { SqlState: Npgsql.PostgresErrorCodes.AdminShutdown or Npgsql.PostgresErrorCodes.CrashShutdown };

    /// <inheritdoc/>
    public override bool IsTransient { get; }
}

/// <summary><c>mimeo.dependents</c>: other objects stand on a relation that has to be dropped, or rows of others go with those of a table that has to be emptied.</summary>
public sealed class DependentObjectsException : MimeoException
{
    internal DependentObjectsException(QualifiedName relation, Exception inner)
        : base("mimeo.dependents", $"Other objects depend on '{relation}': {(inner as Npgsql.PostgresException)?.Detail ?? inner.Message}", "Drop them first and make them again in the post script.", inner)
    {
    }

    internal DependentObjectsException(QualifiedName relation, string key, bool mayCascade)
        : base("mimeo.dependents", $"Emptied by DELETE, '{relation}' would change rows of another table: {key} says what becomes of them.",
            $"Make the key NO ACTION DEFERRABLE INITIALLY DEFERRED{(mayCascade ? ", or set TruncateCascade where those rows may go" : "")}.")
    {
    }
}

/// <summary><c>mimeo.store</c>: the package's own tables are missing, or newer than this version.</summary>
public sealed class MimeoStoreException : MimeoException
{
    internal MimeoStoreException(string message, string hint)
        : base("mimeo.store", message, hint)
    {
    }
}

/// <summary><c>mimeo.permission</c>: the role may not do what is needed.</summary>
public sealed class MimeoPermissionException : MimeoException
{
    internal MimeoPermissionException(string server, string operation, string? grant, Exception? inner)
        : base("mimeo.permission", $"The role at '{server}' may not {operation}{(inner is Npgsql.PostgresException refusal ? ": " + refusal.MessageText : "")}.",
            grant is null ? "docs/mimeo.md lists the GRANT statements of both sides." : $"Run as owner: {grant}", inner) => Grant = grant;

    internal string? Grant { get; }
}
