namespace OmniPg.Extractor.Splitting;

/// <summary>One entry's stretch of a file, in bytes; a block without header is text above the first marker.</summary>
internal sealed record FileBlock(long Offset, long Length, BlockHeader? Header, bool HasRows);
