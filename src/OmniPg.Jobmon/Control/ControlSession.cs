using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Jobmon;

/// <summary>The proof of life of this process: one connection, held by one thread of its own.</summary>
/// <remarks>
/// It holds the session lock and the single-instance locks, writes the heartbeat, and listens for cancellation. Between two heartbeats
/// the thread waits on the connection without asking the server anything; other threads end that wait by a notification.
/// </remarks>
internal sealed partial class ControlSession(
    SessionIdentity identity, OwnConnections connections, AutonomousWriter writer, JobmonOptions options, TimeProvider time, ILogger logger) : IDisposable
{
    private static readonly TimeSpan ShortestRetry = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<JobRow, IControlled> _runs = new();
    private readonly ConcurrentQueue<ControlRequest> _requests = new();
    private readonly AutoResetEvent _wake = new(false);
    private readonly ErrorThrottle _throttle = new(time);
    private readonly Lock _lock = new();
    private Thread? _thread;
    private volatile bool _stopping;
    private volatile bool _registered;
    private volatile bool _cancelSeen;
    private int _pid;

    public Guid SessionId => identity.Id;

    /// <summary>Backend of the control session; null while there is none.</summary>
    public int? Pid => Volatile.Read(ref _pid) is not 0 and var pid ? pid : null;

    /// <summary>Looks after a run until <see cref="Unwatch"/>.</summary>
    public void Watch(IControlled run)
    {
        _runs[run.Row] = run;
        Start();
    }

    public void Unwatch(IControlled run) => _runs.TryRemove(run.Row, out _);

    /// <summary>The registration of this process, for the first write; null once it is done.</summary>
    public NpgsqlBatchCommand? Register(WriterSql sql)
    {
        if (_registered || writer.Server is not { HasSide: true } server)
            return null;
        var command = new NpgsqlBatchCommand(server.Render(ControlSql.Register));
        command.Parameters.AddRange(identity.Parameters(lockKey: null, "heartbeat", self: false));
        return command;
    }

    public void Dispose()
    {
        _stopping = true;
        if (_thread is not { } thread)
            return;
        Wake();
        thread.Join(options.CommandTimeout);
    }

    private void Start()
    {
        if (_thread is not null || _stopping)
            return;
        lock (_lock)
        {
            if (_thread is not null || _stopping)
                return;
            using var flow = ExecutionContext.SuppressFlow();
            _thread = new Thread(Loop) { IsBackground = true, Name = "OmniPg.Jobmon control" };
            _thread.Start();
        }
    }

    private void Loop()
    {
        var retry = ShortestRetry;
        while (!_stopping)
        {
            try
            {
                using var connection = SyncCall.Run(connections.OpenAsync(async: false, CancellationToken.None));
                Serve(connection, () => retry = ShortestRetry);
                return;
            }
#pragma warning disable CA1031 // An exception that leaves a thread ends the process, and the log must never end the work.
            catch (Exception error)
#pragma warning restore CA1031
            {
                Volatile.Write(ref _pid, 0);
                Lose(error);
            }

            _wake.WaitOne(retry);
            retry = retry * 2 < LongestRetry ? retry * 2 : LongestRetry;
        }

        Lose(new ObjectDisposedException(nameof(ControlSession)));
    }

    private void Lose(Exception error)
    {
        while (_requests.TryDequeue(out var request))
            request.Fail(error);
        if (_stopping)
            return;
        connections.Clear();
        if (_throttle.MayLog(error.GetType().Name))
            JobmonLog.ControlLost(logger, SessionId, error.Message, error);
    }

    /// <summary>One life of the connection; returns when the client is disposed.</summary>
    private void Serve(NpgsqlConnection connection, Action established)
    {
        var sql = SyncCall.Run(writer.SqlAsync(async: false, connection));
        var server = writer.Server!;
        var locks = Establish(connection, server, sql.HasSide);
        connection.Notification += OnNotification;
        established();
        var beaten = time.GetTimestamp();
        while (!_stopping)
        {
            while (_requests.TryDequeue(out var request))
                request.Execute(connection);
            if (_cancelSeen || time.GetElapsedTime(beaten) >= options.HeartbeatInterval)
            {
                beaten = time.GetTimestamp();
                _cancelSeen = false;
                if (sql.HasSide)
                    Beat(connection, server, locks);
            }

            if (_stopping)
                break;
            var wait = options.HeartbeatInterval - time.GetElapsedTime(beaten);
            if (_requests.IsEmpty && wait > TimeSpan.Zero)
                Wait(connection, wait, locks);
        }

        Leave(connection, server, sql.HasSide, locks);
    }

    private void Wait(NpgsqlConnection connection, TimeSpan wait, bool locks)
    {
        if (locks)
            connection.Wait((int)Math.Ceiling(wait.TotalMilliseconds));
        else
            _wake.WaitOne(wait);
    }

    /// <summary>Registers this backend; returns whether it may hold locks and listen.</summary>
    private bool Establish(NpgsqlConnection connection, JobmonServer server, bool side)
    {
        var pid = Scalar<int>(connection, ControlSql.WhoAmI);
        // A transaction pooler reports a process id of its own, and gives every transaction another backend.
        var locks = options.Liveness == LivenessMode.Lock || (options.Liveness == LivenessMode.Auto && pid == connection.ProcessID);
        if (locks)
            Execute(connection, ControlSql.Listen);
        if (side)
            RegisterSelf(connection, server, locks);
        if (locks)
            RetakeInstanceLocks(connection);
        Volatile.Write(ref _pid, locks ? pid : 0);
        _lastPid = pid;
        JobmonLog.ControlStarted(logger, SessionId, pid, locks ? "lock" : "heartbeat");
        _locks = locks;
        return locks;
    }

    private void RegisterSelf(NpgsqlConnection connection, JobmonServer server, bool locks)
    {
        // A new key each time: the backend of a broken connection may still hold the old one for a while.
        var key = Random.Shared.Next(1, int.MaxValue);
        Execute(connection, server.Render(ControlSql.Register), identity.Parameters(locks ? key : null, locks ? "lock" : "heartbeat", self: true));
        if (locks)
            Execute(connection, ControlSql.SessionLock, Value(NpgsqlDbType.Integer, key));
        _registered = true;
    }

    private void Beat(NpgsqlConnection connection, JobmonServer server, bool locks)
    {
        var open = _runs.Keys.Select(r => r.JobId).OfType<long>().ToArray();
        var asked = Scalar<long[]?>(connection, server.Render(ControlSql.Heartbeat),
            Value(NpgsqlDbType.Uuid, SessionId), Value(NpgsqlDbType.Array | NpgsqlDbType.Bigint, open));
        if (asked is null)
            RegisterSelf(connection, server, locks);
        foreach (var (row, run) in _runs)
        {
            if (asked is not null && row.JobId is { } id && asked.Contains(id))
                run.OnCancelRequested();
        }
    }

    private void OnNotification(object sender, NpgsqlNotificationEventArgs notification)
    {
        const string Cancel = "cancel:";
        if (notification.Channel == ControlSql.Channel && notification.Payload.StartsWith(Cancel, StringComparison.Ordinal)
            && long.TryParse(notification.Payload.AsSpan(Cancel.Length), out var jobId) && _runs.Keys.Any(r => r.JobId == jobId))
            _cancelSeen = true;
    }

    private void Leave(NpgsqlConnection connection, JobmonServer server, bool side, bool locks)
    {
        connection.Notification -= OnNotification;
        if (side)
            Execute(connection, server.Render(ControlSql.End), Value(NpgsqlDbType.Uuid, SessionId));
        if (locks)
            Execute(connection, ControlSql.LeaveClean);
        Volatile.Write(ref _pid, 0);
    }

    /// <summary>Ends the wait of the control thread: by a notification to its connection, which is the one thing that thread waits for.</summary>
    private void Wake()
    {
        _wake.Set();
        if (Pid is null)
            return;
        try
        {
            using var connection = SyncCall.Run(connections.OpenAsync(async: false, CancellationToken.None));
            Execute(connection, ControlSql.Notify, Value(NpgsqlDbType.Text, "wake"));
        }
        catch (Exception error) when (WriteFailures.IsExpected(error))
        {
            // The control connection goes the same way: its thread wakes by the error.
            JobmonLog.ControlLost(logger, SessionId, error.Message, error);
        }
    }

    private static NpgsqlParameter Value(NpgsqlDbType type, object? value) => new() { NpgsqlDbType = type, Value = value ?? DBNull.Value };

    private void Execute(NpgsqlConnection connection, string sql, params NpgsqlParameter[] parameters) =>
        Scalar<object?>(connection, sql, parameters);

    private T? Scalar<T>(NpgsqlConnection connection, string sql, params NpgsqlParameter[] parameters)
    {
        // A data source given by the user may wait for ever; a control thread that does takes all locks and heartbeats with it.
        using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = OwnConnections.Seconds(options.CommandTimeout) };
        command.Parameters.AddRange(parameters);
        return command.ExecuteScalar() is T value ? value : default;
    }
}
