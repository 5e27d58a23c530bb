using System.Globalization;
using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>Judges what a monitor was told: one result per check.</summary>
internal sealed class MonitorFindings(
    WalMonitorOptions options, WalMonitor.Answer<ArchivingServer> server, WalMonitor.Answer<WalMonitor.Archive> archive, WalMonitor.Answer<IReadOnlyList<BackupInfo>> backups,
    DateTimeOffset now, ArchivingServer? previous)
{
    private static readonly TimeSpan RecentFailure = TimeSpan.FromHours(1);

    private readonly ArchiveReach? _reach = archive.Found?.Reach;

    public WalMonitorResult ToResult() => new(now, [.. Wanted().Distinct().Order().Select(Judge)])
    {
        ServerLsn = server.Found?.Lsn,
        DurableLsn = Durable,
        LastDurableCommit = _reach?.LastCommit,
    };

    // What the receiver has confirmed is safe like what lies in the archive.
    private NpgsqlLogSequenceNumber? Durable => (_reach?.End, server.Found?.Slot?.Flushed) switch
    {
        ({ } archived, { } flushed) => archived > flushed ? archived : flushed,
        var (archived, flushed) => archived ?? flushed,
    };

    private BackupInfo? NewestBackup => backups.Found?.LastOrDefault(IsUsable);

    private bool IsUsable(BackupInfo backup) => backup.Problem is null && (server.Found is null || backup.SystemIdentifier == server.Found.SystemIdentifier);

    private IEnumerable<WalCheck> Wanted()
    {
        if (options.Checks is { } named)
            return named;
        var isArchiving = server.Found?.IsArchiving ?? true;
        return Enum.GetValues<WalCheck>().Where(check => check switch
        {
            WalCheck.Server => server.IsAsked,
            // A server whose WAL a receiver takes need not archive.
            WalCheck.Archiver => server.IsAsked && (isArchiving || options.Slot is null),
            WalCheck.Backlog => server.IsAsked && (isArchiving || archive.IsAsked),
            WalCheck.BacklogAge => server.IsAsked && isArchiving,
            WalCheck.Repository or WalCheck.Gaps => archive.IsAsked,
            WalCheck.Rpo => server.IsAsked && archive.IsAsked,
            WalCheck.RpoBytes => server.IsAsked && (archive.IsAsked || options.Slot is not null),
            WalCheck.SlotLag => server.IsAsked && options.Slot is not null,
            _ => backups.IsAsked,
        });
    }

    private WalCheckResult Judge(WalCheck check) => check switch
    {
        WalCheck.Server => server.Found is { } found
            ? new(check, WalCheckLevel.Ok, 1, $"It answers; its WAL ends at '{found.Lsn}' on timeline '{found.Timeline}'.", null)
            : server.IsAsked ? new(check, WalCheckLevel.Critical, 0, $"It cannot be asked: {Sentence(server.Error!)}", "See that it runs, and lets this role in.") : NoServer(check),
        WalCheck.Repository => Repository(),
        WalCheck.Gaps => Gaps(),
        WalCheck.LastFullBackupAge => LastBackup(),
        _ => server.Found is { } asked ? Judge(check, asked) : NoServer(check),
    };

    private WalCheckResult Judge(WalCheck check, ArchivingServer found) => check switch
    {
        WalCheck.Archiver => Archiver(found),
        WalCheck.Backlog => Backlog(found),
        WalCheck.BacklogAge => BacklogAge(found),
        WalCheck.SlotLag => SlotLag(found),
        WalCheck.Rpo => Rpo(found),
        _ => RpoBytes(found),
    };

    private WalCheckResult Repository() => archive switch
    {
        { Found: { Reach.Damaged: [var first, ..] } found } =>
            new(WalCheck.Repository, WalCheckLevel.Critical, found.Segments, $"Of its newest files '{first}' is not valid.", "'omnipg-wal verify' says what is wrong; a new base backup makes it unneeded."),
        { Found: { } found } => new(WalCheck.Repository, WalCheckLevel.Ok, found.Segments, $"'{found.Segments}' complete segments lie in '{found.Id}'.", null),
        { Error: { } error } => new(WalCheck.Repository, WalCheckLevel.Critical, null, Sentence(error), (error as OmniPgException)?.Hint ?? "See that it is mounted, and that this account may read it."),
        _ => NoArchive(WalCheck.Repository),
    };

    private WalCheckResult Archiver(ArchivingServer found)
    {
        if (!found.IsArchiving)
        {
            return found.IsStandby
                ? Unknown(WalCheck.Archiver, "The server is a standby and does not archive.", "Watch the primary, or set archive_mode = always here.")
                : new(WalCheck.Archiver, WalCheckLevel.Critical, found.FailedCount, "archive_mode is 'off': no WAL is archived.", "Set archive_mode = on and restart the server.");
        }

        var more = previous is { } before && before.StatsReset == found.StatsReset ? found.FailedCount - before.FailedCount : (long?)null;
        var counted = $"'{found.FailedCount}' tries failed since '{found.StatsReset:u}'" + (more is { } change ? $", '{change}' of them since the last look" : "");
        const string Look = "Look into the server's log for what archive_command said.";
        if (found.IsFailing)
            return new(WalCheck.Archiver, WalCheckLevel.Critical, found.FailedCount, $"Archiving fails, last of '{found.LastFailedWal}' at '{found.LastFailed:u}'; {counted}.", Look);
        return more > 0 || now - found.LastFailed < RecentFailure
            ? new(WalCheck.Archiver, WalCheckLevel.Warning, found.FailedCount, $"Archiving works again after it failed, last at '{found.LastFailed:u}'; {counted}.", Look)
            : new(WalCheck.Archiver, WalCheckLevel.Ok, found.FailedCount, found.LastArchived is null ? $"Nothing was archived since the statistics began; {counted}." : $"The last try succeeded; {counted}.", null);
    }

    private WalCheckResult Backlog(ArchivingServer found)
    {
        const string Hint = "See check 'archiver', and whether the archive is fast enough.";
        if (found is { IsArchiving: true, Ready: { } ready })
            return Measured(WalCheck.Backlog, ready.Count, ready.Count == 0 ? "Nothing waits to be archived." : $"'{ready.Count}' files wait to be archived, first '{ready.Keys.MinBy(n => n.Position)}'.", Hint);
        if (found.IsArchiving)
        {
            return found.LastArchived is { Kind: WalFileKind.Segment } last && last.Fits(found.SegmentSize)
                ? Measured(WalCheck.Backlog, Math.Max(0, (long)found.CurrentSegment - 1 - (long)last.SegmentNumber(found.SegmentSize)), $"Reckoned from '{last}', because the role may not list the waiting files.", WalServerException.Grant)
                : Unknown(WalCheck.Backlog, "The role may not list the waiting files, and no segment has been archived to reckon from.", WalServerException.Grant);
        }

        return _reach is { End: not null }
            ? Measured(WalCheck.Backlog, _reach.Behind, $"'{_reach.Behind}' complete segments of the server are not in the archive yet.", "See that the receiver runs.")
            : archive.Error is not null || !archive.IsAsked ? NoArchive(WalCheck.Backlog) : NothingArchived(WalCheck.Backlog);
    }

    private WalCheckResult BacklogAge(ArchivingServer found)
    {
        if (!found.IsArchiving)
            return Unknown(WalCheck.BacklogAge, "The server does not archive.", null);
        if (found.Ready is not { } ready)
            return Unknown(WalCheck.BacklogAge, "The role may not list the waiting files.", WalServerException.Grant);
        if (ready.Count == 0)
            return Measured(WalCheck.BacklogAge, 0, "Nothing waits to be archived.", null);
        // The server tells whole seconds.
        var (name, since) = ready.MinBy(r => (r.Value, r.Key.Position));
        return Measured(WalCheck.BacklogAge, Seconds(since), $"'{name}' waits since '{since:u}'.", "See check 'archiver', and whether archive_command hangs.");
    }

    private WalCheckResult Gaps()
    {
        if (archive.Found is not { } found)
            return NoArchive(WalCheck.Gaps);
        // What waits to be archived is late, not lost; that the archiver fails is told by its own check.
        var missing = found.Gaps.Where(static g => g.IsLost).ToList();
        // Of an archive with nothing of the server's, absence proves nothing.
        if (missing.Count == 0 && _reach is { End: null })
            return NothingArchived(WalCheck.Gaps);
        if (missing.Count == 0)
            return Measured(WalCheck.Gaps, 0, "No segment is missing.", null);
        var total = missing.Sum(g => g.Count);
        var where = $"'{total}' segments are missing, first '{missing[0].From}' to '{missing[0].To}'";
        // The newest backup does not need what lies before it; older ones reach no further than the gap.
        var newest = NewestBackup;
        var result = Measured(WalCheck.Gaps, total, where + ": recovery cannot get past them.", "Make a base backup now; look for the files in pg_wal and in other archives.");
        return newest is not null && missing.TrueForAll(g => g.To.Position < newest.WalFrom.Position) && result.Level == WalCheckLevel.Critical
            ? result with { Level = WalCheckLevel.Warning, Text = $"{where}, all before backup '{newest.Id}': older ones cannot get past them.", Hint = "They go with the backups before them: 'omnipg-wal backup-cleanup'." }
            : result;
    }

    private WalCheckResult Rpo(ArchivingServer found)
    {
        if (archive.Found is null)
            return NoArchive(WalCheck.Rpo);
        if (Durable is not { } durable)
            return NothingArchived(WalCheck.Rpo);
        if (durable >= found.Lsn || _reach!.IsQuiet)
            return Measured(WalCheck.Rpo, 0, $"No transaction has ended that is not safe; the last commit archived is of '{Time(_reach!.LastCommit)}'.", null);
        return _reach.LastCommit is { } commit
            ? Measured(WalCheck.Rpo, Seconds(commit), $"The last commit archived is of '{Time(commit)}', and others have followed.", "See check 'backlog'; archive_timeout, or a receiver, bounds the age of the open segment.")
            : Unknown(WalCheck.Rpo, "The newest segments in the archive hold no commit.", null);
    }

    private WalCheckResult RpoBytes(ArchivingServer found)
    {
        if (Durable is { } durable)
        {
            var bytes = durable < found.Lsn ? (double)((ulong)found.Lsn - (ulong)durable) : 0;
            return Measured(WalCheck.RpoBytes, bytes, $"WAL is safe up to '{durable}', the server is at '{found.Lsn}'.", "See check 'backlog'.");
        }

        return archive.Found is null && (archive.IsAsked || options.Slot is null) ? NoArchive(WalCheck.RpoBytes)
            : archive.Found is null ? SlotLag(found) with { Check = WalCheck.RpoBytes } : NothingArchived(WalCheck.RpoBytes);
    }

    private WalCheckResult SlotLag(ArchivingServer found)
    {
        const string Hint = "See that the receiver runs, and that its storage is fast enough.";
        if (options.Slot is null)
            return Unknown(WalCheck.SlotLag, "No slot is named.", null);
        switch (found.Slot)
        {
            case null:
                return new(WalCheck.SlotLag, WalCheckLevel.Critical, null, $"The server has no physical slot '{options.Slot}'.", "'omnipg-wal receive --create-slot' makes it.");
            case { Flushed: null }:
                return new(WalCheck.SlotLag, WalCheckLevel.Critical, null, $"Slot '{options.Slot}' keeps no WAL{(found.Slot.WalStatus == "lost" ? ": the server gave it up" : "")}.", "Start the receiver; if it had been used, make a base backup and begin anew.");
            case { Flushed: { } flushed } slot:
                var lag = flushed < found.Lsn ? (double)((ulong)found.Lsn - (ulong)flushed) : 0;
                var result = Measured(WalCheck.SlotLag, lag, $"The receiver has confirmed '{flushed}', the server is at '{found.Lsn}'.", Hint);
                if (slot.WalStatus is "lost" or "unreserved")
                    return result with { Level = WalCheckLevel.Critical, Text = $"The server gives up WAL that slot '{options.Slot}' needs (wal_status '{slot.WalStatus}'). {result.Text}", Hint = "Start the receiver at once, or raise max_slot_wal_keep_size." };
                return slot.IsActive || result.Level != WalCheckLevel.Ok
                    ? result
                    : result with { Level = WalCheckLevel.Warning, Text = $"No receiver is connected to slot '{options.Slot}'. {result.Text}", Hint = Hint };
        }
    }

    private WalCheckResult LastBackup()
    {
        if (backups.Found is not { } found)
            return new(WalCheck.LastFullBackupAge, backups.IsAsked ? WalCheckLevel.Critical : WalCheckLevel.Unknown, null, backups.Error is { } error ? Sentence(error) : "No store of backups is named.", (backups.Error as OmniPgException)?.Hint);
        // An incremental one that is whole stands on a full one that is.
        return found.LastOrDefault(b => b.IncrementOf is null && IsUsable(b)) is not { } newest
            ? new(WalCheck.LastFullBackupAge, WalCheckLevel.Critical, null, $"None of '{found.Count}' backups is whole and of this cluster.", "Make one: 'omnipg-wal backup'.")
            : Measured(WalCheck.LastFullBackupAge, Seconds(newest.Stopped), $"Backup '{newest.Id}' ended at '{newest.Stopped:u}'.", "Make one: 'omnipg-wal backup'.");
    }

    private WalCheckResult Measured(WalCheck check, double value, string text, string? hint)
    {
        var limits = options.ThresholdOf(check);
        var level = value > limits?.Critical ? WalCheckLevel.Critical : value > limits?.Warning ? WalCheckLevel.Warning : WalCheckLevel.Ok;
        return new WalCheckResult(check, level, value, text, level == WalCheckLevel.Ok ? null : hint) { Threshold = limits };
    }

    // The hint stands beside it. Other sentences may follow, and those of the system and of the driver end without a period.
    private static string Sentence(Exception error) => $"{((error as OmniPgException)?.Sentence ?? error.Message).TrimEnd().TrimEnd('.')}.";

    private double Seconds(DateTimeOffset since) => Math.Max(0, (now - since).TotalSeconds);

    private static string Time(DateTimeOffset? time) => time?.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture) ?? "(none)";

    private static WalCheckResult Unknown(WalCheck check, string text, string? hint) => new(check, WalCheckLevel.Unknown, null, text, hint);

    private WalCheckResult NoServer(WalCheck check) => Unknown(check, server.Error is { } error ? $"The server cannot be asked: {Sentence(error)}" : "No server is named.", null);

    private WalCheckResult NoArchive(WalCheck check) => Unknown(check, archive.Error is { } error ? $"The archive cannot be read: {Sentence(error)}" : "No archive is named.", null);

    private static WalCheckResult NothingArchived(WalCheck check) => Unknown(check, "The archive holds no segment that leads to the server's WAL.", "See check 'archiver', and whether this is the server's archive.");
}
