using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Jobmon;

/// <summary>Saves a rule in the transaction of its caller, after the server has judged its intervals.</summary>
internal static class CheckRuleWriter
{
    public static async Task<bool> SaveAsync(
        NpgsqlConnection connection, JobmonServer server, CheckBuilder rule, bool active, CancellationToken cancellationToken)
    {
        if (rule.NeedsSideSchema)
            await SideSchema.RequireAsync(connection, server, cancellationToken).ConfigureAwait(false);
        var hasThresholds = rule.WarnThreshold is not null || rule.ErrorThreshold is not null || rule.SensitivityCount is not null || rule.EscalateSet;
        var (warn, error) = await JudgeAsync(connection, server, rule, cancellationToken).ConfigureAwait(false);
        if (warn is not null && error is not null)
            await SaveThresholdsAsync(connection, server, rule, active, (warn, error), cancellationToken).ConfigureAwait(false);
        else if (hasThresholds || !rule.NeedsSideSchema)
            throw new ArgumentException(active || hasThresholds
                ? $"The rule for job '{rule.JobName}' needs both a warning and an error threshold."
                : $"Job '{rule.JobName}' has no rule to turn off; a new one that is off needs both a warning and an error threshold, too.");
        if (rule.NeedsSideSchema)
            await JudgeLimitsAsync(connection, server, rule, cancellationToken).ConfigureAwait(false);
        if (server.HasSide)
            await SaveScheduleAsync(connection, server, rule, active, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private static async Task<(string? Warn, string? Error)> JudgeAsync(
        NpgsqlConnection connection, JobmonServer server, CheckBuilder rule, CancellationToken cancellationToken)
    {
        using var command = new NpgsqlCommand(server.Render(JobmonAdminSql.JudgeThresholds), connection)
        {
            CommandTimeout = server.CommandTimeoutSeconds,
            Parameters = { SqlParameters.Text(rule.JobName), SqlParameters.Text(rule.WarnThreshold), SqlParameters.Text(rule.ErrorThreshold) },
        };
        try
        {
            var row = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using var closing = row.ConfigureAwait(false);
            await row.ReadAsync(cancellationToken).ConfigureAwait(false);
            var (warn, error) = (HistoryRows.Text(row, 3), HistoryRows.Text(row, 4));
            if (!row.IsDBNull(1) && row.GetBoolean(1))
                throw new ArgumentException($"The warning threshold '{warn}' of job '{rule.JobName}' is longer than the error threshold '{error}'.");
            if (!row.IsDBNull(2) && row.GetBoolean(2))
                throw new ArgumentException($"The thresholds '{warn}' and '{error}' of job '{rule.JobName}' must be longer than zero.");
            return (warn, error);
        }
        catch (PostgresException refusal) when (IsNoInterval(refusal))
        {
            throw new ArgumentException($"A threshold of job '{rule.JobName}' is not an interval: {refusal.MessageText}", refusal);
        }
    }

    private static async Task JudgeLimitsAsync(NpgsqlConnection connection, JobmonServer server, CheckBuilder rule, CancellationToken cancellationToken)
    {
        using var command = new NpgsqlCommand(JobmonAdminSql.JudgeLimits, connection)
        {
            CommandTimeout = server.CommandTimeoutSeconds,
            Parameters = { SqlParameters.Text(rule.Grace), SqlParameters.Text(rule.Longest), SqlParameters.Text(rule.Shortest), SqlParameters.Text(rule.Stall) },
        };
        try
        {
            var row = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using var closing = row.ConfigureAwait(false);
            if (await row.ReadAsync(cancellationToken).ConfigureAwait(false))
                throw new ArgumentException($"The {row.GetString(0)} of job '{rule.JobName}' cannot be '{row.GetString(1)}': it must be longer than zero.");
        }
        catch (PostgresException refusal) when (IsNoInterval(refusal))
        {
            throw new ArgumentException($"A limit of job '{rule.JobName}' is not an interval: {refusal.MessageText}", refusal);
        }
    }

    private static bool IsNoInterval(PostgresException refusal) => refusal.SqlState is PostgresErrorCodes.InvalidDatetimeFormat
        or PostgresErrorCodes.IntervalFieldOverflow or PostgresErrorCodes.DatetimeFieldOverflow;

    private static async Task SaveThresholdsAsync(
        NpgsqlConnection connection, JobmonServer server, CheckBuilder rule, bool active, (string Warn, string Error) thresholds, CancellationToken cancellationToken)
    {
        using var save = new NpgsqlCommand(server.Render(JobmonAdminSql.SaveThresholds), connection)
        {
            CommandTimeout = server.CommandTimeoutSeconds,
            Parameters =
            {
                SqlParameters.Text(rule.JobName), SqlParameters.Text(thresholds.Warn), SqlParameters.Text(thresholds.Error), SqlParameters.Flag(active),
                SqlParameters.Integer(rule.SensitivityCount), SqlParameters.Integer(rule.EscalateCount), SqlParameters.Flag(rule.EscalateSet),
            },
        };
        await save.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    private static async Task SaveScheduleAsync(
        NpgsqlConnection connection, JobmonServer server, CheckBuilder rule, bool active, CancellationToken cancellationToken)
    {
        // A job without any of these has no row, so that turning a plain rule off leaves no trace in the side schema.
        var sql = rule.NeedsSideSchema ? JobmonAdminSql.SaveSchedule
            : "UPDATE @side@.check_rule SET active = $2 WHERE job_name = upper($1) AND active <> $2";
        using var save = new NpgsqlCommand(server.Render(sql), connection)
        {
            CommandTimeout = server.CommandTimeoutSeconds,
            Parameters = { SqlParameters.Text(rule.JobName), SqlParameters.Flag(active) },
        };
        if (rule.NeedsSideSchema)
        {
            save.Parameters.Add(SqlParameters.Text(rule.CronText));
            save.Parameters.Add(SqlParameters.Text(rule.TimeZoneName));
            save.Parameters.Add(SqlParameters.Text(rule.Grace));
            save.Parameters.Add(SqlParameters.Text(rule.Longest));
            save.Parameters.Add(SqlParameters.Text(rule.Shortest));
            save.Parameters.Add(new NpgsqlParameter { Value = (object?)rule.Anomaly ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Double });
            save.Parameters.Add(SqlParameters.Text(rule.Stall));
        }
        await save.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }
}
