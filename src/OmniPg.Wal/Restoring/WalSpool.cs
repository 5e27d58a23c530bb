using System.Buffers;
using System.Globalization;
using Microsoft.Extensions.Logging;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>
/// The folder <c>get</c> of a spool: a lock for the one run that fills it, and one folder per <see cref="SpoolBinding"/> with the server's position and, of each
/// prefetched segment, <c>NAME</c> and <c>NAME.ok</c>, the file as it was when it was validated. Believed is only a file that is still that one, while the run that
/// validated it is at work: no machine went down in between, so nothing here is flushed to disk. A spool only saves time: whatever is wrong with it costs a warning.
/// </summary>
internal sealed class WalSpool
{
    private const int LockAttempts = 10;
    private static readonly TimeSpan InFlightPoll = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan LongestInFlight = TimeSpan.FromSeconds(10);

    private readonly ILogger _log;
    private int _warned;

    public WalSpool(WalPrefetchOptions options, ILogger log) => (_log, Root) = (log, Path.Combine(Path.GetFullPath(options.Spool), "get"));

    /// <summary>The folder of all bindings.</summary>
    public string Root { get; }

    /// <summary>Whether a run fills the spool, for whomever. A spool that cannot be looked at has none.</summary>
    public bool IsLocked => Try(() => FileLock.IsHeld(LockPath), false);

    private string LockPath => Path.Combine(Root, ".lock");

    /// <summary>The part of the spool that belongs to a binding; null when the spool cannot be used.</summary>
    public Folder? Open(string binding) => Try(
        () =>
        {
            var path = Path.Combine(Root, binding);
            Directory.CreateDirectory(path);
            return new Folder(this, path);
        },
        null);

    /// <summary>Becomes the one run that fills the spool. Tried more than once, because a look at <see cref="IsLocked"/> holds the lock for a moment too.</summary>
    public async Task<FileLock?> TryLockAsync(TimeProvider time, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < LockAttempts; attempt++)
        {
            if (Try(() => FileLock.TryAcquireForProcess(LockPath), null) is { } held)
                return held;
            await Task.Delay(InFlightPoll, time, cancellationToken).ConfigureAwait(false);
        }

