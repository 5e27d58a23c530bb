using System.Runtime.CompilerServices;
using Npgsql;

namespace OmniPg.Jobmon;

/// <inheritdoc cref="IJobHistory"/>
internal sealed class JobHistory(JobmonDatabase database, TimeSpan deadAfter) : IJobHistory
{
    // Lines between --side and --end need the side schema.
    private const string Runs =
        """
        SELECT j.job_id, j.owner, j.job_name, j.start_time, j.end_time, j.status, j.pid,
        --side
            r.job_id IS NOT NULL AS has_run, r.display_name, r.parent_job_id, s.client_name, s.host, s.os_pid, s.heartbeat_at, r.trace_id, r.span_id, r.work_pid,
            r.tags, r.args::text AS args, r.result::text AS result, r.error::text AS error, r.cancel_requested_at, r.cancel_requested_by, r.reaped_at
        --noside
            false
        --end
        FROM jobmon.job_log j
        --side
        LEFT JOIN omnipg_jobmon.run r ON r.job_id = j.job_id
        LEFT JOIN omnipg_jobmon.session s ON s.session_id = r.session_id
        --end

        """;

    // $1 name, $2 pattern, $3 status, $4 tag, $5 since, $6 before, $7 unfinished, $8 limit.
    private const string List = Runs +
        """
        WHERE ($1 IS NULL OR j.job_name = upper($1)) AND ($2 IS NULL OR j.job_name ~* $2) AND ($3 IS NULL OR j.status = $3)
        --side
          AND ($4 IS NULL OR r.tags @> ARRAY[$4])
        --noside
          AND $4 IS NULL
        --end
          AND ($5 IS NULL OR j.start_time >= $5) AND ($6 IS NULL OR j.start_time < $6) AND ($7 IS NULL OR (j.end_time IS NULL) = $7)
        ORDER BY j.job_id DESC LIMIT $8
        """;

    // The same conditions; one JSON object for each run.
    public const string Export =
        """
        SELECT json_build_object('jobId', f.job_id, 'owner', f.owner, 'jobName', f.job_name, 'startTime', f.start_time, 'endTime', f.end_time,
            'status', f.status, 'pid', f.pid, 'steps', coalesce((SELECT json_agg(json_build_object('stepId', d.step_id, 'action', d.action,
                'startTime', d.start_time, 'endTime', d.end_time, 'elapsedSeconds', d.elapsed_time, 'status', d.status, 'message', d.message)
                ORDER BY d.step_id) FROM jobmon.job_detail d WHERE d.job_id = f.job_id), '[]'))::text
        FROM (
        """ + "\n" + List + ") f ORDER BY f.job_id DESC";

    // A run of the SDK is at work while its process lives; any other while its backend is not idle and not younger than the run.
    public const string IsAtWork =
        """
        j.status IS NULL AND j.end_time IS NULL AND
        --side
            CASE WHEN s.session_id IS NOT NULL THEN coalesce(omnipg_jobmon.session_is_live(s.session_id, $2), false) ELSE
        --noside
            CASE WHEN true THEN $2 IS NOT NULL AND
        --end
            EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.pid = j.pid AND a.state <> 'idle'
                AND (a.backend_start IS NULL OR a.backend_start <= j.start_time)) END
        """;

    // $1 limit, $2 age of the last heartbeat at which a process counts as dead.
    private const string Running = Runs + "WHERE " + IsAtWork + "\nORDER BY j.job_id DESC LIMIT $1";

    // $1 highest run seen, $2 runs whose end is awaited. In order of their ids.
    public const string Changed = Runs + "WHERE j.job_id > $1 OR j.job_id = ANY ($2) ORDER BY j.job_id";

