using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>The WAL segments without which a base backup never becomes consistent.</summary>
internal sealed class BackupWal
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);
    private readonly WalExpectations _expectations;
    private readonly WalSegmentSize _size;
    private readonly uint _timeline;

    public BackupWal(ulong systemIdentifier, int pgVersion, WalSegmentSize size, uint timeline, NpgsqlLogSequenceNumber start, NpgsqlLogSequenceNumber stop)
    {
        _expectations = new WalExpectations { SystemIdentifier = systemIdentifier, SegmentSize = size.Bytes, PgMajor = pgVersion }.WithUnknownVersions();
        (_size, _timeline) = (size, timeline);
        From = WalFileName.ForLsn(timeline, start, size);
        // The end of a backup on the edge of a segment lies in the one before.
        To = WalFileName.ForLsn(timeline, new NpgsqlLogSequenceNumber(Math.Max((ulong)stop - 1, (ulong)start)), size);
    }

    public static BackupWal Of(BackupInfo backup) =>
        new(backup.SystemIdentifier, backup.PgVersion, WalSegmentSize.FromBytes(backup.WalSegmentSize), backup.Timeline, backup.StartLsn, backup.StopLsn);

    public WalFileName From { get; }

    public WalFileName To { get; }

    public IEnumerable<WalFileName> Segments
    {
        get
        {
            for (var number = From.SegmentNumber(_size); number <= To.SegmentNumber(_size); number++)
                yield return WalFileName.ForSegmentNumber(_timeline, number, _size);
        }
    }

    /// <summary>Waits until a valid copy of each segment, and of the timeline's history, is in the archive. One that is away meanwhile has the same time to come back.</summary>
    /// <exception cref="WalBackupException">One did not arrive in time, or the archive could not be read until then.</exception>
    /// <exception cref="WalEncryptionException">One is there encrypted, and its key was not given.</exception>
    public async Task ArriveAsync(IObjectStore archive, TimeSpan limit, TimeProvider time, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        IEnumerable<WalFileName> needed = _timeline > 1 ? Segments.Prepend(WalFileName.ForHistory(_timeline)) : Segments;
        foreach (var name in needed)
        {
            // An archiver needs a moment for each; what takes longer may take an hour.
            for (var pause = FirstPause; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
            {
                Exception? away = null;
                try
                {
                    if (await IsArchivedAsync(archive, name, cancellationToken).ConfigureAwait(false))
                        break;
                }
                catch (Exception unread) when (unread is IOException or OmniPgException { IsTransient: true })
                {
                    // Hours of copying are not given up for a server that asks to slow down.
                    away = unread;
                }

                if (time.GetElapsedTime(began) >= limit)
                    throw Missing(name, $"did not arrive in the archive '{archive.Id}' within '{limit}'{(away is null ? "" : $": {away.Message.TrimEnd('.')}")}", away);
                await Task.Delay(pause, time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>The first segment of which the archive has no valid copy; null when it has all.</summary>
    /// <exception cref="WalEncryptionException">It is there encrypted, and its key was not given.</exception>
    public async Task<WalFileName?> FirstMissingAsync(IObjectStore archive, CancellationToken cancellationToken)
    {
        foreach (var name in Segments)
        {
            if (!await IsArchivedAsync(archive, name, cancellationToken).ConfigureAwait(false))
                return name;
        }

        return null;
    }

    /// <summary>Whether the archive has a valid copy of the first segment.</summary>
    /// <exception cref="WalEncryptionException">It is there encrypted, and its key was not given.</exception>
    public Task<bool> IsBeginningThereAsync(IObjectStore archive, CancellationToken cancellationToken) => IsArchivedAsync(archive, From, cancellationToken);

    /// <summary>Requires that a segment in <c>pg_wal</c> is whole, so that it can become a part of the backup.</summary>
    /// <exception cref="WalBackupException">It is not there any more, or not valid.</exception>
    public async Task RequireInAsync(string folder, WalFileName name, CancellationToken cancellationToken)
    {
        try
        {
            var file = new FileStream(Path.Combine(folder, name.ToString()), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 0);
            await using (file.ConfigureAwait(false))
                await ContentCheck.RunAsync(file, name, WalValidation.Full, _expectations, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception unusable) when (unusable is IOException or WalValidationException)
        {
            throw Missing(name, $"cannot be taken from '{folder}': {unusable.Message}", unusable);
        }
    }

    public static WalBackupException Missing(WalFileName name, string what, Exception? inner = null) => new(
        "wal.backup.wal-missing", $"WAL file '{name}', which the backup needs, {what}.",
        "See that archiving works (pg_stat_archiver) and name the archive; a backup without an archive needs enough 'wal_keep_size'.", inner)
    { File = name.ToString() };

    // Waiting brings no key: then it throws.
    private async Task<bool> IsArchivedAsync(IObjectStore archive, WalFileName name, CancellationToken cancellationToken) =>
        await ContentCheck.FindValidAsync(archive, name, Codec.Zstd, _expectations, null, cancellationToken).ConfigureAwait(false) is not null;
}
