using System.Globalization;
using Npgsql;

namespace OmniPg.Jobmon;

/// <inheritdoc cref="IJobMonitor"/>
/// <param name="database">Where the log is.</param>
/// <param name="deadAfter">Age of a dead heartbeat.</param>
/// <param name="time">Clock of the waits.</param>
/// <param name="waiting">Counts the events of the own client that the log does not have yet; null where none can be.</param>
internal sealed class JobMonitor(JobmonDatabase database, TimeSpan deadAfter, TimeProvider time, Func<int>? waiting = null) : IJobMonitor
{
    public Task<JobCheckReport> CheckAsync(TimeSpan? history = null, CancellationToken cancellationToken = default) => CheckTextAsync(
        history is { } h ? string.Create(CultureInfo.InvariantCulture, $"{h.TotalSeconds:0.######} seconds") : null, cancellationToken);

    public Task<JobCheckReport> CheckIntervalAsync(string history, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(history);
        return CheckTextAsync(history, cancellationToken);
    }

    public IAsyncEnumerable<JobEvent> WatchAsync(CancellationToken cancellationToken = default) =>
        new JobWatcher(database, time).WatchAsync(cancellationToken);

    public async Task<IReadOnlyList<ConfigFinding>> LintAsync(CancellationToken cancellationToken = default) =>
        await database.RunAsync("lint", async (connection, server, ct) =>
        {
            var findings = new List<ConfigFinding>();
            using (var command = new NpgsqlCommand(server.RequireInstalled().Render(JobMonitorSql.Lint), connection) { CommandTimeout = server.CommandTimeoutSeconds })
            {
                var rows = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
                await using var closing = rows.ConfigureAwait(false);
                while (await rows.ReadAsync(ct).ConfigureAwait(false))
                    findings.Add(new ConfigFinding(HistoryRows.Text(rows, 0), rows.GetString(1), rows.GetString(2)));
            }
            foreach (var rule in server.HasSide ? await ScheduleRule.ReadAsync(connection, server, ct).ConfigureAwait(false) : [])
            {
                if (rule.WhyInvalid() is { } reason)
                    findings.Add(new ConfigFinding(rule.JobName, "schedule-invalid", reason));
            }
            return findings;
        }, cancellationToken).ConfigureAwait(false);

    private async Task<JobCheckReport> CheckTextAsync(string? history, CancellationToken cancellationToken)
    {
        var (report, mayReap) = await database.RunAsync("check", (c, s, ct) => CheckAsync(c, s.RequireInstalled(), history, ct), cancellationToken)
            .ConfigureAwait(false);
        if (mayReap && report.Alerts.Any(a => a.Status == JobAlertStatus.Died))
            await Reaper.ReapAsync(database, deadAfter, foreign: false, cancellationToken).ConfigureAwait(false);
        return report with { WaitingEvents = waiting?.Invoke() ?? 0 };
    }

    private async Task<(JobCheckReport Report, bool MayReap)> CheckAsync(
        NpgsqlConnection connection, JobmonServer server, string? history, CancellationToken cancellationToken)
    {
        using var prepare = new NpgsqlCommand(server.Render(JobMonitorSql.Prepare), connection)
        {
            CommandTimeout = server.CommandTimeoutSeconds,
            Parameters = { SqlParameters.Text(history) },
        };
        var first = await prepare.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        DateTimeOffset checkedAt;
        bool standby, mayReap;
        await using (first.ConfigureAwait(false))
        {
            await first.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (first.GetBoolean(1))
                throw new ArgumentException("The history must be greater than or equal to the longest threshold in job_check_config.", nameof(history));
            history = first.GetString(0);
            (checkedAt, standby, mayReap) = (first.GetFieldValue<DateTimeOffset>(2), first.GetBoolean(3), first.GetBoolean(4));
        }

        using var batch = new NpgsqlBatch(connection) { Timeout = server.CommandTimeoutSeconds };
        Add(batch, JobMonitorSql.NoCompilation);
        Add(batch, JobmonSchemaScript.Check(server, "$1::text::interval", "$2"), SqlParameters.Text(history), SqlParameters.Interval(deadAfter));
        Add(batch, server.Render(JobMonitorSql.StatusTexts));
        Add(batch, server.Render(JobMonitorSql.CountRunning), SqlParameters.Integer(null), SqlParameters.Interval(deadAfter));
        var report = await ReadAsync(batch, checkedAt, standby, cancellationToken).ConfigureAwait(false);
        var schedules = server.HasSide ? await ScheduleRule.ReadAsync(connection, server, cancellationToken).ConfigureAwait(false) : [];
        return (CheckReportBuilder.Finish(report, schedules.Select(rule => rule.Check(checkedAt)).OfType<JobAlert>()), mayReap && server.HasSide && !standby);
    }

    private static void Add(NpgsqlBatch batch, string sql, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = batch.CreateBatchCommand();
        command.CommandText = sql;
        foreach (var parameter in parameters)
            command.Parameters.Add(parameter);
        batch.BatchCommands.Add(command);
    }

    private static async Task<JobCheckReport> ReadAsync(NpgsqlBatch batch, DateTimeOffset checkedAt, bool standby, CancellationToken cancellationToken)
    {
        var rows = await batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = rows.ConfigureAwait(false);
        await rows.NextResultAsync(cancellationToken).ConfigureAwait(false);
        var alerts = new List<JobAlert>();
        while (await rows.ReadAsync(cancellationToken).ConfigureAwait(false))
            alerts.Add(CheckReportBuilder.Alert(rows));

        await rows.NextResultAsync(cancellationToken).ConfigureAwait(false);
        var texts = new SortedDictionary<int, string>();
        while (await rows.ReadAsync(cancellationToken).ConfigureAwait(false))
            texts[rows.GetInt32(0)] = rows.GetString(1);

        await rows.NextResultAsync(cancellationToken).ConfigureAwait(false);
        await rows.ReadAsync(cancellationToken).ConfigureAwait(false);
        return new JobCheckReport
        {
            Alerts = alerts, Worst = AlertLevel.Ok, CheckedAt = checkedAt, OnStandby = standby, StatusTexts = texts, RunningJobs = rows.GetInt32(0),
        };
    }
}