    private const string Steps =
        """
        SELECT d.job_id, d.step_id, d.action, d.start_time, d.end_time, d.elapsed_time, d.status, d.message,
        --side
            x.step_id IS NOT NULL, x.parent_step_id, x.ordinal, x.current, x.total, x.unit, x.progress_at, x.rows_affected, x.error::text
        --noside
            false
        --end
        FROM jobmon.job_detail d
        --side
        LEFT JOIN omnipg_jobmon.step x ON x.step_id = d.step_id
        --end

        """;

    // $1 runs, $2 whether only open ones. Progress of a SQL caller moves end_time with each report, so that says nothing here.
    private const string StepsOfRuns = Steps +
        """
        WHERE d.job_id = ANY ($1) AND (NOT $2 OR d.status IS NULL OR d.status = 'PENDING')
        ORDER BY d.job_id DESC, d.step_id
        """;

    private const string StepsOfJob = Steps +
        """
        WHERE d.job_id IN (SELECT j.job_id FROM jobmon.job_log j WHERE j.job_name = upper($1) ORDER BY j.job_id DESC LIMIT $2)
        ORDER BY d.job_id DESC, d.step_id
        """;

    // $1 name, $2 window.
    private const string Statistics =
        """
        SELECT upper($1), count(*), count(*) FILTER (WHERE f.good), count(*) FILTER (WHERE NOT f.good AND f.end_time IS NOT NULL),
            count(*) FILTER (WHERE f.end_time IS NULL),
            avg(f.took) FILTER (WHERE f.good), percentile_cont(0.5) WITHIN GROUP (ORDER BY f.took) FILTER (WHERE f.good),
            percentile_cont(0.95) WITHIN GROUP (ORDER BY f.took) FILTER (WHERE f.good), max(f.took) FILTER (WHERE f.good),
            max(f.start_time), max(f.end_time) FILTER (WHERE f.good)
        FROM (SELECT j.start_time, j.end_time, extract(epoch FROM j.end_time - j.start_time)::double precision AS took,
                j.end_time IS NOT NULL AND coalesce(j.status = (SELECT t.alert_text FROM jobmon.job_status_text t WHERE t.alert_code = 1), false) AS good
              FROM jobmon.job_log j WHERE j.job_name = upper($1) AND j.start_time > now() - $2) f
        """;

    public IAsyncEnumerable<JobRecord> ListAsync(JobQuery query, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        return database.StreamAsync("list jobs", server => ListCommand(server, query), ReadJob, cancellationToken);
    }

    public IAsyncEnumerable<JobRecord> RunningAsync(int? limit = 10, CancellationToken cancellationToken = default)
    {
        CheckLimit(limit);
        return database.StreamAsync("list running jobs", server => Command(server, Running,
            PgParameter.Integer(limit), PgParameter.Interval(deadAfter)), ReadJob, cancellationToken);
    }

    public IAsyncEnumerable<JobStepRecord> StepsAsync(IReadOnlyCollection<long> jobIds, bool openOnly = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(jobIds);
        return database.StreamAsync("list steps", server => Command(server, StepsOfRuns,
            PgParameter.BigInts(jobIds), PgParameter.Flag(openOnly)), ReadStep, cancellationToken);
    }

    public IAsyncEnumerable<JobStepRecord> StepsAsync(string jobName, int? jobs = 1, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        CheckLimit(jobs);
        return database.StreamAsync("list steps", server => Command(server, StepsOfJob,
            PgParameter.Text(jobName), PgParameter.Integer(jobs)), ReadStep, cancellationToken);
    }

    public Task<JobStatistics> StatisticsAsync(string jobName, PgInterval window, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(window.Estimate, TimeSpan.Zero, nameof(window));
        return database.RunAsync("count jobs", async (session, server) => (await session.RowAsync(
            server.RequireInstalled().Render(Statistics), ReadStatistics, PgParameter.Text(jobName), PgParameter.Interval(window)).ConfigureAwait(false))!,
            cancellationToken);
    }

