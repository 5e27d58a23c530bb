using System.Collections.Concurrent;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Archives files side by side, each once however many ask for it, and leaves the answers in the spool.</summary>
internal sealed class ResidentWork(WalArchiver archiver, WalPushSpool spool, int processMax, Func<ArchiveEventKind, WalFileName, WalArchiveResult?, OmniPgException?, Task> report) : IDisposable
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);
    private readonly SemaphoreSlim _places = new(processMax);
    private readonly ConcurrentDictionary<WalFileName, Lazy<Task<ResidentAnswer>>> _underWay = [];
    private readonly ConcurrentDictionary<WalFileName, Failure> _failures = [];
    private readonly TimeProvider _time = archiver.Time;

    public void Dispose() => _places.Dispose();

    public string PathOf(WalFileName file) => Path.Combine(archiver.Options.DataDirectory, "pg_wal", file.ToString());

    /// <summary>Whether look-ahead should take the file now: not answered yet, and not paused after a failure.</summary>
    public bool IsDue(WalFileName file) =>
        (!_failures.TryGetValue(file, out var failure) || _time.GetElapsedTime(failure.Since) >= failure.Pause) && !spool.IsArchived(PathOf(file));

    /// <summary>Archives a file, or joins the work on it that is under way. Never throws but for cancellation.</summary>
    public async Task<ResidentAnswer> ArchiveAsync(WalFileName file, CancellationToken cancellationToken)
    {
        var work = _underWay.GetOrAdd(file, key => new Lazy<Task<ResidentAnswer>>(() => RunAsync(key, cancellationToken)));
        try
        {
            return await work.Value.ConfigureAwait(false);
        }
        finally
        {
            _underWay.TryRemove(new KeyValuePair<WalFileName, Lazy<Task<ResidentAnswer>>>(file, work));
        }
    }

    private async Task<ResidentAnswer> RunAsync(WalFileName file, CancellationToken cancellationToken)
    {
        await _places.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var isThere = FileStat.TryGet(PathOf(file), out var before);
            var result = await Task.Run(() => archiver.ArchiveAsync(Path.Combine("pg_wal", file.ToString()), cancellationToken), cancellationToken).ConfigureAwait(false);
            _failures.TryRemove(file, out _);
            if (isThere)
                Spool(file, () => spool.WriteOk(before, file, result.Xxh128));
            await report(ArchiveEventKind.Archived, file, result, null).ConfigureAwait(false);
            return new ResidentAnswer(true);
        }
        catch (OmniPgException error)
        {
            Pause(file);
            Spool(file, () => spool.WriteError(file, error));
            await report(ArchiveEventKind.Failed, file, null, error).ConfigureAwait(false);
            return new ResidentAnswer(false, error.Code, error.Message);
        }
        finally
        {
            _places.Release();
        }
    }

    private void Pause(WalFileName file) => _failures.AddOrUpdate(
        file, static (_, now) => new Failure(TimeSpan.FromSeconds(1), now), static (_, before, now) => before.Again(now), _time.GetTimestamp());

    // The spool only saves work: when it cannot be written, the file is looked at again later, and found archived.
    private void Spool(WalFileName file, Action write)
    {
        try
        {
            write();
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            Pause(file);
        }
    }

    // Since is a timestamp, not a time of day: a clock that is set back must not make the pause longer.
    private readonly record struct Failure(TimeSpan Pause, long Since)
    {
        public Failure Again(long now) => new(Pause * 2 < LongestPause ? Pause * 2 : LongestPause, now);
    }
}
