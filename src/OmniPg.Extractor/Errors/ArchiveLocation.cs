namespace OmniPg.Extractor;

/// <summary>Where in an archive a value stands: what every complaint about an archive names.</summary>
internal readonly record struct ArchiveLocation(long Offset, int? EntryIndex, string Field)
{
    public override string ToString() => EntryIndex is { } index
        ? $"byte '{Offset}', entry '{index}', field '{Field}'"
        : $"byte '{Offset}', field '{Field}'";
}
