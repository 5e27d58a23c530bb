namespace OmniPg.Extractor.Trees;

/// <summary>Finishes or sweeps away what a writer left that was killed: with a journal forward to its new tree, without one back to the old.</summary>
internal static class TreeRecovery
{
    public static bool IsPending(TreePaths paths) => paths.FindStaging().Count > 0;

    /// <summary>To be called under the tree's lock only, so that no staging directory belongs to a running writer.</summary>
    /// <returns>Whether anything was found.</returns>
    public static bool Run(TreePaths paths)
    {
        var found = paths.FindStaging();
        foreach (var staging in found)
        {
            if (TreeJournal.TryRead(staging) is { } journal)
                journal.Apply(paths, staging);
            else
                Directory.Delete(staging, recursive: true);
        }
        return found.Count > 0;
    }
}
