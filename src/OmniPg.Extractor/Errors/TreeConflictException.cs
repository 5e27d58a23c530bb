namespace OmniPg.Extractor;

/// <summary>A schema tree cannot be written or read as asked: somebody else works on it, or something foreign stands in the way.</summary>
public sealed class TreeConflictException : ExtractorException
{
    /// <summary>Creates the error.</summary>
    /// <param name="path">The tree, or the file in it.</param>
    /// <param name="message">What stands in the way.</param>
    /// <param name="hint">How to go on, or null.</param>
    /// <param name="innerException">The cause, or null.</param>
    public TreeConflictException(string path, string message, string? hint = null, Exception? innerException = null)
        : base("extractor.tree.conflict", message, hint, innerException) => Path = path;

    /// <summary>The tree, or the file in it.</summary>
    public string Path { get; }
}
