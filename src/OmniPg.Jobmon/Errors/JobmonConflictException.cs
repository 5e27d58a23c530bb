namespace OmniPg.Jobmon;

/// <summary><c>jobmon.conflict</c>: the schema to install into belongs to the extension or holds foreign objects of the same names.</summary>
public sealed class JobmonConflictException : JobmonException
{
    internal JobmonConflictException(string schema, string reason)
        : base("jobmon.conflict", $"Schema '{schema}' cannot take the job log: {reason}.", "Choose another schema name; nothing was changed.") =>
        Schema = schema;

    /// <summary>Schema that was refused.</summary>
    public string Schema { get; }
}
