namespace OmniPg.Jobmon;

/// <summary>
/// What a starting job does for others in passing, at most once a minute and in the background: it writes what dead processes left in
/// their spool files, and closes the runs that they left open.
/// </summary>
internal sealed class Housekeeping(JobmonRuntime runtime)
{
    private readonly ErrorThrottle _throttle = new(runtime.Time);
    private volatile bool _spoolDone;

    public void ComeBy()
    {
        // Of several starts in one minute one is enough, and none of them waits for it.
        if (_throttle.MayLog("come by"))
            runtime.Pump.Run(Run);
    }

    /// <summary>A process that ends at once still writes what others left, as far as that takes no longer than a statement may.</summary>
    public void Finish()
    {
        if (_spoolDone || runtime.Writer.IsAway || runtime.Target.Server is null)
            return;
        var begun = runtime.Time.GetTimestamp();
        runtime.SpoolReplay?.Run(enough: () => runtime.Time.GetElapsedTime(begun) > runtime.Options.CommandTimeout);
    }

    private void Run()
    {
        if (runtime.SpoolReplay is { } replay)
            _spoolDone = replay.Run(enough: () => runtime.Pump.IsStopping);
        try
        {
            Reap();
        }
        catch (Exception error) when (WriteFailures.IsExpected(error))
        {
            // Whoever starts the next job tries again, here or elsewhere.
            JobmonLog.ReapFailed(runtime.Logger, error.Message, error);
        }
    }

    private void Reap()
    {
        if (runtime.Target.Server is not { HasSide: true } server)
            return;
        using var connection = SyncCall.Run(runtime.Connections.OpenAsync(async: false, CancellationToken.None));
        var closed = runtime.Connections.Statements(connection).Scalar<int>(server.Render(ControlSql.Reap), ControlConnection.Number(runtime.Options.DeadAfter.TotalSeconds));
        if (closed > 0)
            JobmonLog.Reaped(runtime.Logger, closed);
    }
}
