namespace OmniPg.Extractor;

/// <summary>Which entry goes where; nothing is written yet.</summary>
internal sealed record SchemaPlan(
    IReadOnlyList<PlannedEntry> Entries,
    IReadOnlyList<SchemaPlan.Copy> Copies,
    EntryAccount Account,
    IReadOnlyList<string> Warnings,
    string? Script)
{
    /// <summary>A second file for an entry that has its place elsewhere.</summary>
    internal sealed record Copy(PlannedEntry Original, string File);
}

/// <summary>An entry on its way into a file.</summary>
internal sealed record PlannedEntry
{
    /// <summary>The entry as it is written, after all transforms.</summary>
    public required TocEntry Entry { get; init; }

    public required SchemaObjectId Root { get; init; }

    public required string Key { get; init; }

    /// <summary>Final path below the root.</summary>
    public required string File { get; init; }

    public bool Redacted { get; init; }

    /// <summary>Whether the archive's data block goes into the file.</summary>
    public bool HasData => Entry.HasData || Entry.Kind == TocKind.Blobs;

    /// <summary>Whether it is rows as INSERT statements: the only SQL that passes into a tree without being read.</summary>
    public bool HoldsInserts => HasData && Entry.Kind == TocKind.TableData && string.IsNullOrEmpty(Entry.CopyStatement);
}

/// <summary>What became of every entry of the archive: nothing is lost silently.</summary>
/// <param name="Total">Entries of the archive.</param>
/// <param name="InFiles">Written to exactly one file each; copies are not counted.</param>
/// <param name="Consumed">Session settings and remarks that never become SQL of the schema.</param>
/// <param name="Filtered">Left out because the options say so.</param>
/// <param name="Unknown">Of those in files: kinds this version does not know, written to <c>other/</c>.</param>
public sealed record EntryAccount(int Total, int InFiles, int Consumed, int Filtered, int Unknown)
{
    /// <summary>Whether the sum is right: <c>Total = InFiles + Consumed + Filtered</c>.</summary>
    public bool IsClosed => Total == InFiles + Consumed + Filtered;
}
