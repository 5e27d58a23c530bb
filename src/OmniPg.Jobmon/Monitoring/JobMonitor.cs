using Npgsql;

namespace OmniPg.Jobmon;

/// <inheritdoc cref="IJobMonitor"/>
/// <param name="database">Where the log is.</param>
/// <param name="deadAfter">Age of a dead heartbeat.</param>
/// <param name="time">Clock of the waits.</param>
/// <param name="waiting">Counts the events of the own client that the log does not have yet; null where none can be.</param>
internal sealed class JobMonitor(JobmonDatabase database, TimeSpan deadAfter, TimeProvider time, Func<int>? waiting = null) : IJobMonitor
{
    public async Task<JobCheckResult> CheckAsync(PgInterval? history = null, CancellationToken cancellationToken = default)
    {
        var (check, mayReap) = await database.RunAsync("check", (session, server) => CheckAsync(session, server.RequireInstalled(), history), cancellationToken)
            .ConfigureAwait(false);
        if (mayReap && check.Alerts.Any(a => a.Status == JobAlertStatus.Died))
            await Reaper.ReapAsync(database, deadAfter, foreign: false, cancellationToken).ConfigureAwait(false);
        return check with { WaitingEvents = waiting?.Invoke() ?? 0 };
    }

    public IAsyncEnumerable<JobEvent> WatchAsync(CancellationToken cancellationToken = default) =>
        new JobWatcher(database, time).WatchAsync(cancellationToken);

    public async Task<IReadOnlyList<ConfigFinding>> LintAsync(CancellationToken cancellationToken = default) =>
        await database.RunAsync("lint", async (session, server) =>
        {
            var findings = await session.RowsAsync(
                server.RequireInstalled().Render(JobMonitorSql.Lint), row => new ConfigFinding(row.Text(0), row.GetString(1), row.GetString(2))).ConfigureAwait(false);
            var schedules = server.HasSide ? await ScheduleRule.ReadAsync(session, server).ConfigureAwait(false) : [];
            var invalid = from rule in schedules
                          let reason = rule.WhyInvalid()
                          where reason is not null
                          select new ConfigFinding(rule.JobName, "schedule-invalid", reason);
            return (IReadOnlyList<ConfigFinding>)[.. findings, .. invalid];
        }, cancellationToken).ConfigureAwait(false);

    private async Task<(JobCheckResult Check, bool MayReap)> CheckAsync(PgSession session, JobmonServer server, PgInterval? history)
    {
        var (window, tooShort, checkedAt, standby, mayReap) = await session.RowAsync(
            server.Render(JobMonitorSql.Prepare),
            row => (row.GetString(0), row.GetBoolean(1), row.GetFieldValue<DateTimeOffset>(2), row.GetBoolean(3), row.GetBoolean(4)),
            PgParameter.Text(history?.ToString())).ConfigureAwait(false);
        if (tooShort)
            throw new ArgumentException("The history must be greater than or equal to the longest threshold in job_check_config.", nameof(history));

        using var batch = new NpgsqlBatch(session.Connection) { Timeout = session.CommandTimeoutSeconds };
        Add(batch, JobMonitorSql.NoCompilation);
        Add(batch, server.Render(JobmonServer.Script("check-rows.sql"), ("@history@", "$1::text::interval"), ("@dead.after@", "$2")), PgParameter.Text(window), PgParameter.Interval(deadAfter));
        Add(batch, server.Render(JobMonitorSql.StatusTexts));
        Add(batch, server.Render(JobMonitorSql.CountRunning), PgParameter.Integer(null), PgParameter.Interval(deadAfter));
        var check = await ReadAsync(batch, checkedAt, standby, session.CancellationToken).ConfigureAwait(false);
        var schedules = server.HasSide ? await ScheduleRule.ReadAsync(session, server).ConfigureAwait(false) : [];
        return (check.With(schedules.Select(rule => rule.Check(checkedAt)).OfType<JobAlert>()), mayReap && server.HasSide && !standby);
    }

    private static void Add(NpgsqlBatch batch, string sql, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = batch.CreateBatchCommand();
        command.CommandText = sql;
        foreach (var parameter in parameters)
            command.Parameters.Add(parameter);
        batch.BatchCommands.Add(command);
    }

    private static async Task<JobCheckResult> ReadAsync(NpgsqlBatch batch, DateTimeOffset checkedAt, bool standby, CancellationToken cancellationToken)
    {
        var rows = await batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = rows.ConfigureAwait(false);
        await rows.NextResultAsync(cancellationToken).ConfigureAwait(false);
        var alerts = new List<JobAlert>();
        while (await rows.ReadAsync(cancellationToken).ConfigureAwait(false))
            alerts.Add(JobAlert.Read(rows));

        await rows.NextResultAsync(cancellationToken).ConfigureAwait(false);
        var texts = new SortedDictionary<int, string>();
        while (await rows.ReadAsync(cancellationToken).ConfigureAwait(false))
            texts[rows.GetInt32(0)] = rows.GetString(1);

        await rows.NextResultAsync(cancellationToken).ConfigureAwait(false);
        await rows.ReadAsync(cancellationToken).ConfigureAwait(false);
        return new JobCheckResult
        {
            Alerts = alerts, Worst = AlertLevel.Ok, CheckedAt = checkedAt, OnStandby = standby, StatusTexts = texts, RunningJobs = rows.GetInt32(0),
        };
    }
}
