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

    /// <summary>The text as a whole job, inside a run that has begun.</summary>
    public static Task<SqlJobResult> JobAsync(
        RecordingRun run, string sql, SqlJobOptions options, Func<string, long>? answer, CancellationToken cancellationToken) => SqlJobs.RunAsync(
        run,
        sql,
        async (step, token) => Counted((RecordingStep)step, answer is null
            ? await SqlJobs.ExecuteAsync(run, sql, options.DataSource!, options.CommandTimeout, token).ConfigureAwait(false)
            : Answer(answer, sql, token)),
        cancellationToken);

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
