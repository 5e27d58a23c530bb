using System.Runtime.CompilerServices;
using Npgsql;

namespace OmniPg.Jobmon;

/// <inheritdoc cref="IJobHistory"/>
internal sealed class JobHistory(JobmonDatabase database, TimeSpan deadAfter) : IJobHistory
{
    public IAsyncEnumerable<JobRecord> ListAsync(JobQuery query, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        return database.StreamAsync("list jobs", server => ListCommand(server, query), JobHistorySql.ReadJob, cancellationToken);
    }

    public IAsyncEnumerable<JobRecord> RunningAsync(int? limit = 10, CancellationToken cancellationToken = default)
    {
        CheckLimit(limit);
        return database.StreamAsync("list running jobs", server => Command(server, JobHistorySql.Running,
            PgParameter.Integer(limit), PgParameter.Interval(deadAfter)), JobHistorySql.ReadJob, cancellationToken);
    }

    public IAsyncEnumerable<JobStepRecord> StepsAsync(long jobId, CancellationToken cancellationToken = default) =>
        database.StreamAsync("list steps", server => Command(server, JobHistorySql.StepsOfRun, PgParameter.BigInt(jobId)),
            JobHistorySql.ReadStep, cancellationToken);

    public IAsyncEnumerable<JobStepRecord> StepsAsync(IReadOnlyCollection<long> jobIds, bool openOnly = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(jobIds);
        return database.StreamAsync("list steps", server => Command(server, JobHistorySql.StepsOfRuns,
            PgParameter.BigInts(jobIds), PgParameter.Flag(openOnly)), JobHistorySql.ReadStep, cancellationToken);
    }

    public IAsyncEnumerable<JobStepRecord> StepsAsync(string jobName, int? jobs = 1, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        CheckLimit(jobs);
        return database.StreamAsync("list steps", server => Command(server, JobHistorySql.StepsOfJob,
            PgParameter.Text(jobName), PgParameter.Integer(jobs)), JobHistorySql.ReadStep, cancellationToken);
    }

    public Task<JobStatistics> StatisticsAsync(string jobName, PgInterval window, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(window.Estimate, TimeSpan.Zero, nameof(window));
        return database.RunAsync("count jobs", async (session, server) => (await session.RowAsync(
            server.RequireInstalled().Render(JobHistorySql.Statistics), JobHistorySql.ReadStatistics, PgParameter.Text(jobName), PgParameter.Interval(window)).ConfigureAwait(false))!,
            cancellationToken);
    }

    /// <exception cref="ArgumentOutOfRangeException">The limit is negative.</exception>
    public static void CheckLimit(int? limit, [CallerArgumentExpression(nameof(limit))] string? name = null)
    {
        if (limit < 0)
            throw new ArgumentOutOfRangeException(name, limit, "A limit is zero or more, or null for all.");
    }

    /// <summary>The query for <paramref name="query"/>; also lists what an export writes.</summary>
    public static NpgsqlCommand ListCommand(JobmonServer server, JobQuery query, string sql = JobHistorySql.List) => Command(server, sql,
        PgParameter.Text(query.Name), PgParameter.Text(query.NameMatches), PgParameter.Text(query.Status), PgParameter.Text(query.Tag),
        PgParameter.Instant(query.Since), PgParameter.Instant(query.Before), PgParameter.Flag(query.Unfinished), PgParameter.Integer(query.Limit));

    private static NpgsqlCommand Command(JobmonServer server, string sql, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlCommand(server.RequireInstalled().Render(sql));
        foreach (var parameter in parameters)
            command.Parameters.Add(parameter);
        return command;
    }
}
