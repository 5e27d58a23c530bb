using System.Globalization;

namespace OmniPg.Wal;

/// <summary>Finds the unbroken WAL that reaches the end of the archive, and the times of its first and last commit.</summary>
internal sealed class WindowFinder(IObjectStore store, ArchiveMap map)
{
    public async Task<RecoveryWindow> FindAsync(CancellationToken cancellationToken)
    {
        var gaps = GapFinder.Find(map);
        // The newest timeline that anything archived leads to: one that is known by its history alone counts, because recovery follows it.
        var timeline = map.Segments.Keys.Union(map.Histories.Keys).OrderDescending().FirstOrDefault(t => UnbrokenRun(t).Count > 0);
        if (timeline == 0)
            return new RecoveryWindow(null, null, 0, null, null, gaps);
        var run = UnbrokenRun(timeline);
        var latest = await FirstTimeAsync(Enumerable.Reverse(run), s => s.LastCommit, cancellationToken).ConfigureAwait(false);
        var earliest = await OldestBackupAsync(run, cancellationToken).ConfigureAwait(false)
            ?? await FirstTimeAsync(run, s => s.FirstCommit, cancellationToken).ConfigureAwait(false);
        // Nothing was committed behind the backup: its end and the last commit are one and the same state.
        if (latest < earliest)
            earliest = latest;
        await map.RequireStillThereAsync(cancellationToken).ConfigureAwait(false);
        return new RecoveryWindow(earliest, latest, timeline, run[0][0].Name, run[^1][0].Name, gaps);
    }

    /// <summary>The copies of each segment on the way to the timeline, backwards from its last one until one is missing.</summary>
    private List<List<WalArchivedFile>> UnbrokenRun(uint timeline)
    {
        var run = new List<List<WalArchivedFile>>();
        foreach (var stretch in map.PathTo(timeline).Reverse())
        {
            var segments = map.Segments.GetValueOrDefault(stretch.Timeline);
            for (var number = stretch.To; ; number--)
            {
                if (segments?.GetValueOrDefault(number) is not { } copies)
                {
                    run.Reverse();
                    return run;
                }

                run.Add(copies);
                if (number == stretch.From)
                    break;
            }
        }

        run.Reverse();
        return run;
    }

    private async Task<DateTimeOffset?> FirstTimeAsync(
        IEnumerable<List<WalArchivedFile>> segments, Func<WalValidationResult, DateTimeOffset?> pick, CancellationToken cancellationToken)
    {
        foreach (var copy in segments.SelectMany(c => c))
        {
            if (await SummaryAsync(store, copy, cancellationToken).ConfigureAwait(false) is { } summary && pick(summary) is { } time)
                return time;
        }

        return null;
    }

    /// <returns>Null for a file that is not valid, or gone.</returns>
    internal static async Task<WalValidationResult?> SummaryAsync(IObjectStore store, WalArchivedFile file, CancellationToken cancellationToken)
    {
        try
        {
            var content = await WalContent.OpenReadAsync(store, file.Key, cancellationToken).ConfigureAwait(false);
            if (content is null)
                return null;
            await using (content.ConfigureAwait(false))
                return await ContentCheck.RunAsync(content, file.Name, WalValidation.Full, WalExpectations.Any.WithUnknownVersions(), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is WalValidationException or CorruptCompressedDataException)
        {
            // A window is about what can be used; verification names what cannot.
            return null;
        }
    }

    private async Task<DateTimeOffset?> OldestBackupAsync(List<List<WalArchivedFile>> run, CancellationToken cancellationToken)
    {
        var names = run.Select(c => c[0].Name).ToHashSet();
        foreach (var file in map.Others.Where(f => f.Name.Kind == WalFileKind.BackupHistory).OrderBy(f => f.Name.Position))
        {
            if (!names.Contains(file.Name.GetSegment()))
                continue;
            if (await ArchiveMap.ReadTextAsync(store, file, cancellationToken).ConfigureAwait(false) is { } text && StopTime(text) is { } time)
                return time;
        }

        return null;
    }

    /// <summary>The server writes the time in its log_timezone; only the unambiguous names are understood.</summary>
    private static DateTimeOffset? StopTime(string text)
    {
        try
        {
            var written = BackupLabel.Parse(text).StopTime;
            return written is not null && (written.EndsWith(" UTC", StringComparison.Ordinal) || written.EndsWith(" GMT", StringComparison.Ordinal))
                && DateTimeOffset.TryParse(written[..^4], CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
                    ? time
                    : null;
        }
        catch (WalValidationException)
        {
            return null;
        }
    }
}
