namespace OmniPg.Extractor.Archives.Reading;

/// <summary>Head of a data block: whose it is, and whether it holds large objects.</summary>
internal readonly record struct BlockHead(TocEntry Entry, bool IsLargeObjects);
