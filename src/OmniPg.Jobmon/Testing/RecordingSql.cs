using Npgsql;

namespace OmniPg.Jobmon.Testing;

/// <summary>SQL as steps and as whole jobs: answered by the test, or run where the code under test wants it run.</summary>
internal static class RecordingSql
{
    public static async Task<SqlStepResult> StepAsync(
        RecordingStep step, string sql, NpgsqlConnection connection, NpgsqlTransaction? transaction, Func<string, long>? answer,
        CancellationToken cancellationToken)
    {
        await using var ended = step.ConfigureAwait(false);
        var rows = await step.RunAsync(
            async (_, token) => Counted(step, answer is null
                ? await SqlSteps.ExecuteAsync(sql, connection, transaction, token).ConfigureAwait(false)
                : Answer(answer, sql, token)),
            cancellationToken).ConfigureAwait(false);
        return new SqlStepResult(step.StepId, rows);
    }

    /// <summary>Runs the text inside a run that has begun; a refusal of the server is a result, everything else is thrown.</summary>
    public static async Task<SqlJobResult> JobAsync(
        RecordingRun run, string sql, SqlJobOptions options, Func<string, long>? answer, CancellationToken cancellationToken)
    {
        await using var ending = run.ConfigureAwait(false);
        if (!run.Acquired)
            return new SqlJobResult(run.JobId, Succeeded: false, 0, Skipped: true, null);
        try
        {
            var rows = await run.StepAsync(
                $"Running sql: {PgLiteral.Quote(sql)}",
                async (step, token) => Counted((RecordingStep)step, answer is null
                    ? await ExecuteAsync(run, sql, options, token).ConfigureAwait(false)
                    : Answer(answer, sql, token)),
                cancellationToken).ConfigureAwait(false);
            run.Complete();
            return new SqlJobResult(run.JobId, Succeeded: true, rows, Skipped: false, null);
        }
        catch (Exception error)
        {
            run.EndWith(error, cancellationToken);
            if (error is not NpgsqlException)
                throw;
            return new SqlJobResult(run.JobId, Succeeded: false, 0, Skipped: false, error);
        }
    }

    private static async Task<long> ExecuteAsync(RecordingRun run, string sql, SqlJobOptions options, CancellationToken cancellationToken)
    {
        var connection = await options.DataSource!.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = connection.ConfigureAwait(false);
        run.Attach(connection);
        return await SqlText.ExecuteAsync(connection, null, sql, options.CommandTimeout, cancellationToken).ConfigureAwait(false);
    }

    private static long Answer(Func<string, long> answer, string sql, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return answer(sql);
    }

    private static long Counted(RecordingStep step, long rows)
    {
        step.TryEnd(AlertLevel.Ok, string.Create(null, $"Rows affected: {rows}"), rows: rows);
        return rows;
    }
}
