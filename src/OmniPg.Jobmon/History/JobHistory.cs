using System.Runtime.CompilerServices;
using Npgsql;

namespace OmniPg.Jobmon;

/// <inheritdoc cref="IJobHistory"/>
internal sealed class JobHistory(JobmonDatabase database, TimeSpan deadAfter) : IJobHistory
{
    public IAsyncEnumerable<JobRecord> ListAsync(JobQuery query, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        return database.StreamAsync("list jobs", server => ListCommand(server, query), HistoryRows.Job, cancellationToken);
    }

    public IAsyncEnumerable<JobRecord> RunningAsync(int? limit = 10, CancellationToken cancellationToken = default)
    {
        CheckLimit(limit);
        return database.StreamAsync("list running jobs", server => Command(server, JobHistorySql.Running,
            SqlParameters.Integer(limit), SqlParameters.Interval(deadAfter)), HistoryRows.Job, cancellationToken);
    }

    public IAsyncEnumerable<JobStepRecord> StepsAsync(long jobId, CancellationToken cancellationToken = default) =>
        database.StreamAsync("list steps", server => Command(server, JobHistorySql.StepsOfRun, new NpgsqlParameter { Value = jobId }),
            HistoryRows.Step, cancellationToken);

    public IAsyncEnumerable<JobStepRecord> StepsAsync(IReadOnlyCollection<long> jobIds, bool openOnly = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(jobIds);
        return database.StreamAsync("list steps", server => Command(server, JobHistorySql.StepsOfRuns,
            new NpgsqlParameter { Value = jobIds.ToArray() }, SqlParameters.Flag(openOnly)), HistoryRows.Step, cancellationToken);
    }

    public IAsyncEnumerable<JobStepRecord> StepsAsync(string jobName, int? jobs = 1, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        CheckLimit(jobs);
        return database.StreamAsync("list steps", server => Command(server, JobHistorySql.StepsOfJob,
            SqlParameters.Text(jobName), SqlParameters.Integer(jobs)), HistoryRows.Step, cancellationToken);
    }

    public async Task<JobStatistics> StatisticsAsync(string jobName, TimeSpan window, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(window, TimeSpan.Zero);
        var rows = new RowStream(database, "count jobs");
        await using var closing = rows.ConfigureAwait(false);
        await rows.OpenAsync(server => Command(server, JobHistorySql.Statistics, SqlParameters.Text(jobName), SqlParameters.Interval(window)),
            cancellationToken).ConfigureAwait(false);
        await rows.NextAsync(cancellationToken).ConfigureAwait(false);
        return HistoryRows.Statistics(rows.Reader);
    }

    /// <exception cref="ArgumentOutOfRangeException">The limit is negative.</exception>
    public static void CheckLimit(int? limit, [CallerArgumentExpression(nameof(limit))] string? name = null)
    {
        if (limit < 0)
            throw new ArgumentOutOfRangeException(name, limit, "A limit is zero or more, or null for all.");
    }

    /// <summary>The query for <paramref name="query"/>; also lists what an export writes.</summary>
    public static NpgsqlCommand ListCommand(JobmonServer server, JobQuery query, string sql = JobHistorySql.List) => Command(server, sql,
        SqlParameters.Text(query.Name), SqlParameters.Text(query.NameMatches), SqlParameters.Text(query.Status), SqlParameters.Text(query.Tag),
        SqlParameters.Instant(query.Since), SqlParameters.Instant(query.Before), SqlParameters.Flag(query.Unfinished), SqlParameters.Integer(query.Limit));

    private static NpgsqlCommand Command(JobmonServer server, string sql, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlCommand(server.Render(sql));
        foreach (var parameter in parameters)
            command.Parameters.Add(parameter);
        return command;
    }
}
