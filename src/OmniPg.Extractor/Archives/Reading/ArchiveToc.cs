namespace OmniPg.Extractor.Archives.Reading;

/// <summary>Header, session state and entries: all there is before the data.</summary>
internal sealed record ArchiveToc(ArchiveHeader Header, ArchiveSession Session, TocEntry[] Entries, IReadOnlyDictionary<int, TocEntry> ById)
{
    public static ArchiveToc Read(ArchiveInput input, PgArchiveOptions options, bool isDirectory)
    {
        var parser = new TocParser(options, isDirectory);
        while (!parser.IsComplete)
        {
            if (!parser.TryStep(input) && !input.Fill(parser.Missing))
                throw parser.Truncated(input);
        }
        return Finish(parser, input);
    }

    public static async Task<ArchiveToc> ReadAsync(ArchiveInput input, PgArchiveOptions options, bool isDirectory, CancellationToken cancellationToken)
    {
        var parser = new TocParser(options, isDirectory);
        while (!parser.IsComplete)
        {
            if (!parser.TryStep(input) && !await input.FillAsync(parser.Missing, cancellationToken).ConfigureAwait(false))
                throw parser.Truncated(input);
        }
        return Finish(parser, input);
    }

    private static ArchiveToc Finish(TocParser parser, ArchiveInput input)
    {
        input.Shrink();
        return new ArchiveToc(parser.Header, parser.Session, parser.Entries, parser.ById);
    }
}
