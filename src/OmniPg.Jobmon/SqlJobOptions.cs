using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Settings of <see cref="IJobmon.RunSqlAsync"/>.</summary>
public sealed record SqlJobOptions
{
    /// <summary>Settings of the run. Default: single instance, skipped on conflict, as <c>sql_job()</c>.</summary>
    public JobOptions Job { get; init; } = new() { SingleInstance = true };

    /// <summary>Data source the SQL runs on. Default null: the one given to the client.</summary>
    public NpgsqlDataSource? DataSource { get; init; }

    /// <summary>Longest run of the SQL, rounded up to seconds. Default <see cref="TimeSpan.Zero"/>: no limit.</summary>
    public TimeSpan CommandTimeout { get; init; } = TimeSpan.Zero;
}
