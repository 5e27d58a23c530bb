namespace OmniPg.Extractor;

/// <summary>Objects, or parts of them, are missing for want of rights, and the extraction was told to be complete or nothing. The tree is unchanged.</summary>
public sealed class IncompleteExtractionException : ExtractorException
{
    /// <summary>Creates the error.</summary>
    /// <param name="warnings">What pg_dump said.</param>
    public IncompleteExtractionException(IReadOnlyList<string> warnings)
        : base("extractor.incomplete", $"The extraction is incomplete: {string.Join("; ", warnings)}",
            "Extract as a role that may see them, or without RequireComplete.") => Warnings = warnings;

    /// <summary>What pg_dump said.</summary>
    public IReadOnlyList<string> Warnings { get; }
}
