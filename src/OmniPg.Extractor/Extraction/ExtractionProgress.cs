namespace OmniPg.Extractor;

/// <summary>How far an extraction is.</summary>
/// <param name="Phase">What it does at the moment.</param>
/// <param name="Done">Files or entries done in this phase.</param>
/// <param name="Total">Files or entries of this phase; 0 when not known.</param>
/// <param name="Item">The one at work, or null.</param>
public readonly record struct ExtractionProgress(ExtractionPhase Phase, int Done, int Total, string? Item);
