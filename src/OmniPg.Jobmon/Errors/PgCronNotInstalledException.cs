namespace OmniPg.Jobmon;

/// <summary><c>jobmon.pg-cron-not-installed</c>: the check shall cover the jobs of pg_cron, but the database has no extension <c>pg_cron</c>.</summary>
public sealed class PgCronNotInstalledException : JobmonException
{
    internal PgCronNotInstalledException(string database)
        : base(
            "jobmon.pg-cron-not-installed",
            $"Database '{database}' has no extension 'pg_cron'.",
            "pg_cron lives in the one database of the server that its setting cron.database_name names; "
            + "point PgCronConnectionString or PgCronDataSource there, or turn PgCron off.") =>
        Database = database;

    /// <summary>Database that was looked at.</summary>
    public string Database { get; }
}
