using Microsoft.Extensions.Logging;
using OmniPg.Jobmon;

namespace OmniPg.Partman;

/// <summary>What a run says to the job log. A log that cannot be written is told to the logger, and concerns no partition.</summary>
internal sealed class RunLog : IAsyncDisposable
{
    private readonly ILogger _logger;
    private readonly CancellationToken _cancellationToken;
    private IJob? _job;

    private RunLog(ILogger logger, CancellationToken cancellationToken) => (_logger, _cancellationToken) = (logger, cancellationToken);

    /// <summary>Starts a job; there may be no log.</summary>
    public static async Task<RunLog> StartAsync(IJobmon? jobmon, ILogger logger, string name, CancellationToken cancellationToken)
    {
        var log = new RunLog(logger, cancellationToken);
        if (jobmon is not null)
            log._job = await log.TryAsync(() => jobmon.StartAsync(name, cancellationToken: cancellationToken)).ConfigureAwait(false);
        return log;
    }

    /// <summary>Begins a step; null where it could not be written.</summary>
    public async Task<IStep?> StepAsync(string action) =>
        _job is { } job ? await TryAsync(() => job.StepAsync(action, _cancellationToken)).ConfigureAwait(false) : null;

    public async Task EndStepAsync(IStep? step, Exception? error, string message)
    {
        if (step is null)
            return;
        await TryAsync(async () =>
        {
            if (error is not null)
                await step.FailAsync(error, _cancellationToken).ConfigureAwait(false);
            else
                await step.CompleteAsync(message, cancellationToken: _cancellationToken).ConfigureAwait(false);
            return true;
        }).ConfigureAwait(false);
        await TryAsync(() => GoneAsync(step)).ConfigureAwait(false);
    }

    /// <summary>Ends the job, as failed where there is an error.</summary>
    public async Task EndAsync(Exception? error)
    {
        if (_job is not { } job)
            return;
        await TryAsync(async () =>
        {
            if (error is not null)
                await job.FailAsync(error, cancellationToken: _cancellationToken).ConfigureAwait(false);
            else
                await job.CompleteAsync(cancellationToken: _cancellationToken).ConfigureAwait(false);
            return true;
        }).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        if (_job is { } job)
            await TryAsync(() => GoneAsync(job)).ConfigureAwait(false);
    }

    private static async ValueTask<bool> GoneAsync(IAsyncDisposable what)
    {
        await what.DisposeAsync().ConfigureAwait(false);
        return true;
    }

    private async Task<T?> TryAsync<T>(Func<ValueTask<T>> write)
    {
        try
        {
            return await write().ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Whatever a job log throws: partitions have to be there in time.
        catch (Exception error) when (error is not OperationCanceledException || !_cancellationToken.IsCancellationRequested)
#pragma warning restore CA1031
        {
            PartmanLog.JobLogFailed(_logger, error);
            return default;
        }
    }
}
