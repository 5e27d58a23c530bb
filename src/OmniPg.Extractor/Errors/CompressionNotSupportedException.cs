namespace OmniPg.Extractor;

/// <summary>Data of the archive is compressed with an algorithm for which no decoder is available.</summary>
/// <remarks>
/// Code <c>extractor.archive.compression</c>. Raised only when data is read: header and table of contents are never compressed in an archive file.
/// </remarks>
public sealed class CompressionNotSupportedException : ExtractorException
{
    internal CompressionNotSupportedException(string algorithm, string? reason)
        : base(
            "extractor.archive.compression",
            $"The archive's data is compressed with '{algorithm}', which cannot be decoded here{(reason is null ? "" : $": {reason}")}.",
            "Install the library named, or dump with --compress=0 or gzip. The schema in the archive can be read all the same.")
        => Algorithm = algorithm;

    /// <summary>Name of the algorithm: <c>lz4</c> or <c>zstd</c>.</summary>
    public string Algorithm { get; }
}