        return null;
    }

    /// <summary>Does something with the spool; its trouble is worth one warning and the other answer.</summary>
    public T Try<T>(Func<T> work, T otherwise)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (IsTrouble(e))
        {
            Warn(e);
            return otherwise;
        }
    }

    public static bool IsTrouble(Exception error) => error is IOException or UnauthorizedAccessException or WalConfigurationException;

    /// <summary>Says once what is wrong with the spool.</summary>
    public void Warn(Exception error)
    {
        if (Interlocked.Exchange(ref _warned, 1) == 0)
            WalLog.SpoolUnusable(_log, Root, error.Message);
    }

    /// <summary>What one binding has in the spool.</summary>
    internal sealed class Folder(WalSpool spool, string path)
    {
        private const string Position = ".position";
        private const string OkSuffix = ".ok";
        private const int BufferBytes = 256 * 1024;

        public string FolderPath => path;

        private string PositionPath => Path.Combine(path, Position);

        public string PathOf(WalFileName name) => Path.Combine(path, name.ToString());

        public bool Holds(WalFileName name) => File.Exists(PathOf(name));

        /// <summary>Notes that a file was validated to its last byte; before it gets its name, so that who finds the name finds the note. Torn, it counts for nothing.</summary>
        public void WriteOk(WalFileName name, FileStat file) => spool.Try(
            () =>
            {
                File.WriteAllText(OkPathOf(name), TextOf(file));
                return true;
            },
            false);

        /// <summary>Tells the prefetch run what the server asked for last.</summary>
        public void WritePosition(WalFileName name, int segmentBytes) => spool.Try(
            () =>
            {
                // Renamed into place: the prefetch run in the other process reads it at any moment.
                var temporary = DurableFile.TemporaryNameFor(PositionPath);
                try
                {
                    File.WriteAllText(temporary, string.Create(CultureInfo.InvariantCulture, $"{name} {segmentBytes}"));
                    File.Move(temporary, PositionPath, overwrite: true);
                }
                catch
                {
                    File.Delete(temporary);
                    throw;
                }

                return true;
            },
            false);

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

        /// <summary>Moves a prefetched segment to the server; one that is not as it was when it was validated, after validating it again.</summary>
        /// <returns>Its size, or null when there is no valid one.</returns>
        public async Task<long?> TryTakeAsync(
            WalFileName name, string target, WalExpectations expectations, TimeProvider time, CancellationToken cancellationToken)
        {
            try
            {
                // What lies here while no run is at work is left of one that was killed.
                if (!spool.IsLocked)
                    return null;
                await WaitForInFlightAsync(name, time, cancellationToken).ConfigureAwait(false);
                return Holds(name) ? Take(name, target, expectations, cancellationToken) : null;
            }
            catch (Exception e) when (IsTrouble(e))
            {
                // Cleaned away by the run meanwhile, or the spool's disk is bad: the sources decide.
                WalLog.SpoolDiscarded(spool._log, name, e.Message);
                return null;
            }
        }

        /// <summary>Removes what the server is past already.</summary>
        public void Clean(ulong below)
        {
            foreach (var file in Directory.EnumerateFiles(path))
                if (IsSegment(Path.GetFileName(file), out var name) && name.Position < below)
                    File.Delete(file);
        }

        /// <summary>
        /// Removes, at the beginning of a run, whatever others left: its files and folders but this binding's position. A run that ends in order
        /// leaves none, so these are of one that was killed, of another data directory, of other sources or of another version.
        /// </summary>
        public void Inherit()
        {
            Directory.CreateDirectory(path);
            Empty(path, keep: PositionPath);
            Empty(spool.Root, keep: spool.LockPath);
            foreach (var other in Directory.EnumerateDirectories(spool.Root))
            {
                if (other == path || !IsBinding(Path.GetFileName(other)))
                    continue;
                Empty(other, keep: "");
                if (!Directory.EnumerateFileSystemEntries(other).Any())
                    Directory.Delete(other);
            }
        }

        // Only what a spool holds: the directory may be somebody else's by mistake.
        private static void Empty(string folder, string keep)
        {
            foreach (var file in Directory.EnumerateFiles(folder))
            {
                var name = Path.GetFileName(file);
                // The position is written by another process at any moment, under a name that becomes the one that is kept.
                if (file == keep || (keep.Length > 0 && name.StartsWith($".{Position}.", StringComparison.Ordinal)))
                    continue;
                if (name == Position || IsSegment(name, out _) || (name.StartsWith('.') && name.EndsWith(".tmp", StringComparison.Ordinal)))
                    File.Delete(file);
            }
        }

        private static bool IsBinding(string name) => name.Length == SpoolBinding.Length && name.All(char.IsAsciiHexDigitLower);

        private long? Take(WalFileName name, string target, WalExpectations expectations, CancellationToken cancellationToken)
        {
            var spooled = PathOf(name);
            try
            {
                var bytes = FindValid(name) ?? Validate(spooled, name, expectations, cancellationToken);
                MoveTo(spooled, target);
                return bytes;
            }
            catch (WalValidationException e)
            {
                WalLog.SpoolDiscarded(spool._log, name, e.Message);
                File.Delete(spooled);
                return null;
            }
            finally
            {
                File.Delete(OkPathOf(name));
            }
        }

        // Inode, size and time of the last change, as the resident mode knows a file again that it has archived.
        private long? FindValid(WalFileName name) =>
            FileStat.TryGet(PathOf(name), out var file) && File.Exists(OkPathOf(name)) && File.ReadAllText(OkPathOf(name)) == TextOf(file) ? file.Bytes : null;

        private string OkPathOf(WalFileName name) => PathOf(name) + OkSuffix;

        private static string TextOf(FileStat file) => string.Create(CultureInfo.InvariantCulture, $"{file.Inode} {file.Bytes} {file.Modified:O}\n");

        private static bool IsSegment(string fileName, out WalFileName name) =>
            WalFileName.TryParse(fileName.EndsWith(OkSuffix, StringComparison.Ordinal) ? fileName[..^OkSuffix.Length] : fileName, out name);

        /// <summary>When the segment is being fetched right now, its end is nearer than that of a second fetch.</summary>
        private async Task WaitForInFlightAsync(WalFileName name, TimeProvider time, CancellationToken cancellationToken)
        {
            var started = time.GetTimestamp();
            while (!Holds(name) && Directory.EnumerateFiles(path, $".{name}.*.tmp").Any() && spool.IsLocked && time.GetElapsedTime(started) < LongestInFlight)
                await Task.Delay(InFlightPoll, time, cancellationToken).ConfigureAwait(false);
        }

        // Synchronous on purpose: it was written a moment ago, and .NET reads files asynchronously by waking another thread for each piece.
        private static long Validate(string path, WalFileName name, WalExpectations expectations, CancellationToken cancellationToken)
        {
            var validator = new WalSegmentValidator(name, WalValidation.Full, expectations);
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, FileOptions.SequentialScan);
            var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
            try
            {
                long offset = 0;
                for (int read; (read = RandomAccess.Read(file, buffer, offset)) > 0; offset += read)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    validator.Append(buffer.AsSpan(0, read));
                }

                return validator.Complete().Bytes;
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }

        // In two steps, because a move between file systems is a copy, and the final name must never show half of one.
        private static void MoveTo(string spooled, string path)
        {
            var beside = DurableFile.TemporaryNameFor(path);
            try
            {
                File.Move(spooled, beside);
                File.Move(beside, path, overwrite: true);
            }
            catch
            {
                File.Delete(beside);
                throw;
            }
        }
    }
}
