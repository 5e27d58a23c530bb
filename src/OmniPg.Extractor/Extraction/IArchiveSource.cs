namespace OmniPg.Extractor.Extraction;

/// <summary>Where the archive of an extraction comes from.</summary>
internal interface IArchiveSource
{
    /// <summary>Checks options that this source cannot fulfil; called before anything is started.</summary>
    void Check(ExtractionOptions options);

    Task<IOpenArchive> OpenAsync(ExtractionOptions options, CancellationToken cancellationToken);
}
