namespace OmniPg.Jobmon.Tests.Testing;

/// <summary>SQL as jobs and steps, run on the server by both kinds of log.</summary>
internal static class SqlScenarios
{
    public static IReadOnlyList<Scenario> All { get; } =
    [
        new("SQL as jobs", async stage =>
        {
            var options = new SqlJobOptions { DataSource = stage.DataSource };
            var good = await stage.Jobmon.RunSqlAsync("counts", "SELECT generate_series(1, 3) AS \"it's\"; SELECT 1", options, stage.Stop);
            stage.Note((good.Succeeded, good.RowsAffected, good.Skipped, good.Error?.Message));
            var bad = await stage.Jobmon.RunSqlAsync("fails", "SELECT 1/0", options, stage.Stop);
            stage.Note((bad.Succeeded, bad.RowsAffected, bad.Skipped, bad.Error?.Message));
            using var holder = stage.Jobmon.Job("counts").SingleInstance().Start();
            var skipped = await stage.Jobmon.RunSqlAsync("counts", "SELECT 1", options, stage.Stop);
            stage.Note((skipped.Succeeded, skipped.RowsAffected, skipped.Skipped, skipped.Error?.Message));
            holder.Complete();
        }),
        new("SQL as steps", async stage =>
        {
            using var job = stage.Jobmon.Start("steps of SQL");
            await using var connection = await stage.DataSource.OpenConnectionAsync(stage.Stop);
            job.Attach(connection);
            stage.Note((await job.SqlStepAsync("alone", "SELECT generate_series(1, 4)", connection, cancellationToken: stage.Stop)).RowsAffected);
            await using var transaction = await connection.BeginTransactionAsync(stage.Stop);
            await stage.NoteThrowAsync(() => job.SqlStepAsync("refused", "SELECT 1/0", connection, transaction, stage.Stop));
            stage.Note((await job.SqlStepAsync("goes on", "SELECT 1", connection, transaction, stage.Stop)).RowsAffected);
            await transaction.CommitAsync(stage.Stop);
            job.Complete();
        }),
    ];
}
