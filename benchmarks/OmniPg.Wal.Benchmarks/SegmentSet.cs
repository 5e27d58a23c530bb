namespace OmniPg.Wal.Benchmarks;

/// <summary>The finished segments of a stopped server's data directory: real WAL, kept there by <c>wal_keep_size</c>.</summary>
internal sealed class SegmentSet
{
    public SegmentSet(string dataDirectory)
    {
        DataDirectory = Path.GetFullPath(dataDirectory);
        var control = PgControlFile.Read(DataDirectory);
        Expectations = control.ToExpectations();
        Names = [.. Directory.EnumerateFiles(WalDirectory).Select(f => WalFileName.TryParse(Path.GetFileName(f), out var name) ? name : default)
            .Where(n => n.Kind == WalFileKind.Segment && n.Timeline > 0 && n.Position < control.RedoSegment.Position).OrderBy(n => n.Position)];
    }

    public string DataDirectory { get; }

    public string WalDirectory => Path.Combine(DataDirectory, "pg_wal");

    /// <summary>Where the server notes what is to be archived and what is.</summary>
    public string StatusDirectory => Path.Combine(WalDirectory, "archive_status");

    public WalExpectations Expectations { get; }

    public IReadOnlyList<WalFileName> Names { get; }

    public string PathOf(WalFileName name) => Path.Combine(WalDirectory, name.ToString());

    /// <summary>Evenly spread over all there are, so that a sample holds segments right after checkpoints and others.</summary>
    public IReadOnlyList<WalFileName> Sample(int count) => [.. Enumerable.Range(0, count).Select(i => Names[i * Names.Count / count])];
}
