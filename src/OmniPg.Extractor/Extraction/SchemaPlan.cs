namespace OmniPg.Extractor.Extraction;

/// <summary>Which entry goes where; nothing is written yet.</summary>
internal sealed record SchemaPlan(
    IReadOnlyList<PlannedEntry> Entries,
    IReadOnlyList<EntryCopy> Copies,
    EntryAccount Account,
    IReadOnlyList<string> Warnings,
    string? Script);
