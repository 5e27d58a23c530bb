using System.Globalization;
using Microsoft.Extensions.Logging;
using OmniPg.IO;

namespace OmniPg.Wal;

/// <summary>
/// The folder <c>get</c> of a spool: prefetched segments under their names, the server's position in a file, a lock for the one run that fills it.
/// Nothing in it is believed without validation, so nothing in it is flushed to disk.
/// </summary>
internal sealed class WalSpool
{
    private const int LockAttempts = 10;
    private static readonly TimeSpan InFlightPoll = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan LongestInFlight = TimeSpan.FromSeconds(10);

    private readonly ILogger _log;

    public WalSpool(WalPrefetchOptions options, ILogger log)
    {
        _log = log;
        Folder = Path.Combine(Path.GetFullPath(options.Spool), "get");
        Directory.CreateDirectory(Folder);
    }

    public string Folder { get; }

    public bool IsLocked => SingleInstanceLock.IsHeld(LockPath);

    private string LockPath => Path.Combine(Folder, ".lock");

    private string PositionPath => Path.Combine(Folder, ".position");

    public string PathOf(WalFileName name) => Path.Combine(Folder, name.ToString());

    public bool Holds(WalFileName name) => File.Exists(PathOf(name));

    /// <summary>Becomes the one run that fills the spool. Tried more than once, because a look at <see cref="IsLocked"/> holds the lock for a moment too.</summary>
    public async Task<SingleInstanceLock?> TryLockAsync(TimeProvider time, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < LockAttempts; attempt++)
        {
            try
            {
                return SingleInstanceLock.Acquire(LockPath);
            }
            catch (WalLockedException)
            {
                await Task.Delay(InFlightPoll, time, cancellationToken).ConfigureAwait(false);
            }
        }

        return null;
    }

    /// <summary>Tells the prefetch run what the server asked for last.</summary>
    public void WritePosition(WalFileName name, int segmentBytes)
    {
        // Renamed into place: the prefetch run in the other process reads it at any moment.
        var temporary = DurableFile.TemporaryNameFor(PositionPath);
        File.WriteAllText(temporary, string.Create(CultureInfo.InvariantCulture, $"{name} {segmentBytes}"));
        File.Move(temporary, PositionPath, overwrite: true);
    }

    /// <summary>What the server asked for last, and the segment size of its cluster; null when it asked for nothing yet.</summary>
    public (WalFileName Name, WalSegmentSize Size)? ReadPosition()
    {
        if (!File.Exists(PositionPath))
            return null;
        var parts = File.ReadAllText(PositionPath).Split(' ');
        return parts.Length == 2
            && WalFileName.TryParse(parts[0], out var name)
            && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var bytes)
            && WalSegmentSize.IsValid(bytes)
                ? (name, WalSegmentSize.FromBytes(bytes))
                : null;
    }

    /// <summary>Moves a prefetched segment to the server, after it was validated once more: a crash may have torn it.</summary>
    /// <returns>Its size, or null when there is no valid one.</returns>
    public async Task<long?> TryTakeAsync(
        WalFileName name, string path, WalExpectations expectations, TimeProvider time, CancellationToken cancellationToken)
    {
        await WaitForInFlightAsync(name, time, cancellationToken).ConfigureAwait(false);
        var spooled = PathOf(name);
        if (!File.Exists(spooled))
            return null;
        try
        {
            var bytes = await SpooledFile.ValidateAsync(spooled, name, expectations, cancellationToken).ConfigureAwait(false);
            SpooledFile.MoveTo(spooled, path);
            return bytes;
        }
        catch (WalValidationException e)
        {
            RestoreLog.SpoolDiscarded(_log, name, e.Message);
            File.Delete(spooled);
        }
        catch (IOException e)
        {
            // Cleaned away by the run meanwhile, or the spool's disk is bad: the sources decide.
            RestoreLog.SpoolDiscarded(_log, name, e.Message);
        }

        return null;
    }

    /// <summary>Removes what the server is past already and what no run will finish.</summary>
    public void Clean(ulong below, bool temporaryToo)
    {
        foreach (var path in Directory.EnumerateFiles(Folder))
        {
            var file = Path.GetFileName(path);
            if (WalFileName.TryParse(file, out var name) ? name.Position < below : temporaryToo && file.EndsWith(".tmp", StringComparison.Ordinal))
                File.Delete(path);
        }
    }

    /// <summary>When the segment is being fetched right now, its end is nearer than that of a second fetch.</summary>
    private async Task WaitForInFlightAsync(WalFileName name, TimeProvider time, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        while (!Holds(name) && Directory.EnumerateFiles(Folder, $".{name}.*.tmp").Any() && IsLocked && time.GetElapsedTime(started) < LongestInFlight)
            await Task.Delay(InFlightPoll, time, cancellationToken).ConfigureAwait(false);
    }
}
