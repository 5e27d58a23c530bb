namespace OmniPg.Extractor;

/// <summary>A commit that was made.</summary>
/// <param name="Id">Commit hash, or revision number.</param>
/// <param name="Paths">Paths below the tree that it holds.</param>
public sealed record VersionControlCommit(string Id, IReadOnlyList<string> Paths);
