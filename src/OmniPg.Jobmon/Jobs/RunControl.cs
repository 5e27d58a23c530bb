using Microsoft.Extensions.Logging;

namespace OmniPg.Jobmon;

/// <summary>How others end a run: a request to cancel it, or the loss of its single-instance lock, fires the token of the job.</summary>
#pragma warning disable CA1001 // Never disposed: the caller may keep the token longer than the job, and a source without a timer holds nothing.
internal sealed class RunControl(JobRow row, ILogger logger) : IControlled
#pragma warning restore CA1001
{
    private readonly CancellationTokenSource _cancel = new();

    public JobRow Row => row;

    public CancellationToken Token => _cancel.Token;

    public bool IsCancelled => _cancel.IsCancellationRequested;

    public void OnCancelRequested()
    {
        if (IsCancelled)
            return;
        JobmonLog.CancelRequested(logger, row.Name, row.JobId);
        CancelOffThread();
    }

    public void OnInstanceLockLost()
    {
        JobmonLog.InstanceLockLost(logger, row.Name, row.JobId);
        CancelOffThread();
    }

    // Callbacks of the token are the user's code: they must not run on the thread that keeps this process alive for others.
    private void CancelOffThread() => _ = _cancel.CancelAsync().ContinueWith(
        static (cancelled, log) => JobmonLog.BackgroundFailed((ILogger)log!, cancelled.Exception!.InnerException!.Message, cancelled.Exception),
        logger, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
}
