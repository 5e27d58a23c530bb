using OmniPg.Extractor.References;

namespace OmniPg.Extractor.Extraction;

/// <summary>An archive that exists already: a file, or the directory of a directory archive.</summary>
internal sealed class FileArchiveSource(string path) : IArchiveSource
{
    public void Check(ExtractionOptions options)
    {
        if (options.Roles)
            throw new ExtractorOptionException("Roles", "Roles cannot be extracted from an archive, which holds none.", "Extract from a server.");
        if (options.ReferenceTables.Count > 0)
            throw new ExtractorOptionException("ReferenceTables", "Reference data is read from a server; an archive that exists already holds what it holds.", "Extract from a server.");
        if (options.Encoding is not null)
            throw new ExtractorOptionException("Encoding", "The encoding of an archive that exists already is in it.");
        if (options.KeepArchive is not null)
            throw new ExtractorOptionException("KeepArchive", "KeepArchive has no meaning for an archive that exists already.", "Copy the file.");
        if (options.MaxBytesPerSecond is not null)
            throw new ExtractorOptionException("MaxBytesPerSecond", "MaxBytesPerSecond slows a pg_dump down; an archive that exists already has none.");
        if (!options.Filter.ForeignData.IsEmpty)
            throw new ExtractorOptionException("Filter.ForeignData", "Rows of foreign tables are dumped by pg_dump; an archive that exists already holds what it holds.");
    }

    public async Task<IOpenArchive> OpenAsync(ExtractionOptions options, CancellationToken cancellationToken) =>
        new Opened(await PgArchive.OpenAsync(path, cancellationToken: cancellationToken).ConfigureAwait(false));

    private sealed class Opened(PgArchive archive) : IOpenArchive
    {
        public PgArchive Archive => archive;

        public ReferenceSession? References => null;

        public IReadOnlyDictionary<string, string> Extensions { get; } = new Dictionary<string, string>();

        public IReadOnlyDictionary<string, string> Session { get; } = new Dictionary<string, string>();

        public Task<IReadOnlyList<PgDumpWarning>> CompleteAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<PgDumpWarning>>([]);

        public Task<string?> DumpRolesAsync(bool includePasswords, CancellationToken cancellationToken) => Task.FromResult<string?>(null);

        public ValueTask DisposeAsync() => archive.DisposeAsync();
    }
}
