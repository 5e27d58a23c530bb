namespace OmniPg.Wal;

/// <summary>Tells the files of an archive directory from the temporary ones.</summary>
internal static class DirectoryListing
{
    public static readonly EnumerationOptions Options = new()
    {
        RecurseSubdirectories = true,
        MaxRecursionDepth = 1,
        IgnoreInaccessible = false,
        AttributesToSkip = 0,
        ReturnSpecialDirectories = false,
    };

    /// <summary>The entry of a file whose key begins with the prefix; null for others, for temporary files and for one that vanished meanwhile.</summary>
    public static WalStoreEntry? TryEntry(string root, FileInfo file, string prefix)
    {
        if (IsTemporary(file.Name))
            return null;
        var key = Path.GetRelativePath(root, file.FullName).Replace(Path.DirectorySeparatorChar, '/');
        try
        {
            return key.StartsWith(prefix, StringComparison.Ordinal) ? new WalStoreEntry(key, file.Length, file.LastWriteTimeUtc) : null;
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    public static int RemoveAbandoned(string root, DateTimeOffset olderThan, StoreFileSystem files)
    {
        var removed = 0;
        if (!Directory.Exists(root))
            return 0;
        foreach (var file in new DirectoryInfo(root).EnumerateFiles(".*.tmp", Options))
        {
            if (!IsTemporary(file.Name) || file.LastWriteTimeUtc >= olderThan.UtcDateTime)
                continue;
            files.Delete(file.FullName);
            removed++;
        }

        return removed;
    }

    private static bool IsTemporary(string name) => name.StartsWith('.') && name.EndsWith(".tmp", StringComparison.Ordinal);
}
