namespace OmniPg.Extractor.Extraction;

/// <summary>Texts of all entries of a plan; of entries with rows only what stands above the rows.</summary>
internal sealed class EntryTexts
{
    private readonly Dictionary<int, string> _texts = [];

    public EntryTexts(PgArchive archive, IReadOnlyList<PlannedEntry> entries)
    {
        var byId = new Dictionary<int, TocEntry>();
        foreach (var entry in archive.Entries)
            byId[entry.DumpId] = entry;
        Writer = new EntryText(archive.Header.DumpVersion, byId.GetValueOrDefault);
        foreach (var planned in entries)
            _texts[planned.Entry.DumpId] = Writer.Of(planned.Entry, planned.HasData);
    }

    public EntryText Writer { get; }

    public string Of(PlannedEntry planned) => _texts[planned.Entry.DumpId];
}
