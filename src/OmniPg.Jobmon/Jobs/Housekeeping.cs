namespace OmniPg.Jobmon;

/// <summary>
/// What a starting job does for others in passing, at most once a minute and in the background: it writes what dead processes left in
/// their spool files, and closes the runs that they left open.
/// </summary>
internal sealed class Housekeeping(
    AutonomousWriter writer, BackgroundPump pump, SpoolReplay? spool, OwnConnections connections, LogTarget target, JobmonOptions options, TimeProvider time, ILogger logger)
{
    private readonly ErrorThrottle _throttle = new(time);
    private readonly Lock _replaying = new();
    private volatile bool _spoolDone;

    public void ComeBy()
    {
        // Of several starts in one minute one is enough, and none of them waits for it.
        if (_throttle.MayLog("come by"))
            pump.Run(Run);
    }

    /// <summary>A process that ends at once still writes what others left, as far as that takes no longer than a statement may.</summary>
    public void Finish()
    {
        if (_spoolDone || writer.IsAway || target.Server is null)
            return;
        var begun = time.GetTimestamp();
        // The background may be at it still: a file that it holds is not written before it says so.
        if (!_replaying.TryEnter(options.CommandTimeout))
            return;
        try
        {
            if (!_spoolDone)
                spool?.Run(enough: () => time.GetElapsedTime(begun) > options.CommandTimeout);
        }
        finally
        {
            _replaying.Exit();
        }
    }

    private void Run()
    {
        if (spool is not null)
        {
            lock (_replaying)
                _spoolDone = spool.Run(enough: () => pump.IsStopping);
        }

        try
        {
            Reap();
        }
        catch (Exception error) when (WriteFailures.IsExpected(error))
        {
            // Whoever starts the next job tries again, here or elsewhere.
            JobmonLog.ReapFailed(logger, error.Message, error);
        }
    }

    private void Reap()
    {
        if (target.Tables is not { HasSide: true } log)
            return;
        using var connection = SyncCall.Run(connections.OpenAsync(async: false, CancellationToken.None));
        var closed = connections.Statements(connection).Scalar<int>(
            log.Server.Render(JobMonitor.Reap), PgParameter.Interval(options.DeadAfter), PgParameter.Flag(false));
        if (closed > 0)
            JobmonLog.Reaped(logger, closed);
    }
}
