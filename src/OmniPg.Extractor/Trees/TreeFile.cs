namespace OmniPg.Extractor;

/// <summary>One file of the tree and what the extraction did with it.</summary>
/// <param name="Path">Path below the root, with forward slashes.</param>
/// <param name="Status">What happened.</param>
public sealed record TreeFile(string Path, FileStatus Status);
