using System.Data;
using System.Runtime.CompilerServices;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Follows the log: notifications wake it, what happened is read from the table, so nothing depends on a notification arriving.</summary>
internal sealed class JobWatcher(JobmonDatabase database, TimeProvider time)
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(2);

    private readonly State _state = new();
    private bool _begun;
    private bool _listens;

    public async IAsyncEnumerable<JobEvent> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        NpgsqlConnection? connection = null;
        var backOff = new BackOff();
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
                        backOff.Reset();
                    }
                    else if (_listens)
                    {
                        await connection.WaitAsync(PollInterval, cancellationToken).ConfigureAwait(false);
                    }
                    else
                    {
                        await Task.Delay(PollInterval, time, cancellationToken).ConfigureAwait(false);
                    }
                    events = await ReadAsync(connection, cancellationToken).ConfigureAwait(false);
                }
                catch (NpgsqlException) when (_begun)
                {
                    if (connection is not null)
                        await connection.DisposeAsync().ConfigureAwait(false);
                    connection = null;
                    backOff.Next();
                }
                foreach (var e in events)
                    yield return e;
                if (connection is null)
                    await Task.Delay(backOff.Pause, time, cancellationToken).ConfigureAwait(false);
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
            _listens = await session.ScalarAsync("SELECT pg_catalog.pg_backend_pid()").ConfigureAwait(false) is int pid && pid == connection.ProcessID;
            if (_listens)
                await session.ExecuteAsync("LISTEN omnipg_jobmon").ConfigureAwait(false);

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

    /// <summary>How far a watcher has read: the highest run, the runs still open, and ids that were handed out but not seen committed.</summary>
    private sealed class State
    {
        // A run logged inside a long transaction becomes visible late; one whose transaction rolled back never does.
        private const int MostGaps = 10_000;
        private static readonly TimeSpan GapLifetime = TimeSpan.FromMinutes(10);

        private const string Begin =
            """
            SELECT coalesce(max(job_id), 0), coalesce((SELECT array_agg(job_id) FROM jobmon.job_log WHERE status IS NULL AND end_time IS NULL), '{}')
            FROM jobmon.job_log
            """;

        private const string SuccessText = "SELECT (SELECT t.alert_text FROM jobmon.job_status_text t WHERE t.alert_code = 1)";

        private readonly HashSet<long> _open = [];
        private readonly Dictionary<long, DateTimeOffset> _gaps = [];
        private long _highest;

        public async Task BeginAsync(PgSession session, JobmonServer server)
        {
            (_highest, var open) = await session.RowAsync(server.Render(Begin), row => (row.GetInt64(0), row.GetFieldValue<long[]>(1))).ConfigureAwait(false);
            _open.UnionWith(open);
        }

        /// <summary>Reads what changed since the last call and returns it in the order of its happening.</summary>
        public async Task<IReadOnlyList<JobEvent>> AdvanceAsync(PgSession session, JobmonServer server, DateTimeOffset now)
        {
            var success = await session.ScalarAsync(server.Render(SuccessText)).ConfigureAwait(false) as string ?? "OK";
            // All or nothing: what is taken is not read again, so a connection that breaks between two rows must not have taken the first.
            var changed = await session.RowsAsync(
                server.Render(JobHistory.Changed), JobHistory.ReadJob, PgParameter.BigInt(_highest), PgParameter.BigInts(_open.Concat(_gaps.Keys))).ConfigureAwait(false);
            var events = new List<(DateTimeOffset At, JobEvent Event)>();
            foreach (var job in changed)
                Take(job, success, now, events);
            foreach (var id in _gaps.Where(g => now - g.Value > GapLifetime).Select(g => g.Key).ToArray())
                _gaps.Remove(id);
            return [.. events.OrderBy(e => e.At).ThenBy(e => e.Event.Job.JobId).Select(e => e.Event)];
        }

        private void Take(JobRecord job, string success, DateTimeOffset now, List<(DateTimeOffset At, JobEvent Event)> events)
        {
            var isNew = job.JobId > _highest || _gaps.Remove(job.JobId);
            if (job.JobId > _highest)
            {
                for (var id = _highest + 1; id < job.JobId && _gaps.Count < MostGaps; id++)
                    _gaps[id] = now;
                _highest = job.JobId;
            }
            if (isNew)
                events.Add((job.StartTime, new JobEvent(JobState.Running, job)));
            if (job.EndTime is not { } end)
            {
                _open.Add(job.JobId);
            }
            else if (isNew || _open.Contains(job.JobId))
            {
                _open.Remove(job.JobId);
                events.Add((end, new JobEvent(job.Status == success ? JobState.Completed : JobState.Failed, job)));
            }
        }
    }
}
