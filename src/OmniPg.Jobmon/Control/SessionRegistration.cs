using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>The row of this process in table <c>session</c>, and the lock that says that it lives.</summary>
internal sealed class SessionRegistration(SessionIdentity identity, LogTarget target)
{
    private volatile bool _done;

    public Guid SessionId => identity.Id;

    /// <summary>The registration ahead of the control session, for the first write of the process; null once there is one.</summary>
    public NpgsqlBatchCommand? Early()
    {
        if (_done || target.Tables is not { HasSide: true } log)
            return null;
        var command = new NpgsqlBatchCommand(log.Server.Render(ControlSql.Register));
        command.Parameters.AddRange(identity.Parameters(lockKey: null, "heartbeat", self: false));
        return command;
    }

    /// <summary>Registers the backend of this connection.</summary>
    public void Enter(ControlConnection connection, bool holdsLocks)
    {
        // A new key each time: the backend of a broken connection may still hold the old one for a while.
        var key = Random.Shared.Next(1, int.MaxValue);
        // Known first, locked second: in between the fresh heartbeat says that this process lives.
        connection.Execute(
            target.Server!.Render(ControlSql.Register), identity.Parameters(holdsLocks ? key : null, holdsLocks ? "lock" : "heartbeat", self: true));
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
            PgParameter.Uuid(identity.Id), PgParameter.BigInts(open));
        if (answer is [var one])
            return one;
        // No row: somebody swept the table while this process was away.
        Enter(connection, holdsLocks);
        return ([], [], null);
    }

    public void Leave(ControlConnection connection) =>
        connection.Execute(target.Server!.Render(ControlSql.End), PgParameter.Uuid(identity.Id));
}
