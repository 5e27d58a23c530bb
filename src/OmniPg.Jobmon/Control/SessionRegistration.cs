using System.Diagnostics;
using System.Reflection;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>The row of this process in table <c>session</c>, and the lock that says that it lives.</summary>
internal sealed class SessionRegistration(LogTarget target, JobmonOptions options)
{
    private volatile bool _done;

    /// <summary>A random identity, because host names and process ids repeat.</summary>
    public Guid SessionId { get; } = Guid.NewGuid();

    public string ClientName { get; } = options.ClientName ?? $"{Assembly.GetEntryAssembly()?.GetName().Name ?? "dotnet"}@{Environment.MachineName}";

    public DateTime ProcessStart { get; } = StartOfThisProcess();

    /// <summary>The registration ahead of the control session, for the first write of the process; null once there is one.</summary>
    public NpgsqlBatchCommand? Early()
    {
        if (_done || target.Tables is not { HasSide: true } log)
            return null;
        var command = new NpgsqlBatchCommand(log.Server.Render(ControlSql.Register));
        command.Parameters.AddRange(Parameters(lockKey: null, "heartbeat", self: false));
        return command;
    }

    /// <summary>Registers the backend of this connection.</summary>
    public void Enter(ControlConnection connection, bool holdsLocks)
    {
        // A new key each time: the backend of a broken connection may still hold the old one for a while.
        var key = Random.Shared.Next(1, int.MaxValue);
        // Known first, locked second: in between the fresh heartbeat says that this process lives.
        connection.Execute(
            target.Server!.Render(ControlSql.Register), Parameters(holdsLocks ? key : null, holdsLocks ? "lock" : "heartbeat", self: true));
        if (holdsLocks)
            connection.Execute(ControlSql.SessionLock, PgParameter.Integer(key));
        _done = true;
    }

    /// <summary>The heartbeat.</summary>
    /// <returns>Those of the open runs that somebody asked to cancel, who, and the backend; null for the backend that was registered anew.</returns>
    public (long[] Asked, string?[] By, int? Pid) Beat(ControlConnection connection, long[] open, bool holdsLocks)
    {
        var answer = connection.Rows<(long[], string?[], int?)>(
            target.Server!.Render(ControlSql.Heartbeat), row => (row.GetFieldValue<long[]>(0), row.GetFieldValue<string?[]>(1), row.GetInt32(2)),
            PgParameter.Uuid(SessionId), PgParameter.BigInts(open));
        if (answer is [var one])
            return one;
        // No row: somebody swept the table while this process was away.
        Enter(connection, holdsLocks);
        return ([], [], null);
    }

    public void Leave(ControlConnection connection) =>
        connection.Execute(target.Server!.Render(ControlSql.End), PgParameter.Uuid(SessionId));

    private NpgsqlParameter[] Parameters(int? lockKey, string liveness, bool self) =>
    [
        PgParameter.Uuid(SessionId), PgParameter.Integer(lockKey), PgParameter.Text(ClientName), PgParameter.Text(Environment.MachineName),
        PgParameter.Integer(Environment.ProcessId), PgParameter.Instant(ProcessStart), PgParameter.Text(liveness),
        PgParameter.Text(typeof(SessionRegistration).Assembly.GetName().Version?.ToString(3)), PgParameter.Flag(self),
    ];

    private static DateTime StartOfThisProcess()
    {
        using var self = Process.GetCurrentProcess();
        return self.StartTime.ToUniversalTime();
    }
}
