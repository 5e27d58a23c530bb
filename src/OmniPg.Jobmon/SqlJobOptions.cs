using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Settings of <see cref="IJobmon.RunSqlAsync"/>.</summary>
public sealed class SqlJobOptions : ICheckedOptions
{
    /// <summary>Settings of the run. Default: single instance, skipped on conflict, as <c>sql_job()</c>.</summary>
    public JobOptions Job { get; set; } = new() { SingleInstance = true };

    /// <summary>Data source the SQL runs on. Default null: the one given to the client.</summary>
    public NpgsqlDataSource? DataSource { get; set; }

    /// <summary>Longest run of the SQL, rounded up to seconds. Default <see cref="TimeSpan.Zero"/>: no limit.</summary>
    public TimeSpan CommandTimeout { get; set; } = TimeSpan.Zero;

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.Inner(Job);
        check.NotNegative(CommandTimeout);
    }
}
