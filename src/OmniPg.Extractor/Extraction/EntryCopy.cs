namespace OmniPg.Extractor.Extraction;

/// <summary>A second file for an entry that has its place elsewhere.</summary>
internal sealed record EntryCopy(PlannedEntry Original, string File);
