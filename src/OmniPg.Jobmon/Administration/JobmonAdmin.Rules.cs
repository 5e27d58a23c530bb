using Npgsql;

namespace OmniPg.Jobmon;

internal sealed partial class JobmonAdmin
{
    public CheckBuilder Check(string jobName)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        return new CheckBuilder(jobName, (rule, active, ct) =>
            database.RunAsync("manage: rule", (connection, server, token) =>
                CheckRuleWriter.SaveAsync(connection, server.RequireInstalled(), rule, active, token), ct));
    }

    public Task<int> AcknowledgeAsync(string jobName, string by, string? why = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        ArgumentException.ThrowIfNullOrWhiteSpace(by);
        return RunAsync("manage: acknowledge", async (connection, server, ct) =>
        {
            using var command = new NpgsqlCommand(server.Render(JobmonAdminSql.Acknowledge), connection)
            {
                CommandTimeout = server.CommandTimeoutSeconds,
                Parameters = { SqlParameters.Text(jobName), SqlParameters.Text(by), SqlParameters.Text(why) },
            };
            return (int)(await command.ExecuteScalarAsync(ct).ConfigureAwait(false))!;
        }, cancellationToken);
    }

    public Task MuteAsync(string jobName, DateTimeOffset? until, string by, string? why = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        ArgumentException.ThrowIfNullOrWhiteSpace(by);
        return RunAsync("manage: mute", async (connection, server, ct) =>
        {
            await SideSchema.RequireAsync(connection, server, ct).ConfigureAwait(false);
            using var command = new NpgsqlCommand(server.Render(JobmonAdminSql.Mute), connection)
            {
                CommandTimeout = server.CommandTimeoutSeconds,
                Parameters = { SqlParameters.Text(jobName), SqlParameters.Instant(until), SqlParameters.Text(by), SqlParameters.Text(why) },
            };
            return await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
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
