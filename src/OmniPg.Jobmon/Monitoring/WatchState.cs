namespace OmniPg.Jobmon;

/// <summary>How far a watcher has read: the highest run, the runs still open, and ids that were handed out but not seen committed.</summary>
internal sealed class WatchState
{
    // A run logged inside a long transaction becomes visible late; one whose transaction rolled back never does.
    private const int MostGaps = 10_000;
    private static readonly TimeSpan GapLifetime = TimeSpan.FromMinutes(10);

    private const string Begin =
        """
        SELECT coalesce(max(job_id), 0), coalesce((SELECT array_agg(job_id) FROM @schema@.job_log WHERE status IS NULL AND end_time IS NULL), '{}')
        FROM @schema@.job_log
        """;

    private const string SuccessText = "SELECT (SELECT t.alert_text FROM @schema@.job_status_text t WHERE t.alert_code = 1)";

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
            server.Render(JobHistorySql.Changed), HistoryRows.Job, PgParameter.BigInt(_highest), PgParameter.BigInts(_open.Concat(_gaps.Keys))).ConfigureAwait(false);
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
            events.Add((job.StartTime, new JobEvent(JobEventKind.Started, job)));
        if (job.EndTime is not { } end)
        {
            _open.Add(job.JobId);
        }
        else if (isNew || _open.Contains(job.JobId))
        {
            _open.Remove(job.JobId);
            events.Add((end, new JobEvent(job.Status == success ? JobEventKind.Succeeded : JobEventKind.Failed, job)));
        }
    }
}
