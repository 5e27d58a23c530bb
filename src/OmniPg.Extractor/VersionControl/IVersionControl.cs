namespace OmniPg.Extractor;

/// <summary>Commits what an extraction changed. Implement it for other systems.</summary>
public interface IVersionControl
{
    /// <summary>Adds, deletes and commits the managed files of a tree; nothing else in the working copy is touched.</summary>
    /// <param name="report">The extraction; <see cref="ExtractionResult.ManagedPaths"/> names the only paths that may be committed.</param>
    /// <param name="message">Commit message; <c>{0}</c> stands for the time of the commit in UTC, with a format as in <c>{0:yyyy-MM-dd}</c>. Write other braces twice.</param>
    /// <param name="cancellationToken">Ends the program that runs.</param>
    /// <returns>The commit, or null when there was nothing to commit.</returns>
    /// <exception cref="VersionControlException">The program failed, or the tree is in no working copy.</exception>
    Task<VersionControlCommit?> CommitAsync(ExtractionResult report, string message, CancellationToken cancellationToken = default);
}

/// <summary>A commit that was made.</summary>
/// <param name="Id">Commit hash, or revision number.</param>
/// <param name="Paths">Paths below the tree that it holds.</param>
public sealed record VersionControlCommit(string Id, IReadOnlyList<string> Paths);
