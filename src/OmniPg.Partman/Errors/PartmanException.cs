namespace OmniPg.Partman;

/// <summary>Base of every error of this package. Misuse of the API throws the <see cref="ArgumentException"/> family instead.</summary>
public abstract class PartmanException : OmniPgException
{
    private protected PartmanException(string code, string message, QualifiedName? table, string? hint = null, Exception? innerException = null)
        : base(code, message, hint, innerException) => Table = table;

    /// <summary>The table that it is about; <see langword="null"/> when it is about none.</summary>
    public QualifiedName? Table { get; }
}

/// <summary><c>partman.not-found</c>: the table is no partition set that anybody configured.</summary>
public sealed class PartitionSetNotFoundException : PartmanException
{
    internal PartitionSetNotFoundException(QualifiedName table, string looked)
        : base("partman.not-found", $"'{table}' is no partition set: {looked}.", table, "Create the set first, or check the name: 'ListSetsAsync' names all sets.")
    {
    }
}

/// <summary><c>partman.definition</c>: a set cannot be made as it was asked for. All reasons are told at once.</summary>
public sealed class InvalidPartitionDefinitionException : PartmanException
{
    internal InvalidPartitionDefinitionException(QualifiedName table, IReadOnlyList<InvalidDefinition> reasons, string what = "become a partition set", Exception? inner = null)
        : base("partman.definition", $"'{table}' cannot {what}: {string.Join(' ', reasons.Select(r => r.Text))}", table, innerException: inner) => Reasons = reasons;

    /// <summary>Everything that is wrong.</summary>
    public IReadOnlyList<InvalidDefinition> Reasons { get; }
}

/// <summary>One reason why a set cannot be made.</summary>
/// <param name="Reason">Which.</param>
/// <param name="Text">A sentence that names both sides.</param>
public sealed record InvalidDefinition(InvalidDefinitionReason Reason, string Text);

/// <summary>Why a set cannot be made as it was asked for.</summary>
public enum InvalidDefinitionReason
{
    /// <summary>There is no such table.</summary>
    TableMissing,

    /// <summary>The table is not partitioned, or by hash.</summary>
    NotPartitioned,

    /// <summary>The table is partitioned by an expression, or by another column than the one named.</summary>
    ControlMismatch,

    /// <summary>The column may be null, and <see cref="PartitionSetOptions.AllowNull"/> is off.</summary>
    ControlNullable,

    /// <summary>The column's type cannot be partitioned by this kind of key.</summary>
    ControlType,

    /// <summary>Range and list do not agree between the table and the options.</summary>
    TypeMismatch,

    /// <summary>The interval does not fit the column, or is too small.</summary>
    Interval,

    /// <summary>The set is configured already.</summary>
    AlreadyConfigured,

    /// <summary>The table has partitions already.</summary>
    HasPartitions,

    /// <summary>The template table is missing, or belongs to somebody else.</summary>
    Template,

    /// <summary>The time zone is unknown to the server, or not the one that the extension works in.</summary>
    TimeZone,

    /// <summary>The schema to retire into is missing.</summary>
    RetentionSchema,

    /// <summary>A name that the extension cannot manage.</summary>
    Name,

    /// <summary>The first partition cannot begin there.</summary>
    Start,

    /// <summary>Partitions are to be archived, and the client has no store.</summary>
    Archive,

    /// <summary>A conversion of the table is open.</summary>
    ConversionOpen,

    /// <summary>The table is a partition, inherits, is temporary or unlogged, or is no table.</summary>
    TableKind,

    /// <summary>The role does not own the table.</summary>
    NotOwned,

    /// <summary>No primary key and no unique index of columns that are never null tells the rows apart.</summary>
    NoKey,

    /// <summary>A unique index does not hold the control column, which a partitioned table cannot have.</summary>
    Uniqueness,

    /// <summary>A constraint, trigger or setting that a partitioned table cannot have.</summary>
    Unsupported,

    /// <summary>Something holds on to the table itself, and would stay with it when another takes its name.</summary>
    Dependent,

    /// <summary>The table that rows are to go to cannot take them.</summary>
    Target,

    /// <summary>A set that exists cannot be changed in this: its partitions would have to be others.</summary>
    Fixed,

    /// <summary>A partition that would have to be made anew holds rows, and their loss is not allowed.</summary>
    HasRows,
}

/// <summary><c>partman.configuration</c>: what the configuration or the catalog says of a set cannot be worked with.</summary>
public sealed class PartitionSetConfigurationException : PartmanException
{
    internal PartitionSetConfigurationException(QualifiedName? table, string message, string? hint = null, Exception? inner = null)
        : base("partman.configuration", message, table, hint, inner)
    {
    }
}

