using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Closes other processes' dead runs whenever a job starts here, at most once a minute, in the background.</summary>
internal sealed class PassingReaper(JobmonRuntime runtime)
{
    private readonly ErrorThrottle _throttle = new(runtime.Time);

    public void ComeBy()
    {
        if (_throttle.MayLog("reap"))
            runtime.Pump.Run(Reap);
    }

    private void Reap()
    {
        if (runtime.Target.Server is not { HasSide: true } server)
            return;
        using var connection = SyncCall.Run(runtime.Connections.OpenAsync(async: false, CancellationToken.None));
        using var command = new NpgsqlCommand(server.Render(ControlSql.Reap), connection) { CommandTimeout = server.CommandTimeoutSeconds };
        command.Parameters.Add(new NpgsqlParameter<double> { TypedValue = runtime.Options.DeadAfter.TotalSeconds });
        if (command.ExecuteScalar() is int closed and > 0)
            JobmonLog.Reaped(runtime.Logger, closed);
    }
}
