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
