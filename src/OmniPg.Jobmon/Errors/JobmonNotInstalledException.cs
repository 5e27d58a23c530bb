namespace OmniPg.Jobmon;

/// <summary><c>jobmon.not-installed</c>: the database has neither the extension <c>pg_jobmon</c> nor the SDK's own schema.</summary>
public sealed class JobmonNotInstalledException : JobmonException
{
    internal JobmonNotInstalledException(string database, string lookedFor, Exception? innerException = null)
        : base(
            "jobmon.not-installed",
            $"Database '{database}' has neither extension 'pg_jobmon' nor a job log in schema '{lookedFor}'.",
            "Run Admin.InstallAsync() once, or hand the script of Admin.InstallPlan() to the owner of the database.",
            innerException)
    {
        Database = database;
        Schema = lookedFor;
    }

    /// <summary>Database that was looked at.</summary>
    public string Database { get; }

    /// <summary>Schema in which the SDK's own tables were looked for.</summary>
    public string Schema { get; }
}