/// <summary><c>partman.name-collision</c>: another relation has the name that a new partition would get.</summary>
public sealed class PartitionNameCollisionException : PartmanException
{
    internal PartitionNameCollisionException(QualifiedName table, QualifiedName child, string what)
        : base("partman.name-collision", $"The next partition of '{table}' would be '{child}', and that is {what}.", table,
            "Rename or attach it, or give the set another prefix.") => Child = child;

    /// <summary>The name that is taken.</summary>
    public QualifiedName Child { get; }
}

/// <summary><c>partman.sub-partitions</c>: tables on one level of a set say different things about how their partitions are partitioned, and a new one can follow but one.</summary>
public sealed class SubPartitionConfigMismatchException : PartmanException
{
    internal SubPartitionConfigMismatchException(QualifiedName table, string one, string other, IReadOnlyList<string> columns)
        : base("partman.sub-partitions", $"The partitions of '{table}' are not partitioned alike: 'part_config_sub' tells '{one}' from '{other}' in {string.Join(", ", columns.Select(c => $"'{c}'"))}.", table,
            $"Make both rows equal: SELECT * FROM part_config_sub WHERE sub_parent IN ({PgLiteral.Quote(one)}, {PgLiteral.Quote(other)})") => Columns = columns;

    /// <summary>Columns of <c>part_config_sub</c> that differ; <c>sub_partitions</c> where it is what the package keeps beside them.</summary>
    public IReadOnlyList<string> Columns { get; }
}

/// <summary><c>partman.default-conflict</c>: the default partition holds rows of a range that needs a partition of its own.</summary>
public sealed class DefaultPartitionConflictException : PartmanException
{
    internal DefaultPartitionConflictException(QualifiedName table, QualifiedName child, Exception? inner = null)
        : base("partman.default-conflict", $"The default partition of '{table}' holds rows of the range of '{child}', which cannot be created beside them.", table,
            "Move these rows out of the default partition first: they belong into that partition.", inner) => Child = child;

    /// <summary>The partition that could not be created.</summary>
    public QualifiedName Child { get; }
}

/// <summary><c>partman.overlap</c>: a new partition would overlap one that exists.</summary>
public sealed class PartitionOverlapException : PartmanException
{
    internal PartitionOverlapException(QualifiedName table, string what, Exception? inner)
        : base("partman.overlap", $"A partition of '{table}' would overlap another one: {what}", table, "Somebody else changes this set; look at its partitions and run again.", inner)
    {
    }
}

/// <summary><c>partman.lock-timeout</c>: a lock was not to be had within all attempts. Nothing is changed, and nobody waited longer than one attempt.</summary>
public sealed class PartitionLockTimeoutException : PartmanException
{
    internal PartitionLockTimeoutException(QualifiedName table, string step, int attempts, TimeSpan limit, IReadOnlyList<LockHolder> holders, Exception inner)
        : base("partman.lock-timeout",
            $"'{step}' on '{table}' did not get its locks in {attempts} attempts of {limit.TotalSeconds:0.###} s; held by {(holders.Count == 0 ? "sessions that are gone by now" : string.Join(", ", holders.Select(h => $"pid {h.ProcessId}")))}.",
            table, "Wait for these sessions or end them, then run again.", inner) => Holders = holders;

    /// <summary>Sessions that held a lock on the set after the last attempt.</summary>
    public IReadOnlyList<LockHolder> Holders { get; }

    /// <inheritdoc/>
    public override bool IsTransient => true;
}

/// <summary>A session that holds a lock.</summary>
/// <param name="ProcessId">Process id of its backend.</param>
/// <param name="Query">Its last statement; empty where the role may not see it.</param>
public sealed record LockHolder(int ProcessId, string Query);

/// <summary><c>partman.busy</c>: somebody else works on the set: another run of this package, or the extension's own maintenance.</summary>
public sealed class PartmanBusyException : PartmanException
{
    internal PartmanBusyException(QualifiedName? table, string who)
        : base("partman.busy", $"{(table is { } t ? $"'{t}'" : "The database")} is under maintenance by {who}.", table, "Let it finish, then run again.")
    {
    }

    /// <inheritdoc/>
    public override bool IsTransient => true;
}

/// <summary><c>partman.foreign-key</c>: rows of other tables refer to rows of a partition that should go.</summary>
public sealed class ForeignKeyBlocksDetachException : PartmanException
{
    internal ForeignKeyBlocksDetachException(QualifiedName table, QualifiedName child, string detail, Exception? inner)
        : base("partman.foreign-key", $"'{child}' cannot leave '{table}': {detail}", table, "Delete or retire the referring rows first.", inner) => Child = child;

