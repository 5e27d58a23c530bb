using System.Data;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>The caller's connection that the work of one run is done on, as long as it is open, and the backend behind it.</summary>
internal sealed class AttachedWork(JobRun run)
{
    // Asked on the server: behind a pooler the driver knows the number of the pooler only. The start tells a process id that is used
    // again from the one that was meant.
    private const string Sql = "SELECT a.pid, a.backend_start FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a";

    private NpgsqlConnection? _connection;

    /// <summary>The connection; null for none any more.</summary>
    public NpgsqlConnection? Connection => Volatile.Read(ref _connection);

    public async ValueTask AttachAsync(bool async, NpgsqlConnection connection)
    {
        FlowScope.StepAside();
        var (pid, backendStart) = Identify(connection, reason => JobmonLog.AttachFailed(run.Runtime.Logger, run.Name, reason));
        var before = Interlocked.Exchange(ref _connection, connection);
        if (before is not null)
            before.StateChange -= OnStateChange;
        connection.StateChange += OnStateChange;
        if (pid is not null || before is not null)
            await WriteAsync(async, pid, backendStart, mayThrow: true).ConfigureAwait(false);
    }

    /// <summary>The run is over, or the connection closed; false when it was another one by then.</summary>
    public bool Forget(NpgsqlConnection? connection)
    {
        if (connection is null || Interlocked.CompareExchange(ref _connection, null, connection) != connection)
            return false;
        connection.StateChange -= OnStateChange;
        return true;
    }

    /// <summary>A backend that went back to its pool works for others: before the caller goes on it is no longer the one to cancel.</summary>
    private void OnStateChange(object sender, StateChangeEventArgs change)
    {
        if (change.CurrentState is not (ConnectionState.Closed or ConnectionState.Broken) || !Forget((NpgsqlConnection)sender) || run.State != JobState.Running)
            return;
        try
        {
            SyncCall.Run(WriteAsync(async: false, null, null, mayThrow: false));
        }
        catch (Exception error) when (WriteFailures.IsExpected(error))
        {
            // Never into the caller's close.
            JobmonLog.BackgroundFailed(run.Runtime.Logger, error.Message, error);
        }
    }

    private ValueTask WriteAsync(bool async, int? pid, DateTime? backendStart, bool mayThrow) =>
        run.Runtime.Writer.WriteAsync(async, run.Row, [new WorkerAttachedEvent(run.Row, run.Runtime.Writer.Mark(), pid, backendStart)], mayThrow);

    /// <summary>
    /// Pid and start of the backend; in a broken transaction or while a reader is open only the pid that the driver knows; nothing behind
    /// a pooler, where the next statement may run on another backend and this one work for somebody else.
    /// </summary>
    private static (int? Pid, DateTime? BackendStart) Identify(NpgsqlConnection connection, Action<string> onFailure)
    {
        if (connection.FullState != ConnectionState.Open)
            return (Known(connection), null);
        try
        {
            using var command = new NpgsqlCommand(Sql, connection);
            using var row = command.ExecuteReader();
            if (!row.Read() || row.IsDBNull(1))
                return (connection.ProcessID, null);
            if (row.GetInt32(0) == connection.ProcessID)
                return (row.GetInt32(0), row.GetDateTime(1));
            onFailure("a pooler stands between here and the server.");
            return (null, null);
        }
        catch (Exception error) when (error is NpgsqlException or InvalidOperationException)
        {
            onFailure(error.Message);
            return (Known(connection), null);
        }
    }

    /// <summary>Pid that the driver knows, without a query.</summary>
    /// <exception cref="InvalidOperationException">The connection is closed.</exception>
    private static int Known(NpgsqlConnection connection) =>
        connection.State == ConnectionState.Closed
            ? throw new InvalidOperationException("The work connection must be open.")
            : connection.ProcessID;
}
