namespace OmniPg.Jobmon;

/// <summary>Writes what processes that are gone left in their spool files, each event once, and removes the files.</summary>
/// <remarks>
/// A file belongs to its writer for as long as that holds the file's lock. Every event is recognised by its token, so a replay that was
/// cut short is simply done again; only without the side tables the starts of such a second replay appear twice.
/// </remarks>
internal sealed class SpoolReplay(
    string ownPath, SpoolHeader header, AutonomousWriter writer, PostgresSink sink, OwnConnections connections, LogTarget target,
    WriteContext context, ILogger logger)
{
    // Texts were filtered and cut when they were written to the file: only what no server can store is still replaced.
    private static readonly TextGuard Plain = new(filter: null, maxBytes: int.MaxValue);

    /// <summary>Adopts every file that waits for this job log. Returns early when the server goes away or it takes too long; the files stay.</summary>
    /// <returns>Whether all of them could be tried; between batches <paramref name="enough"/> is asked whether to stop here.</returns>
    public bool Run(Func<bool> enough)
    {
        var folder = Path.GetDirectoryName(ownPath)!;
        string[] files = [];
        Guarded(folder, () => files = Directory.Exists(folder) ? Directory.GetFiles(folder, SpoolFile.Pattern) : []);
        var left = files.Where(file => file != ownPath).ToArray();
        // Times in the files are the server's: its clock has to be known before they are read.
        if (left.Length > 0 && !sink.Probe())
            return false;
        var all = true;
        foreach (var file in left)
        {
            if (all)
                Guarded(file, () => all = Adopt(file, enough));
        }

        return all;
    }

    // A file that cannot be read, of another user, say, does not keep the others waiting.
    private void Guarded(string path, Action work)
    {
        try
        {
            work();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            JobmonLog.SpoolReplayFailed(logger, path, error.Message, error);
        }
    }

    /// <summary>False when the server went away, or it was enough.</summary>
    private bool Adopt(string path, Func<bool> enough)
    {
        using var file = SpoolFile.TryTake(path);
        if (file is null)
            return true;
        using var reader = new SpoolReader(file);
        if (reader.Header is not { Version: SpoolHeader.CurrentVersion } left)
        {
            if (file.Length == 0)
                File.Delete(path);
            else
                SetAside(path, "its first line is no header of this version");
            return true;
        }

        if (!left.IsSameLog(header))
            return true;
        if (Write(reader, left, File.GetLastWriteTimeUtc(path), enough) is not { } events)
            return false;
        if (reader.Unreadable > 0)
        {
            SetAside(path, $"'{reader.Unreadable}' lines are unreadable");
            return true;
        }

        // Emptied under the lock: whoever opens it between here and the removal finds nothing to write again.
        file.SetLength(0);
        File.Delete(path);
        JobmonLog.SpoolReplayed(logger, events, path, left.Client, left.Process);
        return true;
    }

    /// <summary>Number of events written; null when the server went away, or it was enough.</summary>
    private int? Write(SpoolReader reader, SpoolHeader left, DateTime lastWrite, Func<bool> enough)
    {
        if (!Register(left, context.Clock.At(context.Clock.MarkOfWall(lastWrite)) ?? lastWrite))
            return null;
        // The process had no backend that could be named now: 0 is nobody's.
        var origin = context with { Texts = Plain, SessionId = left.Session, ControlPid = static () => 0 };
        var waiting = new HashSet<JobRow>();
        var events = 0;
        foreach (var e in reader.Events(new SpoolDecoder(origin, context.Clock)))
        {
            events++;
            e.Job.Journal.Add(e, int.MaxValue);
            waiting.Add(e.Job);
            // A file may hold a weekend of events: no run has more than one batch of them in memory.
            if (e.Job.Journal.Count >= JobJournal.MaxBatch && !Next(e.Job))
                return null;
        }

        return waiting.All(Next) ? events : null;

        bool Next(JobRow job) => !enough() && Drain(job);
    }

    // Events that cannot be written now stay in their file, and nowhere else.
    private bool Drain(JobRow job) => !SyncCall.Run(writer.TryDrainAsync(async: false, job, CancellationToken.None)).Away;

    /// <summary>The dead process as a session, so that a run which it did not end is found dead, with its last sign of life.</summary>
    private bool Register(SpoolHeader left, DateTime lastSeen)
    {
        try
        {
            using var connection = SyncCall.Run(connections.OpenAsync(async: false, CancellationToken.None));
            if (!SyncCall.Run(target.FindAsync(async: false, connection)).HasSide)
                return true;
            connections.Statements(connection).Execute(
                target.Server!.Render(ControlSql.RegisterDead), PgParameter.Uuid(left.Session), PgParameter.Text(left.Client),
                PgParameter.Text(left.Host), PgParameter.Integer(left.Process), PgParameter.Instant(left.ProcessStart), PgParameter.Instant(lastSeen));
            return true;
        }
        catch (Exception error) when (WriteFailures.IsExpected(error))
        {
            return false;
        }
    }

    private void SetAside(string path, string reason)
    {
        var kept = path + ".unreadable";
        File.Move(path, kept, overwrite: true);
        JobmonLog.SpoolUnreadable(logger, kept, reason);
    }
}
