namespace OmniPg.Extractor.Archives.Reading;

/// <summary>Width of numbers, which the archive's header declares.</summary>
internal readonly record struct ArchiveNumbers(int IntegerSize, int OffsetSize)
{
    /// <summary>Widths above this are no archive; up to 8 bytes are possible values, more only as leading zeros.</summary>
    public const int MaxSize = 32;
}
