using OmniPg.Extractor.Replaying;

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
            var warnings = await open.CompleteAsync(cancellationToken).ConfigureAwait(false);
            if (options.RequireComplete && warnings.Any(static w => w.MeansMissing))
                throw new IncompleteExtractionException(PgDumpWarning.Texts(warnings));
            return new SchemaSnapshot
            {
                Environment = EnvironmentOf(open, plan),
                Entries = entries,
                Warnings = [.. plan.Warnings, .. PgDumpWarning.Texts(warnings)],
                Options = OptionText.Write(options),
            };
        }
    }

    public static SchemaEnvironment EnvironmentOf(IOpenArchive open, SchemaPlan plan)
    {
        var header = open.Archive.Header;
        var session = open.Session.ToDictionary();
        // Definitions are rewritten on their way; rows pass through.
        if (!open.Archive.Session.StandardConformingStrings && plan.Entries.Any(EscapedRows.Holds))
            session[SessionText.StandardStrings] = "off";
        return new SchemaEnvironment(VersionText.Short(header.ServerVersion), VersionText.Short(header.DumpVersion),
            $"{header.Version.Major}.{header.Version.Minor}", open.Archive.Session.EncodingName, open.Extensions) { Session = session };
    }
}
