namespace OmniPg.Wal;

/// <summary>
/// Which files an incremental backup holds only some blocks of: the server's own rules (<c>GetFileBackupMethod</c> of basebackup_incremental.c, PostgreSQL 17), but for visibility maps, which
/// come whole as free space maps do.
/// </summary>
/// <param name="priorPaths">The files in the backup that it stands on, as the manifest of that one tells them.</param>
/// <param name="changed">What was changed since that one began.</param>
/// <param name="fileBlocks">Blocks in a file of a relation but its last one.</param>
internal sealed class IncrementPlan(IReadOnlySet<string> priorPaths, ChangedBlocks changed, uint fileBlocks)
{
    // Behind this share of its blocks a whole file is smaller, or as good.
    private const double MostOfFile = 0.9;

    /// <summary>What a backup holds of a file.</summary>
    /// <param name="path">Its path as the manifest tells it.</param>
    /// <param name="bytes">Its size.</param>
    /// <returns>Null for all of it.</returns>
    public FileIncrement? Of(string path, long bytes)
    {
        var blocks = bytes / FileIncrement.BlockBytes;
        if (bytes == 0 || bytes % FileIncrement.BlockBytes != 0 || blocks > fileBlocks || RelationFile.Of(path) is not { } file || file.FirstBlock(fileBlocks) is not { } first)
            return null;
        var fork = file.Fork;
        // A map is small, and whether a record that clears a bit of it names its block (visibilitymap_clear in heapam.c) is not to decide over an index-only scan of a restored cluster.
        if (fork.Fork is RelationFork.FreeSpace or RelationFork.VisibilityMap)
            return null;
        // One that was made since this backup began is in no summary.
        if (!priorPaths.Contains(path) && !priorPaths.Contains(FileIncrement.PathOf(path)))
            return null;
        // The database was made meanwhile, from another's files.
        if (changed.Contains(fork with { Number = 0, Fork = RelationFork.Main }))
            return null;
        return changed.Contains(fork) ? OfChanged(fork, first, (uint)blocks) : new FileIncrement([], (uint)blocks);
    }

    private FileIncrement? OfChanged(RelationFork fork, uint first, uint blocks)
    {
        var limit = changed.LimitOf(fork);
        if (limit <= first)
            return null;
        var kept = Math.Min(blocks, limit - first);
        var found = changed.Between(fork, first, first + kept);
        for (var i = 0; i < found.Count; i++)
            found[i] -= first;
        // What was cut off and grew again is not what it was, logged or not.
        for (var block = kept; block < blocks; block++)
            found.Add(block);
        return found.Count > blocks * MostOfFile ? null : new FileIncrement(found, kept);
    }
}
