namespace OmniPg.Jobmon;

/// <summary>Saves a rule in the transaction of its caller.</summary>
internal static class CheckRuleWriter
{
    public static async Task<bool> SaveAsync(PgSession session, JobmonServer server, CheckBuilder check, bool active)
    {
        var rule = check.Rule;
        if (check.NeedsSideSchema)
            await SideSchema.RequireAsync(session, server).ConfigureAwait(false);
        var (warn, error) = await JudgeAsync(session, server, rule).ConfigureAwait(false);
        var hasThresholds = rule.WarnThreshold is not null || rule.ErrorThreshold is not null || rule.Sensitivity is not null || check.SetsEscalate;
        if (warn is not null && error is not null)
        {
            await session.ExecuteAsync(
                server.Render(JobmonAdminSql.SaveThresholds), PgParameter.Text(rule.JobName), PgParameter.Interval(warn), PgParameter.Interval(error),
                PgParameter.Flag(active), PgParameter.Integer(rule.Sensitivity), PgParameter.Integer(rule.Escalate), PgParameter.Flag(check.SetsEscalate)).ConfigureAwait(false);
        }
        else if (hasThresholds || !check.NeedsSideSchema)
        {
            throw new ArgumentException(active || hasThresholds
                ? $"The rule for job '{rule.JobName}' needs both a warning and an error threshold."
                : $"Job '{rule.JobName}' has no rule to turn off; a new one that is off needs both a warning and an error threshold, too.");
        }
        // A job without a schedule or limit has no row, so that turning a plain rule off leaves no trace in the side schema.
        if (check.NeedsSideSchema)
        {
            await session.ExecuteAsync(
                server.Render(JobmonAdminSql.SaveSchedule), PgParameter.Text(rule.JobName), PgParameter.Flag(active), PgParameter.Text(rule.Cron),
                PgParameter.Text(rule.TimeZone), PgParameter.Interval(rule.StartGrace), PgParameter.Interval(rule.MaxRuntime), PgParameter.Interval(rule.MinRuntime),
                PgParameter.Double(rule.LongerThanUsual), PgParameter.Interval(rule.StallAfter)).ConfigureAwait(false);
        }
        else if (server.HasSide)
        {
            await session.ExecuteAsync(server.Render(JobmonAdminSql.SwitchSchedule), PgParameter.Text(rule.JobName), PgParameter.Flag(active)).ConfigureAwait(false);
        }
        return true;
    }

    // Together with what is stored, which may stand for one of the two.
    private static async Task<(PgInterval? Warn, PgInterval? Error)> JudgeAsync(PgSession session, JobmonServer server, JobRule rule)
    {
        var (tooLong, tooShort, warn, error) = await session.RowAsync(
            server.Render(JobmonAdminSql.JudgeThresholds), row => (row.IsTrue(0), row.IsTrue(1), row.Interval(2), row.Interval(3)),
            PgParameter.Text(rule.JobName), PgParameter.Interval(rule.WarnThreshold), PgParameter.Interval(rule.ErrorThreshold)).ConfigureAwait(false);
        if (tooLong)
            throw new ArgumentException($"The warning threshold '{warn}' of job '{rule.JobName}' is longer than the error threshold '{error}'.");
        if (tooShort)
            throw new ArgumentException($"The thresholds '{warn}' and '{error}' of job '{rule.JobName}' must be longer than zero.");
        return (warn, error);
    }
}
