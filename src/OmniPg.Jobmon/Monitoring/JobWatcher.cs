using System.Data;
using System.Runtime.CompilerServices;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Follows the log: notifications wake it, what happened is read from the table, so nothing depends on a notification arriving.</summary>
internal sealed class JobWatcher(JobmonDatabase database, TimeProvider time)
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private readonly WatchState _state = new();
    private bool _begun;
    private bool _listens;

    public async IAsyncEnumerable<JobEvent> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        NpgsqlConnection? connection = null;
        var pause = TimeSpan.Zero;
        try
        {
            while (true)
            {
                IReadOnlyList<JobEvent> events = [];
                try
                {
                    if (connection is not { State: ConnectionState.Open })
                    {
                        if (connection is not null)
                            await connection.DisposeAsync().ConfigureAwait(false);
                        connection = null;
                        connection = await ListenAsync(cancellationToken).ConfigureAwait(false);
                        pause = TimeSpan.Zero;
                    }
                    else
                    {
                        await connection.WaitAsync(PollInterval, cancellationToken).ConfigureAwait(false);
                    }
                    events = await ReadAsync(connection, cancellationToken).ConfigureAwait(false);
                }
                catch (NpgsqlException) when (_begun)
                {
                    if (connection is not null)
                        await connection.DisposeAsync().ConfigureAwait(false);
                    connection = null;
                    pause = pause == TimeSpan.Zero ? TimeSpan.FromSeconds(0.2) : pause * 2 < LongestPause ? pause * 2 : LongestPause;
                }
                foreach (var e in events)
                    yield return e;
                if (connection is null)
                    await Task.Delay(pause, time, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            if (connection is not null)
                await LeaveAsync(connection).ConfigureAwait(false);
        }
    }

    private async Task<NpgsqlConnection> ListenAsync(CancellationToken cancellationToken)
    {
        var connection = await database.OpenAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            // Behind a pooler the backend would go on listening for somebody else; there the table is looked at from time to time.
            var session = database.On(connection, cancellationToken);
            if (await session.ScalarAsync("SELECT pg_catalog.pg_backend_pid()").ConfigureAwait(false) is int pid && pid == connection.ProcessID)
            {
                await session.ExecuteAsync("LISTEN omnipg_jobmon").ConfigureAwait(false);
                _listens = true;
            }

            return connection;
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    // The connection goes back to the user's pool, which may not reset it.
    private async ValueTask LeaveAsync(NpgsqlConnection connection)
    {
        try
        {
            if (_listens)
                await database.On(connection, CancellationToken.None).ExecuteAsync("UNLISTEN omnipg_jobmon").ConfigureAwait(false);
        }
        catch (Exception error) when (error is NpgsqlException or InvalidOperationException)
        {
            // Broken: it never goes back.
        }

        await connection.DisposeAsync().ConfigureAwait(false);
    }

    private async Task<IReadOnlyList<JobEvent>> ReadAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var transaction = await SessionSettings.BeginAsync(async: true, connection, mayWrite: false, cancellationToken).ConfigureAwait(false);
        var events = await ReadInTransactionAsync(connection, cancellationToken).ConfigureAwait(false);
        try
        {
            await transaction.CommitAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (NpgsqlException)
        {
            // What was read is not read again: it must not be lost with the connection, whose state tells the next look that it is broken.
        }

        return events;
    }

    private async Task<IReadOnlyList<JobEvent>> ReadInTransactionAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var session = database.On(connection, cancellationToken);
        var server = (await database.GetTargetAsync(session).ConfigureAwait(false)).RequireInstalled();
        if (!_begun)
        {
            await _state.BeginAsync(session, server).ConfigureAwait(false);
            _begun = true;
            return [];
        }
        return await _state.AdvanceAsync(session, server, time.GetUtcNow()).ConfigureAwait(false);
    }
}
