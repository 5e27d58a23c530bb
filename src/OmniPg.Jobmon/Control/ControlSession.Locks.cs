using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Jobmon;

/// <content>Single-instance locks: session locks of the control connection, so they die with the process.</content>
internal sealed partial class ControlSession
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(200);

    private readonly List<InstanceLock> _instanceLocks = [];
    private int _lastPid;
    private volatile bool _locks = true;

    /// <summary>Takes the lock of a run; false when another run has it and, with <paramref name="wait"/>, kept it until then.</summary>
    public async ValueTask<bool> LockAsync(bool async, InstanceLock wanted, TimeSpan wait, CancellationToken cancellationToken)
    {
        var begun = time.GetTimestamp();
        while (true)
        {
            if (await AskAsync(async, connection => TryLock(connection, wanted), cancellationToken).ConfigureAwait(false))
                return true;
            var left = wait - time.GetElapsedTime(begun);
            if (left <= TimeSpan.Zero)
                return false;
            var pause = left < PollInterval ? left : PollInterval;
            if (async)
                await Task.Delay(pause, time, cancellationToken).ConfigureAwait(false);
            else
                cancellationToken.WaitHandle.WaitOne(pause);
        }
    }

    /// <summary>Gives the lock back; if the connection is gone, so is the lock.</summary>
    public async ValueTask UnlockAsync(bool async, InstanceLock held)
    {
        try
        {
            await AskAsync(async, connection => Unlock(connection, held), CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception error) when (WriteFailures.IsExpected(error))
        {
            lock (_instanceLocks)
                _instanceLocks.Remove(held);
        }
    }

    /// <summary>Who holds the lock now, for the message of a refusal.</summary>
    public async ValueTask<JobAlreadyRunningException> ExplainConflictAsync(bool async, InstanceLock wanted)
    {
        long? jobId = null;
        int? pid = null;
        DateTimeOffset? since = null;
        await AskAsync(
            async,
            connection =>
            {
                foreach (var key in wanted.Keys)
                    pid ??= Scalar<int?>(connection, ControlSql.InstanceHolder, Value(NpgsqlDbType.Integer, key));
                using var command = new NpgsqlCommand(writer.Server!.Render(ControlSql.OpenRun), connection)
                {
                    CommandTimeout = OwnConnections.Seconds(options.CommandTimeout),
                };
                command.Parameters.Add(Value(NpgsqlDbType.Text, wanted.JobName));
                using var row = command.ExecuteReader();
                if (row.Read())
                    (jobId, since) = (row.GetInt64(0), row.GetDateTime(1));
                return true;
            },
            CancellationToken.None).ConfigureAwait(false);
        return new JobAlreadyRunningException(wanted.JobName, jobId, pid, since);
    }

    private async ValueTask<bool> AskAsync(bool async, Func<NpgsqlConnection, bool> work, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_stopping, this);
        var request = new ControlRequest(work);
        _requests.Enqueue(request);
        Start();
        Wake();
        try
        {
            return await request.WaitAsync(async, options.ConnectTimeout + options.CommandTimeout, time, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (WriteFailures.IsExpected(error) && error is not JobmonException)
        {
            throw new JobmonUnavailableException("single-instance lock", connections.ServerName, error.Message, error);
        }
    }

    private bool TryLock(NpgsqlConnection connection, InstanceLock wanted)
    {
        if (!_locks)
            throw new JobmonUnavailableException("single-instance lock", connections.ServerName, "a transaction pooler keeps no session locks.");
        if (wanted.Keys.Length == 0)
            wanted.Keys = Keys(connection, wanted.JobName);
        // A session may take its own lock twice: runs of the same process must be told apart here.
        lock (_instanceLocks)
        {
            if (_instanceLocks.Exists(held => held.Keys.Intersect(wanted.Keys).Any()))
                return false;
        }

        if (!TakeAll(connection, wanted.Keys))
            return false;
        wanted.Held = true;
        lock (_instanceLocks)
            _instanceLocks.Add(wanted);
        return true;
    }

    private bool Unlock(NpgsqlConnection connection, InstanceLock held)
    {
        lock (_instanceLocks)
        {
            if (!_instanceLocks.Remove(held))
                return false;
        }

        foreach (var key in held.Keys)
            Execute(connection, ControlSql.InstanceUnlock, Value(NpgsqlDbType.Integer, key));
        held.Held = false;
        return true;
    }

    private void RetakeInstanceLocks(NpgsqlConnection connection)
    {
        InstanceLock[] before;
        lock (_instanceLocks)
            before = [.. _instanceLocks];
        foreach (var held in before)
        {
            if (TakeAll(connection, held.Keys) || (EndOldHolder(connection, held.Keys) && TakeAll(connection, held.Keys)))
                continue;
            lock (_instanceLocks)
                _instanceLocks.Remove(held);
            held.Held = false;
            held.Run.OnInstanceLockLost();
        }
    }

    /// <summary>After a cut network the server may not have noticed yet: the old backend of this very session still holds the lock.</summary>
    private bool EndOldHolder(NpgsqlConnection connection, int[] keys)
    {
        if (!keys.Any(key => Scalar<int?>(connection, ControlSql.InstanceHolder, Value(NpgsqlDbType.Integer, key)) == _lastPid))
            return false;
        Execute(connection, ControlSql.EndOldBackend, Value(NpgsqlDbType.Integer, _lastPid));
        for (var tries = 0; tries < 20; tries++)
        {
            if (!keys.Any(key => Scalar<int?>(connection, ControlSql.InstanceHolder, Value(NpgsqlDbType.Integer, key)) == _lastPid))
                return true;
            _wake.WaitOne(PollInterval / 4);
        }

        return false;
    }

    private bool TakeAll(NpgsqlConnection connection, int[] keys)
    {
        for (var taken = 0; taken < keys.Length; taken++)
        {
            if (Scalar<bool>(connection, ControlSql.TryInstanceLock, Value(NpgsqlDbType.Integer, keys[taken])))
                continue;
            foreach (var back in keys.AsSpan(0, taken))
                Execute(connection, ControlSql.InstanceUnlock, Value(NpgsqlDbType.Integer, back));
            return false;
        }

        return true;
    }

    private int[] Keys(NpgsqlConnection connection, string jobName)
    {
        using var command = new NpgsqlCommand(ControlSql.InstanceKeys, connection) { CommandTimeout = OwnConnections.Seconds(options.CommandTimeout) };
        command.Parameters.Add(Value(NpgsqlDbType.Text, jobName));
        using var rows = command.ExecuteReader();
        var keys = new List<int>();
        while (rows.Read())
            keys.Add(rows.GetInt32(0));
        return [.. keys];
    }
}
