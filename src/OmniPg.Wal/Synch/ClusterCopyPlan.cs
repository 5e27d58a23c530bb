namespace OmniPg.Wal;

/// <summary>What a copy of a running server would do, to be looked at before it is done. Nothing has been touched.</summary>
/// <param name="SystemIdentifier">System identifier of the cluster.</param>
/// <param name="PgVersion">Major version of the server.</param>
/// <param name="DataDirectory">The directory that is read.</param>
/// <param name="Bytes">Bytes of its files and those of its tablespaces now.</param>
/// <param name="Targets">The copies, in the order in which they were named.</param>
public sealed record ClusterCopyPlan(ulong SystemIdentifier, int PgVersion, string DataDirectory, long Bytes, IReadOnlyList<ClusterCopyTarget> Targets)
{
    internal IReadOnlyList<BackupTablespace> Tablespaces { get; init; } = [];

    /// <summary>Why it cannot be executed; empty when it can.</summary>
    public IReadOnlyList<string> Problems => [.. Targets.SelectMany(t => t.Folders.Where(f => f.Problem is not null).Select(f => $"'{t.Host}{f.To}' {f.Problem}"))];

    /// <summary>The plan for a reader: what is read, where it goes, what is removed there.</summary>
    /// <returns>One line per folder.</returns>
    public override string ToString() => string.Join('\n', Targets.SelectMany(t => t.Folders.Select(f =>
        $"'{f.From}' -> '{t.Host}{f.To}'{(f.Problem is { } problem ? $": {problem}" : f.IsEmptied ? ": EVERYTHING THERE IS REMOVED" : "")}"))
        .Prepend($"cluster '{SystemIdentifier}', PostgreSQL {PgVersion}, {Bytes} bytes"));
}

/// <summary>One copy of a plan.</summary>
/// <param name="Location">As the options name it.</param>
/// <param name="Folders">The data directory, then the tablespaces.</param>
public sealed record ClusterCopyTarget(string Location, IReadOnlyList<ClusterCopyFolder> Folders)
{
    /// <summary>The host with the colon that stands before a path; empty for this machine.</summary>
    internal string Host => Place.Host is { } host ? host + ":" : "";

    internal CopyPlace Place { get; } = CopyPlace.TryParse(Location)!;
}

/// <summary>One folder of a copy.</summary>
/// <param name="Tablespace">Oid of the tablespace; 0 for the data directory.</param>
/// <param name="From">Its path on the server.</param>
/// <param name="To">Its path in the copy.</param>
public sealed record ClusterCopyFolder(uint Tablespace, string From, string To)
{
    /// <summary>Whether what is there is removed first.</summary>
    public bool IsEmptied { get; init; }

    /// <summary>Why nothing can be copied there; null when it can.</summary>
    public string? Problem { get; init; }
}

/// <summary>What a copy of a running server brought.</summary>
/// <param name="Locations">The places that hold it, each complete and flushed.</param>
/// <param name="Files">Files in each.</param>
/// <param name="Bytes">Bytes of the tar streams that each was sent.</param>
/// <param name="StopLsn">Where each becomes consistent.</param>
/// <param name="Vanished">Files that the server removed before their turn came.</param>
/// <param name="Shortened">Files that the server shortened while they were read; zeros stand for what was gone. The WAL brings both right.</param>
public sealed record ClusterCopyResult(IReadOnlyList<string> Locations, long Files, long Bytes, NpgsqlTypes.NpgsqlLogSequenceNumber StopLsn, long Vanished, long Shortened);
