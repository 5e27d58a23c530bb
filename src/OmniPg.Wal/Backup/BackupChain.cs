namespace OmniPg.Wal;

/// <summary>Incremental backups and what they stand on.</summary>
internal static class BackupChain
{
    /// <summary>A backup with all that it stands on.</summary>
    /// <param name="backup">The backup.</param>
    /// <param name="all">The backups of its store.</param>
    /// <returns>The full backup first, <paramref name="backup"/> last; null when one is missing.</returns>
    public static IReadOnlyList<BackupInfo>? Of(BackupInfo backup, IReadOnlyList<BackupInfo> all)
    {
        var chain = new List<BackupInfo> { backup };
        while (chain[^1].IncrementOf is { } id)
        {
            if (all.FirstOrDefault(b => b.Id == id) is not { } prior)
                return null;
            chain.Add(prior);
        }

        chain.Reverse();
        return chain;
    }

    /// <summary>Tells of each backup that it is not valid when one that it stands on is not, and how many damaged pages there are in what it is restored from.</summary>
    /// <param name="backups">The backups of a store, oldest first: a backup stands on older ones only.</param>
    public static void Judge(List<BackupInfo> backups)
    {
        var before = new Dictionary<string, BackupInfo>(StringComparer.Ordinal);
        for (var i = 0; i < backups.Count; i++)
        {
            var backup = backups[i];
            var prior = backup.IncrementOf is { } id ? before.GetValueOrDefault(id) : null;
            backups[i] = backup with
            {
                Problem = backup is { Problem: null, IncrementOf: { } ground } ? ProblemOf(backup, ground, prior) : backup.Problem,
                ChainDamagedPages = (backup.DamagedPages ?? 0) + (prior?.ChainDamagedPages ?? 0),
            };
            before.Add(backup.Id, backups[i]);
        }
    }

    /// <summary>Adds what the backups of a set stand on.</summary>
    public static void AddAncestors(HashSet<string> ids, IReadOnlyList<BackupInfo> all)
    {
        foreach (var backup in all.Reverse())
        {
            if (backup.IncrementOf is { } prior && ids.Contains(backup.Id))
                ids.Add(prior);
        }
    }

    private static string? ProblemOf(BackupInfo backup, string id, BackupInfo? prior) => prior switch
    {
        null => $"backup '{id}', of which it holds the changes, is not there or cannot be read",
        { Problem: { } problem } => $"backup '{id}', of which it holds the changes, is not valid: {problem}",
        _ when prior.SystemIdentifier != backup.SystemIdentifier || prior.Timeline != backup.Timeline => $"backup '{id}', of which it holds the changes, is of another cluster or timeline",
        _ => null,
    };
}
