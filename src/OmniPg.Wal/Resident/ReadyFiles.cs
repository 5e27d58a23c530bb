namespace OmniPg.Wal;

/// <summary>What PostgreSQL wants archived: <c>pg_wal/archive_status/*.ready</c>.</summary>
internal sealed class ReadyFiles(string dataDirectory)
{
    private const string Suffix = ".ready";
    private readonly string _status = Path.Combine(dataDirectory, "pg_wal", "archive_status");

    /// <summary>All that wait: history files first, as the server itself does, then oldest first.</summary>
    public List<WalFileName> List()
    {
        var ready = new List<WalFileName>();
        foreach (var path in Directory.EnumerateFiles(_status, "*" + Suffix))
            if (WalFileName.TryParse(Path.GetFileName(path.AsSpan())[..^Suffix.Length], out var file))
                ready.Add(file);
        ready.Sort(static (a, b) =>
        {
            var byKind = (a.Kind != WalFileKind.TimelineHistory).CompareTo(b.Kind != WalFileKind.TimelineHistory);
            var byPosition = byKind != 0 ? byKind : a.Position.CompareTo(b.Position);
            return byPosition != 0 ? byPosition : a.Timeline.CompareTo(b.Timeline);
        });
        return ready;
    }
}