    /// <exception cref="ArgumentOutOfRangeException">The limit is negative.</exception>
    public static int? CheckLimit(int? limit, [CallerArgumentExpression(nameof(limit))] string? name = null) =>
        limit is >= 0 or null ? limit : throw new ArgumentOutOfRangeException(name, limit, "A limit is zero or more, or null for all.");

    /// <summary>The query for <paramref name="query"/>; also lists what an export writes.</summary>
    public static NpgsqlCommand ListCommand(JobmonServer server, JobQuery query, string sql = List) => Command(server, sql,
        PgParameter.Text(query.Name), PgParameter.Text(query.NameMatches), PgParameter.Text(query.Status), PgParameter.Text(query.Tag),
        PgParameter.Instant(query.Since), PgParameter.Instant(query.Before), PgParameter.Flag(query.Unfinished), PgParameter.Integer(query.Limit));

    private static NpgsqlCommand Command(JobmonServer server, string sql, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlCommand(server.RequireInstalled().Render(sql));
        foreach (var parameter in parameters)
            command.Parameters.Add(parameter);
        return command;
    }

    public static JobRecord ReadJob(NpgsqlDataReader row)
    {
        var job = new JobRecord
        {
            JobId = row.GetInt64(0),
            Owner = row.GetString(1),
            JobName = row.GetString(2),
            StartTime = row.GetFieldValue<DateTimeOffset>(3),
            EndTime = row.Instant(4),
            Status = row.Text(5),
            Pid = row.GetInt32(6),
        };
        return !row.GetBoolean(7) ? job : job with
        {
            DisplayName = row.Text(8),
            ParentJobId = row.BigInt(9),
            ClientName = row.Text(10),
            Host = row.Text(11),
            ProcessId = (int?)row.BigInt(12),
            LastSeen = row.Instant(13),
            TraceId = row.Text(14),
            SpanId = row.Text(15),
            WorkPid = (int?)row.BigInt(16),
            Tags = row.IsDBNull(17) ? [] : row.GetFieldValue<string[]>(17),
            Arguments = row.Text(18),
            Result = row.Text(19),
            Error = row.Text(20),
            CancelRequestedAt = row.Instant(21),
            CancelRequestedBy = row.Text(22),
            ReapedAt = row.Instant(23),
        };
    }

    private static JobStepRecord ReadStep(NpgsqlDataReader row)
    {
        var step = new JobStepRecord
        {
            JobId = row.GetInt64(0),
            StepId = row.GetInt64(1),
            Action = row.GetString(2),
            StartTime = row.GetFieldValue<DateTimeOffset>(3),
            EndTime = row.Instant(4),
            ElapsedSeconds = row.IsDBNull(5) ? null : row.GetFloat(5),
            Status = row.Text(6),
            Message = row.Text(7),
        };
        return !row.GetBoolean(8) ? step : step with
        {
            ParentStepId = row.BigInt(9),
            Ordinal = (int?)row.BigInt(10),
            Current = row.BigInt(11),
            Total = row.BigInt(12),
            Unit = row.Text(13),
            ProgressAt = row.Instant(14),
            RowsAffected = row.BigInt(15),
            Error = row.Text(16),
        };
    }

    private static JobStatistics ReadStatistics(NpgsqlDataReader row) => new()
    {
        JobName = row.GetString(0),
        Runs = row.GetInt64(1),
        Succeeded = row.GetInt64(2),
        Failed = row.GetInt64(3),
        Unfinished = row.GetInt64(4),
        Mean = Seconds(row, 5),
        Median = Seconds(row, 6),
        Percentile95 = Seconds(row, 7),
        Longest = Seconds(row, 8),
        LastStart = row.Instant(9),
        LastSuccess = row.Instant(10),
    };

    private static TimeSpan? Seconds(NpgsqlDataReader row, int column) =>
        row.IsDBNull(column) ? null : TimeSpan.FromSeconds(Math.Max(0, row.GetDouble(column)));
}
