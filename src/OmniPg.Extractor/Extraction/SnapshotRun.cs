namespace OmniPg.Extractor.Extraction;

/// <summary>An extraction into memory: definitions without rows.</summary>
internal static class SnapshotRun
{
    public static async Task<SchemaSnapshot> RunAsync(IArchiveSource source, ExtractionOptions options, CancellationToken cancellationToken)
    {
        OptionCheck.Run(options);
        source.Check(options);
        var open = await source.OpenAsync(options, cancellationToken).ConfigureAwait(false);
        await using (open.ConfigureAwait(false))
        {
            var plan = new SchemaPlanner(open.Archive, options).Plan();
            var texts = new EntryTexts(open.Archive, plan.Entries);
            var entries = new ManifestBuilder(plan.Entries).Describe(planned => (texts.Of(planned), EntryText.Hash(texts.Of(planned))));
            var (warnings, _) = await open.CompleteAsync(cancellationToken).ConfigureAwait(false);
            return new SchemaSnapshot
            {
                Environment = EnvironmentOf(open),
                Entries = entries,
                Warnings = [.. plan.Warnings, .. warnings],
                Options = OptionText.Write(options),
            };
        }
    }

    public static SchemaEnvironment EnvironmentOf(IOpenArchive open)
    {
        var header = open.Archive.Header;
        return new SchemaEnvironment(VersionText.Short(header.ServerVersion), VersionText.Short(header.DumpVersion),
            $"{header.Version.Major}.{header.Version.Minor}", open.Archive.Session.EncodingName, open.Extensions);
    }
}
