using System.Collections.Immutable;
using System.Threading.Channels;

namespace OmniPg.Wal;

/// <summary>Looks, works, looks again.</summary>
internal sealed class ResidentLoop(WalArchiver archiver, WalResidentOptions options, ChannelWriter<ArchiveEvent> events)
{
    private const string ReadySuffix = ".ready";
    private const int FilesPerLook = 256;
    private readonly TimeProvider _time = archiver.Time;
    private readonly string _status = Path.Combine(archiver.Options.DataDirectory, "pg_wal", "archive_status");
    private readonly WalPushSpool _spool = new(options.SpoolDirectory);
    private int _backlog;

    /// <summary>Runs until stopped, and ends the events: by what ended it, if that was an error.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            _spool.Create();
            var lockFile = Path.Combine(options.SpoolDirectory, "resident.lock");
            using var single = ResidentLock.Take(lockFile, $"spool '{options.SpoolDirectory}'", "--spool", holder => new WalLockedException(lockFile, holder));
            // Answers of an earlier run say nothing about the destinations of this one; a file that is there already costs one comparison.
            _spool.KeepOnly(ImmutableHashSet<string>.Empty);
            using var workUntil = new CancellationTokenSource();
            using var onStop = stop.Register(() => workUntil.CancelAfter(options.StopGrace));
            using var work = new ResidentWork(archiver, _spool, options.ProcessMax, ReportAsync);
            await archiver.TryRemoveAbandonedAsync(stop).ConfigureAwait(false);
            using var socket = options.SocketPath is { } path ? new ResidentSocket(path, work, _spool) : null;
            var serving = socket?.RunAsync(stop, workUntil.Token) ?? Task.CompletedTask;
            await LookAheadAsync(work, stop, workUntil.Token).ConfigureAwait(false);
            await serving.ConfigureAwait(false);
            events.Complete();
        }
        catch (Exception error)
        {
            events.Complete(error);
        }
    }

    private async Task LookAheadAsync(ResidentWork work, CancellationToken stop, CancellationToken workUntil)
    {
        while (!stop.IsCancellationRequested)
        {
            var ready = ListReady();
            TidySpool(ready.Select(static f => f.ToString()).ToHashSet());
            var due = ready.Where(work.IsDue).Take(FilesPerLook).ToList();
            await ReportBacklogAsync(due.Count).ConfigureAwait(false);
            await ArchiveAsync(due, work, stop, workUntil).ConfigureAwait(false);
            if (due.Count == 0)
                await Task.Delay(options.PollInterval, _time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // A spool that goes away under the mode ends no archiving: what stays there too long is about a file that is not ready any more.
    private void TidySpool(HashSet<string> ready)
    {
        try
        {
            _spool.KeepOnly(ready);
        }
        catch (Exception unusable) when (unusable is IOException or UnauthorizedAccessException)
        {
        }
    }

    private async Task ArchiveAsync(List<WalFileName> files, ResidentWork work, CancellationToken stop, CancellationToken workUntil)
    {
        try
        {
            await Parallel.ForEachAsync(
                files,
                new ParallelOptions { MaxDegreeOfParallelism = options.ProcessMax, CancellationToken = stop },
                async (file, _) => await work.ArchiveAsync(file, workUntil).ConfigureAwait(false)).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The loop sees it and ends.
        }
    }

    private async Task ReportBacklogAsync(int backlog)
    {
        if (Interlocked.Exchange(ref _backlog, backlog) == backlog)
            return;
        WalTelemetry.Backlog = backlog;
        await events.WriteAsync(new ArchiveEvent(ArchiveEventKind.Backlog, _time.GetUtcNow(), backlog)).ConfigureAwait(false);
    }

    private async Task ReportAsync(ArchiveEventKind kind, WalFileName file, WalArchiveResult? result, OmniPgException? error)
    {
        var backlog = kind == ArchiveEventKind.Archived ? Interlocked.Decrement(ref _backlog) : _backlog;
        await events.WriteAsync(new ArchiveEvent(kind, _time.GetUtcNow(), Math.Max(backlog, 0), file, result, error)).ConfigureAwait(false);
    }

    // All that PostgreSQL wants archived: history files first, as the server itself does, then oldest first.
    private List<WalFileName> ListReady()
    {
        var ready = new List<WalFileName>();
        foreach (var path in Directory.EnumerateFiles(_status, "*" + ReadySuffix))
            if (WalFileName.TryParse(Path.GetFileName(path.AsSpan())[..^ReadySuffix.Length], out var file))
                ready.Add(file);
        ready.Sort(static (a, b) =>
        {
            var byKind = (a.Kind != WalFileKind.TimelineHistory).CompareTo(b.Kind != WalFileKind.TimelineHistory);
            var byPosition = byKind != 0 ? byKind : a.Position.CompareTo(b.Position);
            return byPosition != 0 ? byPosition : a.Timeline.CompareTo(b.Timeline);
        });
        return ready;
    }
}
