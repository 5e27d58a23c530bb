using Npgsql;

namespace OmniPg.Jobmon;

internal sealed partial class JobmonAdmin
{
    public CheckBuilder Rule(string jobName)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        return new CheckBuilder(jobName, (rule, active, ct) =>
            database.RunAsync("manage: rule", (connection, server, token) =>
                CheckRuleWriter.SaveAsync(connection, server.RequireInstalled(), rule, active, token), ct));
    }

    public Task<IReadOnlyList<JobRule>> ListRulesAsync(CancellationToken cancellationToken = default) =>
        RunAsync<IReadOnlyList<JobRule>>("read rules", async (connection, server, ct) =>
        {
            using var command = new NpgsqlCommand(server.Render(JobmonAdminSql.Rules), connection) { CommandTimeout = server.CommandTimeoutSeconds };
            var rows = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
            await using var closing = rows.ConfigureAwait(false);
            var rules = new List<JobRule>();
            while (await rows.ReadAsync(ct).ConfigureAwait(false))
                rules.Add(Rule(rows));
            return rules;
        }, cancellationToken);

    private static JobRule Rule(NpgsqlDataReader row) => new()
    {
        JobName = row.GetString(0),
        Active = row.GetBoolean(1),
        WarnThreshold = HistoryRows.Text(row, 2),
        ErrorThreshold = HistoryRows.Text(row, 3),
        Sensitivity = row.IsDBNull(4) ? null : row.GetInt16(4),
        Escalate = row.IsDBNull(5) ? null : row.GetInt32(5),
        Cron = HistoryRows.Text(row, 6),
        TimeZone = HistoryRows.Text(row, 7),
        StartGrace = HistoryRows.Text(row, 8),
        MaxRuntime = HistoryRows.Text(row, 9),
        MinRuntime = HistoryRows.Text(row, 10),
        LongerThanUsual = row.IsDBNull(11) ? null : row.GetDouble(11),
        StallAfter = HistoryRows.Text(row, 12),
        MutedUntil = HistoryRows.Instant(row, 13),
        MutedBy = HistoryRows.Text(row, 14),
        MutedWhy = HistoryRows.Text(row, 15),
    };

    public Task<int> AcknowledgeAsync(string jobName, string by, string? why = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        return AcknowledgeAsync(jobName, null, by, why, cancellationToken);
    }

    public Task<int> AcknowledgeAsync(long jobId, string by, string? why = null, CancellationToken cancellationToken = default) =>
        AcknowledgeAsync(null, jobId, by, why, cancellationToken);

    private Task<int> AcknowledgeAsync(string? jobName, long? jobId, string by, string? why, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(by);
        return RunAsync("manage: acknowledge", async (connection, server, ct) =>
        {
            using var command = new NpgsqlCommand(server.Render(JobmonAdminSql.Acknowledge), connection)
            {
                CommandTimeout = server.CommandTimeoutSeconds,
                Parameters =
                {
                    SqlParameters.Text(jobName), SqlParameters.Text(by), SqlParameters.Text(why),
                    new NpgsqlParameter { Value = (object?)jobId ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Bigint },
                },
            };
            return (int)(await command.ExecuteScalarAsync(ct).ConfigureAwait(false))!;
        }, cancellationToken);
    }

    public Task MuteAsync(string jobName, DateTimeOffset? until, string by, string? why = null, CancellationToken cancellationToken = default) =>
        MuteAsync(until is null ? JobmonAdminSql.Unmute : JobmonAdminSql.Mute, jobName, SqlParameters.Instant(until), by, why, cancellationToken);

    public async Task<DateTimeOffset> MuteForAsync(
        string jobName, string interval, string by, string? why = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(interval);
        return await MuteAsync(JobmonAdminSql.MuteFor, jobName, SqlParameters.Text(interval), by, why, cancellationToken).ConfigureAwait(false)
            ?? throw new ArgumentException($"A job is muted for longer than zero, not for '{interval}'.", nameof(interval));
    }

    private Task<DateTimeOffset?> MuteAsync(string sql, string jobName, NpgsqlParameter until, string by, string? why, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        ArgumentException.ThrowIfNullOrWhiteSpace(by);
        return RunAsync("manage: mute", async (connection, server, ct) =>
        {
            await SideSchema.RequireAsync(connection, server, ct).ConfigureAwait(false);
            using var command = new NpgsqlCommand(server.Render(sql), connection)
            {
                CommandTimeout = server.CommandTimeoutSeconds,
                Parameters = { SqlParameters.Text(jobName), until, SqlParameters.Text(by), SqlParameters.Text(why) },
            };
            var row = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
            await using var closing = row.ConfigureAwait(false);
            return await row.ReadAsync(ct).ConfigureAwait(false) ? HistoryRows.Instant(row, 0) : null;
        }, cancellationToken);
    }

    public Task<IReadOnlyDictionary<int, string>> StatusTextsAsync(CancellationToken cancellationToken = default) =>
        RunAsync<IReadOnlyDictionary<int, string>>("read texts", async (connection, server, ct) =>
        {
            using var command = new NpgsqlCommand(server.Render(JobMonitorSql.StatusTexts), connection) { CommandTimeout = server.CommandTimeoutSeconds };
            var rows = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
            await using var closing = rows.ConfigureAwait(false);
            var texts = new SortedDictionary<int, string>();
            while (await rows.ReadAsync(ct).ConfigureAwait(false))
                texts[rows.GetInt32(0)] = rows.GetString(1);
            return texts;
        }, cancellationToken);

    public Task SetStatusTextAsync(AlertLevel level, string text, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(text);
        ArgumentOutOfRangeException.ThrowIfLessThan(level.Code, 1, nameof(level));
        return RunAsync("manage: status text", async (connection, server, ct) =>
        {
            using var command = new NpgsqlCommand(server.Render(JobmonAdminSql.SetStatusText), connection)
            {
                CommandTimeout = server.CommandTimeoutSeconds,
                Parameters = { SqlParameters.Integer(level.Code), SqlParameters.Text(text) },
            };
            return await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false) == 1
                ? true : throw new ArgumentException($"The text '{text}' stands for another code already, and a status must mean one code.", nameof(text));
        }, cancellationToken);
    }
}
