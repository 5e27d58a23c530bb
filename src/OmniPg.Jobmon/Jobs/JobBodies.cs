namespace OmniPg.Jobmon;

/// <summary>Runs a body inside a run that has begun: completes it, or records the exception and rethrows it unchanged.</summary>
internal static class JobBodies
{
    /// <summary>The result of the body; the default when the run was skipped.</summary>
    public static async Task<T?> RunAsync<T>(JobRun run, Func<IJob, CancellationToken, Task<T>> body, CancellationToken cancellationToken)
    {
        // Also for a run that was skipped: its scope has to leave the flow.
        await using var ending = run.ConfigureAwait(false);
        if (!run.Acquired)
            return default;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, run.CancellationToken);
        try
        {
            var result = await body(run, either.Token).ConfigureAwait(false);
            // Without the token: the body is done, and a request that comes now does not turn its success into something else.
            if (run.State == JobState.Running)
                await run.CompleteAsync(cancellationToken: CancellationToken.None).ConfigureAwait(false);
            return result;
        }
        catch (Exception error)
        {
            await run.EndWithAsync(error, cancellationToken).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The same body with a result that nobody asks for.</summary>
    public static Func<IJob, CancellationToken, Task<bool>> WithResult(Func<IJob, CancellationToken, Task> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        return async (job, token) =>
        {
            await body(job, token).ConfigureAwait(false);
            return true;
        };
    }
}
