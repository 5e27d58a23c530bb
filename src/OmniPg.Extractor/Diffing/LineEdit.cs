namespace OmniPg.Extractor.Diffing;

/// <summary>A stretch of lines: kept in both, or present on one side only.</summary>
internal readonly record struct LineEdit(char Mark, int Left, int Right);
