namespace OmniPg.Extractor;

/// <summary>What an extraction did.</summary>
public sealed record ExtractionResult
{
    /// <summary>Full path of the tree.</summary>
    public required string Directory { get; init; }

    /// <summary>Every file of the tree with what happened to it, sorted by path; the manifest is not among them.</summary>
    public required IReadOnlyList<TreeFile> Files { get; init; }

    /// <summary>Files that were created, updated or deleted.</summary>
    public IReadOnlyList<TreeFile> Changed =>
        [.. Files.Where(static file => file.Status is FileStatus.Created or FileStatus.Updated or FileStatus.Deleted)];

    /// <summary>Paths below the tree that this run and the one before own: what a version control commit may touch. The manifest is one of them.</summary>
    public required IReadOnlyList<string> ManagedPaths { get; init; }

    /// <summary>What became of every entry of the archive.</summary>
    public required EntryAccount Account { get; init; }

    /// <summary>Versions of server and pg_dump.</summary>
    public required SchemaEnvironment Environment { get; init; }

    /// <summary>What somebody should look at: warnings of pg_dump, cycles, unknown kinds, files in the way.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>What pg_dump, and the look at the server around it, warned of: the typed part of <see cref="Warnings"/>.</summary>
    public IReadOnlyList<PgDumpWarning> DumpWarnings { get; init; } = [];

    /// <summary>Filter items that matched nothing, as <c>table: app.missing</c>.</summary>
    public IReadOnlyList<string> UnmatchedFilters { get; init; } = [];

    /// <summary>
    /// False when objects or parts of them are missing for want of rights: subscriptions, or the options of user mappings. <see cref="DumpWarnings"/> says which.
    /// </summary>
    public bool IsComplete { get; init; } = true;

    /// <summary>Time until the archive's table of contents was read: pg_dump's catalogue queries, mostly.</summary>
    public TimeSpan DumpTime { get; init; }

    /// <summary>Time from then until the tree was on disk.</summary>
    public TimeSpan WriteTime { get; init; }
}

/// <summary>One file of the tree and what the extraction did with it.</summary>
/// <param name="Path">Path below the root, with forward slashes.</param>
/// <param name="Status">What happened.</param>
public sealed record TreeFile(string Path, FileStatus Status);

/// <summary>What an extraction did with one file of the tree.</summary>
public enum FileStatus
{
    /// <summary>Equal already; not touched, its times are kept.</summary>
    Unchanged,

    /// <summary>New.</summary>
    Created,

    /// <summary>Replaced by new content.</summary>
    Updated,

    /// <summary>Stale, and deleted on request.</summary>
    Deleted,

    /// <summary>Stale: an earlier run wrote it, its object is gone, nobody asked to delete it. Kept, and no longer part of the schema.</summary>
    Stale,

    /// <summary>A <c>.sql</c> file that no run wrote. Kept.</summary>
    Unmanaged,
}
