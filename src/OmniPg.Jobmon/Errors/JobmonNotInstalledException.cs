namespace OmniPg.Jobmon;

/// <summary>
/// <c>jobmon.not-installed</c>: the database has neither the extension <c>pg_jobmon</c> nor the SDK's own schema; or
/// <c>jobmon.pg-cron-not-installed</c>: the check shall cover the jobs of pg_cron, but the database has no extension <c>pg_cron</c>.
/// </summary>
public sealed class JobmonNotInstalledException : JobmonException
{
    internal JobmonNotInstalledException(string database, string lookedFor, Exception? innerException = null)
        : this(
            "jobmon.not-installed", database, lookedFor,
            $"Database '{database}' has neither extension 'pg_jobmon' nor a job log in schema '{lookedFor}'.",
            "Run Admin.InstallAsync() once, or hand the script of Admin.InstallPlan() to the owner of the database.",
            innerException)
    {
    }

    private JobmonNotInstalledException(string code, string database, string schema, string message, string hint, Exception? innerException)
        : base(code, message, hint, innerException)
    {
        Database = database;
        Schema = schema;
    }

    internal static JobmonNotInstalledException OfPgCron(string database) => new(
        "jobmon.pg-cron-not-installed", database, "cron",
        $"Database '{database}' has no extension 'pg_cron'.",
        "pg_cron lives in the one database of the server that its setting cron.database_name names; "
        + "point PgCronConnectionString or PgCronDataSource there, or turn PgCron off.",
        innerException: null);

    /// <summary>Database that was looked at.</summary>
    public string Database { get; }

    /// <summary>Schema in which the tables were looked for: that of the SDK's own, or <c>cron</c>.</summary>
    public string Schema { get; }
}
