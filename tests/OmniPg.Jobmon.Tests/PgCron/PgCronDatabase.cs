using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.PgCron;

/// <summary>A database with the tables of pg_cron and, beside it, one with a job log, for one test.</summary>
internal sealed class PgCronDatabase : IAsyncDisposable
{
    private readonly TestDatabase _database;
    private readonly NpgsqlConnection? _scheduler;

    private PgCronDatabase(TestDatabase database, JobLogDatabase log, NpgsqlConnection? scheduler) =>
        (_database, Log, _scheduler) = (database, log, scheduler);

    public JobLogDatabase Log { get; }

    public NpgsqlDataSource DataSource => _database.DataSource;

    public string ConnectionString => _database.ConnectionString;

    public IJobMonitor Monitor => MonitorAs(DataSource);

    public IJobHistory History => HistoryAs(DataSource);

    /// <param name="fixture">The server.</param>
    /// <param name="scheduler">
    /// Whether a scheduler seems to be at work. The real one serves the one database of the server, so a session of this test bears its name.
    /// </param>
    public static async Task<PgCronDatabase> CreateAsync(PgCronFixture fixture, bool scheduler = true)
    {
        var database = await fixture.CreateDatabaseAsync();
        var log = await JobLogDatabase.CreateAsync(fixture.Cluster, dblink: false);
        NpgsqlConnection? session = null;
        if (scheduler)
        {
            session = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(database.ConnectionString) { ApplicationName = "pg_cron scheduler", Pooling = false }.ConnectionString);
            await session.OpenAsync(TestContext.Current.CancellationToken);
        }
        return new PgCronDatabase(database, log, session);
    }

    public IJobMonitor MonitorAs(NpgsqlDataSource dataSource, TimeSpan? grace = null) =>
        new PgCronMonitor(Log.Monitor, Log.Access, Source(dataSource, grace));

    public IJobHistory HistoryAs(NpgsqlDataSource dataSource) => new PgCronHistory(Log.History, Log.Access, Source(dataSource));

    private static PgCronSource Source(NpgsqlDataSource dataSource, TimeSpan? grace = null) => new(dataSource, TimeSpan.FromSeconds(30), grace ?? TimeSpan.FromMinutes(2));

    public Task ExecuteAsync(string sql) => _database.ExecuteAsync(sql, TestContext.Current.CancellationToken);

    public Task<T> ScalarAsync<T>(string sql) => _database.ScalarAsync<T>(sql, TestContext.Current.CancellationToken);

    /// <summary>Stores a job. <paramref name="name"/> null makes one without.</summary>
    public Task<long> JobAsync(string? name, string schedule, bool active = true) => ScalarAsync<long>(
        $"INSERT INTO cron.job (schedule, command, nodeport, jobname, active) VALUES ('{schedule}', 'SELECT 1', 5432, {(name is null ? "NULL" : $"'{name}'")}, {active}) RETURNING jobid");

    /// <summary>Stores a run as pg_cron leaves it; times are seconds before now.</summary>
    public Task<long> RunAsync(long job, string status, double startedAgo, double? endedAgo, string? message = null, int? pid = null) => ScalarAsync<long>(
        FormattableString.Invariant($"""
        INSERT INTO cron.job_run_details (jobid, job_pid, database, username, command, status, return_message, start_time, end_time)
        VALUES ({job}, {(pid is null ? "1" : $"{pid}")}, current_database(), current_user, 'SELECT 1', '{status}', {(message is null ? "NULL" : $"E'{message}'")},
            now() - interval '{startedAgo} seconds', {(endedAgo is null ? "NULL" : FormattableString.Invariant($"now() - interval '{endedAgo} seconds'"))}) RETURNING runid
        """));

    /// <summary>The alerts as <c>level|status|name|text</c>.</summary>
    public async Task<string[]> CheckAsync(TimeSpan? grace = null) =>
        [.. (await MonitorAs(DataSource, grace).CheckAsync(cancellationToken: TestContext.Current.CancellationToken)).Alerts
            .Select(a => $"{a.Level.Code}|{a.AlertStatusText}|{a.JobName}|{a.AlertText}{(a.Muted ? "|muted" : "")}")];

    public async ValueTask DisposeAsync()
    {
        if (_scheduler is not null)
            await _scheduler.DisposeAsync();
        await Log.DisposeAsync();
        await _database.DisposeAsync();
    }
}
