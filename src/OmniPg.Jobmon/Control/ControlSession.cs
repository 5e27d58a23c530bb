using System.Collections.Concurrent;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>The proof of life of this process: one connection, held by one thread of its own.</summary>
/// <remarks>
/// It holds the session lock and the single-instance locks, writes the heartbeat, and listens for cancellation. Between two heartbeats
/// the thread waits on the connection without asking the server anything; other threads end that wait by a notification.
/// </remarks>
internal sealed partial class ControlSession(
    SessionRegistration registration, OwnConnections connections, LogTarget target, JobmonOptions options, TimeProvider time, ILogger logger) : IControl
{
    private readonly ConcurrentDictionary<JobRow, RunControl> _runs = new();
    private readonly ConcurrentQueue<ControlRequest> _requests = new();
    private readonly AutoResetEvent _wake = new(false);
    private readonly ErrorThrottle _throttle = new(time);
    private readonly BackgroundThread _thread = new("OmniPg.Jobmon control");
    private volatile bool _leaving;
    private volatile bool _cancelSeen;
    private volatile bool _holdsLocks = true;
    private int _pid;
    private int _lastPid;

    /// <summary>Backend of the control session; null while there is none.</summary>
    public int? Pid => Volatile.Read(ref _pid) is not 0 and var pid ? pid : null;

    public void Watch(RunControl run)
    {
        _runs[run.Row] = run;
        _thread.Start(Loop);
    }

    public void BeginLeave() => _leaving = true;

    public void Unwatch(RunControl run) => _runs.TryRemove(run.Row, out _);

    public void Dispose()
    {
        _thread.Stop(() => SyncCall.Run(WakeAsync(async: false)), options.CommandTimeout);
        // The thread may be stuck in a statement: nobody waits for it any longer.
        FailRequests(Gone());
    }

    private void Loop()
    {
        var backOff = new BackOff();
        while (!_thread.IsStopping)
        {
            try
            {
                using var connection = SyncCall.Run(connections.OpenAsync(async: false, CancellationToken.None));
                Serve(connection, () => backOff.Reset());
                break;
            }
#pragma warning disable CA1031 // An exception that leaves a thread ends the process, and the log must never end the work.
            catch (Exception error)
#pragma warning restore CA1031
            {
                Volatile.Write(ref _pid, 0);
                Lose(error);
            }

            _wake.WaitOne(backOff.Next());
        }

        FailRequests(Gone());
    }

    /// <summary>One life of the connection; returns when the client is disposed.</summary>
    private void Serve(NpgsqlConnection connection, Action established)
    {
        var side = SyncCall.Run(target.FindAsync(async: false, connection)).HasSide;
        var statements = connections.Statements(connection);
        Establish(statements, reportedPid: connection.ProcessID, side);
        connection.Notification += OnNotification;
        established();
        var beaten = time.GetTimestamp();
        // Whoever asked for a cancellation while this session was being set up told nobody: the first heartbeat asks at once.
        _cancelSeen = true;
        while (!_thread.IsStopping)
        {
            while (_requests.TryDequeue(out var request))
                request.Execute(statements);
            if (_cancelSeen || time.GetElapsedTime(beaten) >= options.HeartbeatInterval)
            {
                beaten = time.GetTimestamp();
                _cancelSeen = false;
                if (side)
                    Beat(statements);
            }

            if (_thread.IsStopping)
                break;
            var wait = options.HeartbeatInterval - time.GetElapsedTime(beaten);
            if (_requests.IsEmpty && wait > TimeSpan.Zero)
                Wait(connection, wait);
        }

        connection.Notification -= OnNotification;
        Leave(statements, side);
    }

    private void Wait(NpgsqlConnection connection, TimeSpan wait)
    {
        if (_holdsLocks)
            connection.Wait((int)Math.Ceiling(wait.TotalMilliseconds));
        else
            _wake.WaitOne(wait);
    }

    private void Establish(ControlConnection connection, int reportedPid, bool side)
    {
        var pid = connection.Scalar<int>(ControlSql.WhoAmI);
        // A transaction pooler reports a process id of its own, and gives every transaction another backend.
        _holdsLocks = options.Liveness == LivenessMode.Lock || (options.Liveness == LivenessMode.Auto && pid == reportedPid);
        // Before the first heartbeat asks for requests of cancellation: one that comes between is told by its notification.
        if (_holdsLocks)
            connection.Execute(ControlSql.Listen);
        if (side)
            registration.Enter(connection, _holdsLocks);
        if (_holdsLocks)
            _instanceLocks.Retake(connection, _lastPid, _wake);
        Volatile.Write(ref _pid, _holdsLocks ? pid : 0);
        _lastPid = pid;
        JobmonLog.ControlStarted(logger, registration.SessionId, pid, _holdsLocks ? "lock" : "heartbeat");
    }

    private void Beat(ControlConnection connection)
    {
        var open = _runs.Keys.Select(r => r.JobId).OfType<long>().ToArray();
        var (asked, by, pid) = registration.Beat(connection, open, _holdsLocks);
        if (_holdsLocks && pid is not null && pid != _lastPid)
        {
            connections.NotePooler();
            throw new JobmonUnavailableException("heartbeat", connections.ServerName, $"the backend changed from '{_lastPid}' to '{pid}': a transaction pooler stands in between.");
        }

        foreach (var (row, run) in _runs)
        {
            if (row.JobId is { } id && Array.IndexOf(asked, id) is >= 0 and var at)
                run.OnCancelRequested(by[at]);
        }
    }

    private void OnNotification(object sender, NpgsqlNotificationEventArgs notification)
    {
        const string Cancel = "cancel:";
        if (notification.Channel == ControlSql.Channel && notification.Payload.StartsWith(Cancel, StringComparison.Ordinal)
            && long.TryParse(notification.Payload.AsSpan(Cancel.Length), out var jobId) && _runs.Keys.Any(r => r.JobId == jobId))
            _cancelSeen = true;
    }

    private void Leave(ControlConnection connection, bool side)
    {
        if (side)
            registration.Leave(connection);
        if (_holdsLocks)
        {
            connection.Execute(ControlSql.UnlockAll);
            connection.Execute(ControlSql.UnlistenAll);
        }

        Volatile.Write(ref _pid, 0);
    }

    private void FailRequests(Exception error)
    {
        while (_requests.TryDequeue(out var request))
            request.Fail(error);
    }

    private static ObjectDisposedException Gone() => new("OmniPg.Jobmon.JobmonClient");

    private void Lose(Exception error)
    {
        FailRequests(error);
        if (_thread.IsStopping)
            return;
        connections.Clear();
        if (_throttle.MayLog(error.GetType().Name))
            JobmonLog.ControlLost(logger, registration.SessionId, error.Message, error);
    }

    /// <summary>Ends the wait of the control thread: by a notification to its connection, which is the one thing that thread waits for.</summary>
    private async ValueTask WakeAsync(bool async)
    {
        _wake.Set();
        if (Pid is null)
            return;
        try
        {
            var connection = await connections.OpenAsync(async, CancellationToken.None).ConfigureAwait(false);
            try
            {
                await connections.Statements(connection).ExecuteAsync(async, ControlSql.Notify, PgParameter.Text("wake")).ConfigureAwait(false);
            }
            finally
            {
                await SyncCall.CloseAsync(async, connection).ConfigureAwait(false);
            }
        }
        catch (Exception error) when (WriteFailures.IsExpected(error))
        {
            // The control connection goes the same way: its thread wakes by the error.
            JobmonLog.ControlLost(logger, registration.SessionId, error.Message, error);
        }
    }
}
