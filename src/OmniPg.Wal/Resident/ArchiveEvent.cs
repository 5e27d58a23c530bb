namespace OmniPg.Wal;

/// <summary>What happened in the resident mode.</summary>
public enum ArchiveEventKind
{
    /// <summary>A file is in every required destination.</summary>
    Archived,

    /// <summary>A file could not be archived; it is tried again.</summary>
    Failed,

    /// <summary>The number of files that wait has changed.</summary>
    Backlog,
}

/// <summary>One event of the resident mode.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="At">When (UTC).</param>
/// <param name="Backlog">Files that PostgreSQL has made ready and that are not archived yet, as last counted.</param>
/// <param name="File">The file; <see langword="null"/> for <see cref="ArchiveEventKind.Backlog"/>.</param>
/// <param name="Result">What archiving brought; only for <see cref="ArchiveEventKind.Archived"/>.</param>
/// <param name="Error">Why it failed; only for <see cref="ArchiveEventKind.Failed"/>.</param>
public sealed record ArchiveEvent(
    ArchiveEventKind Kind, DateTimeOffset At, int Backlog, WalFileName? File = null, WalArchiveResult? Result = null, OmniPgException? Error = null);
