namespace OmniPg.Extractor;

/// <summary>Where the archive of an extraction comes from.</summary>
internal interface IArchiveSource
{
    /// <summary>Options that this source cannot fulfil, one sentence each; asked before anything is started.</summary>
    IEnumerable<string> Refusals(ExtractionOptions options);

    Task<IOpenArchive> OpenAsync(ExtractionOptions options, CancellationToken cancellationToken);
}

/// <summary>An archive that is being read.</summary>
internal interface IOpenArchive : IAsyncDisposable
{
    PgArchive Archive { get; }

    /// <summary>Extensions with versions; empty when nobody can be asked.</summary>
    IReadOnlyDictionary<string, string> Extensions { get; }

    /// <summary>Settings of the session that wrote the archive, as far as they are known and matter to a replay.</summary>
    IReadOnlyDictionary<string, string> Session { get; }

    /// <summary>Rows that are read beside the archive; null for none.</summary>
    ReferenceSession? References { get; }

    /// <summary>Reads the rest and makes sure that whoever wrote the archive ended well.</summary>
    /// <returns>Warnings.</returns>
    Task<IReadOnlyList<PgDumpWarning>> CompleteAsync(CancellationToken cancellationToken);

    /// <summary>The script of <c>pg_dumpall --roles-only</c>; null when there is no server.</summary>
    Task<string?> DumpRolesAsync(bool includePasswords, CancellationToken cancellationToken);
}

/// <summary>An archive that exists already: a file, or the directory of a directory archive.</summary>
internal sealed class FileArchiveSource(string path) : IArchiveSource
{
    public IEnumerable<string> Refusals(ExtractionOptions options)
    {
        if (options.Roles)
            yield return "Roles cannot be extracted from an archive, which holds none: extract from a server.";
        if (options.ReferenceTables.Count > 0)
            yield return "Reference data is read from a server; an archive that exists already holds what it holds.";
        if (options.Encoding is not null)
            yield return "Encoding cannot be set: the encoding of an archive that exists already is in it.";
        if (options.KeepArchive is not null)
            yield return "KeepArchive has no meaning for an archive that exists already: copy the file.";
        if (options.MaxBytesPerSecond is not null)
            yield return "MaxBytesPerSecond slows a pg_dump down; an archive that exists already has none.";
        if (!options.Filter.ForeignData.IsEmpty)
            yield return "Filter.ForeignData: rows of foreign tables are dumped by pg_dump; an archive that exists already holds what it holds.";
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
