namespace OmniPg.Wal;

/// <summary>
/// What everybody who publishes an entry asks behind it: whether all that the backup needs is still there. Whoever takes something away, a part, a backup or WAL, looks for entries behind its own first
/// step (<see cref="BackupRemoval"/>, <see cref="WalRemovalNotice"/>): of two that meet, one sees the other.
/// </summary>
internal static class BackupNeeds
{
    /// <summary>What a backup has lost.</summary>
    /// <param name="store">The store of its entry.</param>
    /// <param name="backup">The backup.</param>
    /// <param name="archive">Where the WAL is that it needs; null does not look at WAL.</param>
    /// <param name="time">The time that ages are told from.</param>
    /// <param name="isNew">Whether its entry was written just now: then a removal that began before did not see it.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>Null when all is there.</returns>
    public static async Task<BackupLoss?> LossAsync(IObjectStore store, BackupInfo backup, IObjectStore? archive, TimeProvider time, bool isNew, CancellationToken cancellationToken)
    {
        // Before the parts: a removal takes this away when it has removed them all.
        if (isNew && await BackupEntry.IsThereAsync(store, backup.Id, BackupRemoval.FileName, cancellationToken).ConfigureAwait(false))
            return new BackupLoss("it was being removed");
        if (await PartAsync(store, backup, cancellationToken).ConfigureAwait(false) is { } part)
            return new BackupLoss(part);
        if (await GroundAsync(store, backup, cancellationToken).ConfigureAwait(false) is { } ground)
            return new BackupLoss(ground) { IsGround = true };
        if (archive is null || backup.IncludesWal)
            return null;
        // Before the WAL, for the same reason.
        if (await WalRemovalNotice.FindAsync(store, backup.WalFrom, time, cancellationToken).ConfigureAwait(false) is { } before)
            return new BackupLoss($"WAL before '{before}' is being removed, and it needs WAL from '{backup.WalFrom}' on") { Wal = backup.WalFrom };
        // What is removed goes from the oldest on.
        return await BackupWal.Of(backup).IsBeginningThereAsync(archive, cancellationToken).ConfigureAwait(false)
            ? null
            : new BackupLoss($"WAL file '{backup.WalFrom}', without which it is not consistent, was removed") { Wal = backup.WalFrom };
    }

    private static async Task<string?> GroundAsync(IObjectStore store, BackupInfo backup, CancellationToken cancellationToken)
    {
        for (var link = backup; link.IncrementOf is { } id;)
        {
            if (await BackupEntry.ReadAsync(store, id, cancellationToken).ConfigureAwait(false) is not { } prior)
                return $"backup '{id}', of which it holds the changes, was removed";
            if (await PartAsync(store, prior, cancellationToken).ConfigureAwait(false) is { } part)
                return $"backup '{id}', of which it holds the changes, was removed or damaged: {part}";
            link = prior;
        }

        return null;
    }

    private static async Task<string?> PartAsync(IObjectStore store, BackupInfo backup, CancellationToken cancellationToken)
    {
        foreach (var part in backup.Objects)
        {
            if ((await store.StatAsync(part.Key, cancellationToken).ConfigureAwait(false))?.Bytes != part.StoredBytes)
                return $"'{part.Key}' is not there any more as it was written";
        }

        return null;
    }
}

/// <summary>Something that a backup needs and that is not there any more.</summary>
/// <param name="What">What has become of it.</param>
internal sealed record BackupLoss(string What)
{
    /// <summary>Whether it is a backup that it stands on.</summary>
    public bool IsGround { get; init; }

    /// <summary>The WAL file, when it is WAL.</summary>
    public WalFileName? Wal { get; init; }
}
