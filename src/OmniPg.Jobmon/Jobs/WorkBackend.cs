using System.Data;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Finds out which backend a connection of the caller runs on.</summary>
internal static class WorkBackend
{
    // Asked on the server: behind a pooler the driver knows the number of the pooler only. The start tells a process id that is used
    // again from the one that was meant.
    private const string Sql = "SELECT a.pid, a.backend_start FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a";

    /// <summary>
    /// Pid and start of the backend; in a broken transaction or while a reader is open only the pid that the driver knows; nothing behind
    /// a pooler, where the next statement may run on another backend and this one work for somebody else.
    /// </summary>
    public static (int? Pid, DateTime? BackendStart) Identify(NpgsqlConnection connection, Action<string> onFailure)
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
    public static int Known(NpgsqlConnection connection) =>
        connection.State == ConnectionState.Closed
            ? throw new InvalidOperationException("The work connection must be open.")
            : connection.ProcessID;
}
