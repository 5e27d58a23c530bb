namespace OmniPg.Jobmon;

/// <summary>The advisory locks of one single-instance run; changed only by the control thread.</summary>
internal sealed class InstanceLock(RunControl run)
{
    public RunControl Run { get; } = run;

    public string JobName => Run.Row.Name;

    /// <summary>Keys computed by the server, ascending; empty before the first try.</summary>
    public int[] Keys { get; set; } = [];

    public bool Held { get; set; }

    /// <summary>Its run is over: not to be taken again on a new connection. Set by the run.</summary>
    public bool IsUnwanted { get; set; }
}

/// <summary>The single-instance locks of this process: session locks of the control connection, so they die with the process.</summary>
/// <remarks>Used by the control thread alone, so nothing here is locked.</remarks>
internal sealed class InstanceLocks
{
    private const int ReleaseChecks = 20;
    private static readonly TimeSpan ReleasePause = TimeSpan.FromMilliseconds(50);

    private readonly List<InstanceLock> _held = [];

    /// <summary>Takes all keys of a run or none; false when another run, here or elsewhere, has one of them.</summary>
    public bool TryTake(ControlConnection connection, InstanceLock wanted)
    {
        if (wanted.Keys.Length == 0)
            wanted.Keys = [.. connection.Rows(ControlSql.InstanceKeys, row => row.GetInt32(0), PgParameter.Text(wanted.JobName))];
        // To the server a session may take its own lock twice: runs of the same process must be told apart here.
        if (_held.Exists(held => held.Keys.Intersect(wanted.Keys).Any()) || !TakeAll(connection, wanted.Keys))
            return false;
        wanted.Held = true;
        _held.Add(wanted);
        return true;
    }

    /// <summary>Gives the keys of a run back; false when it had lost them before.</summary>
    public bool Release(ControlConnection connection, InstanceLock held)
    {
        if (!_held.Remove(held))
            return false;
        foreach (var key in held.Keys)
            connection.Execute(ControlSql.InstanceUnlock, PgParameter.Integer(key));
        held.Held = false;
        return true;
    }

    /// <summary>Takes all locks again on a new connection; a run whose lock somebody else has meanwhile is told so.</summary>
    /// <remarks><paramref name="lastPid"/> is the backend of the connection that was lost, 0 for none; <paramref name="stop"/> ends the wait for it.</remarks>
    public void Retake(ControlConnection connection, int lastPid, WaitHandle stop)
    {
        _held.RemoveAll(static held => held.IsUnwanted);
        foreach (var held in _held.ToArray())
        {
            if (TakeAll(connection, held.Keys) || (EndOldHolder(connection, held.Keys, lastPid, stop) && TakeAll(connection, held.Keys)))
                continue;
            _held.Remove(held);
            held.Held = false;
            held.Run.OnInstanceLockLost();
        }
    }

    /// <summary>Backend that holds one of the keys; null for none.</summary>
    public static int? Holder(ControlConnection connection, int[] keys)
    {
        foreach (var key in keys)
        {
            if (connection.Scalar<int?>(ControlSql.InstanceHolder, PgParameter.Integer(key)) is { } pid)
                return pid;
        }

        return null;
    }

    // All or nothing, in the order in which the server gave the keys: two processes cannot each hold one and wait for the other.
    private static bool TakeAll(ControlConnection connection, int[] keys)
    {
        for (var taken = 0; taken < keys.Length; taken++)
        {
            if (connection.Scalar<bool>(ControlSql.TryInstanceLock, PgParameter.Integer(keys[taken])))
                continue;
            foreach (var back in keys.AsSpan(0, taken))
                connection.Execute(ControlSql.InstanceUnlock, PgParameter.Integer(back));
            return false;
        }

        return true;
    }

    /// <summary>After a cut network the server may not have noticed yet: the old backend of this very session still holds the lock.</summary>
    private static bool EndOldHolder(ControlConnection connection, int[] keys, int lastPid, WaitHandle stop)
    {
        if (Holder(connection, keys) != lastPid)
            return false;
        connection.Execute(ControlSql.EndOldBackend, PgParameter.Integer(lastPid));
        for (var check = 0; check < ReleaseChecks; check++)
        {
            if (Holder(connection, keys) != lastPid)
                return true;
            stop.WaitOne(ReleasePause);
        }

        return false;
    }
}