    /// <summary>The partition that stays.</summary>
    public QualifiedName Child { get; }
}

/// <summary><c>partman.privilege</c>: the role lacks a right.</summary>
public sealed class PartmanPrivilegeException : PartmanException
{
    internal PartmanPrivilegeException(QualifiedName? table, string message, IReadOnlyList<string> missingGrants, Exception? inner = null)
        : base("partman.privilege", message, table, $"Run as owner: {string.Join(' ', missingGrants)}", inner) => MissingGrants = missingGrants;

    /// <summary>The statements that give what is missing.</summary>
    public IReadOnlyList<string> MissingGrants { get; }
}

/// <summary><c>partman.standby</c>: the server is a standby, where nothing can be changed.</summary>
public sealed class StandbyServerException : PartmanException
{
    internal StandbyServerException(string server, Exception? inner = null)
        : base("partman.standby", $"The server '{server}' is a standby or read-only.", null, "Connect to the primary.", inner)
    {
    }
}

/// <summary><c>partman.stale-plan</c>: the database changed after a plan was made; the plan says something else by now.</summary>
public sealed class StalePlanException : PartmanException
{
    internal StalePlanException(QualifiedName? table, string planned, string now)
        : base("partman.stale-plan", $"The plan '{planned}' is out of date: by now it would be '{now}'.", table, "Make the plan anew and look at it again.")
    {
    }
}

/// <summary><c>partman.pooler</c>: a pooler that hands out backends by transaction stands between here and the server, and cannot hold the lock of a run.</summary>
public sealed class PartmanPoolerException : PartmanException
{
    internal PartmanPoolerException(string server, Exception inner)
        : base("partman.pooler", $"'{server}' is a pooler in transaction mode, behind which no lock of a session lasts.", null, "Connect straight to the server.", inner)
    {
    }
}

/// <summary><c>partman.store</c>: the tables that hold the configuration are missing, too old or too new.</summary>
public sealed class PartmanStoreException : PartmanException
{
    internal PartmanStoreException(string message, string hint)
        : base("partman.store", message, null, hint)
    {
    }
}

/// <summary><c>partman.clock-jump</c>: the server's clock moved so far since the last run that retention might drop what nobody wants to lose.</summary>
public sealed class ClockJumpException : PartmanException
{
    internal ClockJumpException(QualifiedName table, DateTimeOffset last, DateTimeOffset now, TimeSpan limit)
        : base("partman.clock-jump", $"The last run of '{table}' was at '{PartitionBound.Of(last)}', and now it is '{PartitionBound.Of(now)}': more than '{limit}' apart, so nothing is retired.", table,
            "Check the server's clock; when it is right, run once with AcceptClockJump.")
    {
    }
}

/// <summary><c>partman.archive</c>: an archive could not be written, or is not what was written. No table is dropped for it.</summary>
public sealed class PartmanArchiveException : PartmanException
{
    internal PartmanArchiveException(QualifiedName? table, string message, string? hint, Exception? inner = null)
        : base("partman.archive", message, table, hint, inner)
    {
    }
}

/// <summary><c>partman.server</c>: the server refused a statement, or the connection broke.</summary>
public sealed class PartmanServerException : PartmanException
{
    internal PartmanServerException(QualifiedName? table, string operation, string server, Exception inner, string? hint = null)
        : base("partman.server", $"{operation}{(table is { } t ? $" '{t}'" : "")} on '{server}': {(inner as Npgsql.PostgresException)?.MessageText ?? inner.Message}", table, hint, inner)
    {
    }
}

/// <summary><c>partman.conversion</c>: there is no such conversion, or it is in a phase that does not allow what was asked for.</summary>
public sealed class PartmanConversionException : PartmanException
{
    internal PartmanConversionException(QualifiedName? table, string message, string hint, Exception? inner = null)
        : base("partman.conversion", message, table, hint, inner)
    {
    }
}

/// <summary><c>partman.verification</c>: the copy of a conversion is not equal to the table. The table is in use as before.</summary>
public sealed class ConversionVerificationException : PartmanException
{
    internal ConversionVerificationException(QualifiedName table, string what, bool isForward = true, Exception? inner = null)
        : base("partman.verification", $"The copy of '{table}' is not equal to it: {what}", table,
            isForward ? "Abort it, and look for what writes around triggers before another attempt." : "There is no way back from partitions that were emptied, detached or dropped: finish the conversion.", inner)
    {
    }
}
