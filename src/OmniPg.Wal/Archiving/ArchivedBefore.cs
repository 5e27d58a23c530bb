using System.Globalization;
using System.Text;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>
/// Whether a cluster has archived before, or may have: then an archive that is not there is storage that is not mounted, and not a new archive. Known from
/// the server's own <c>.done</c> files, and from <c>STATE/SYSTEMIDENTIFIER.archived</c>. Where both are missing, only WAL that reaches back to the first
/// segment proves that nothing was archived: a checkpoint removes a <c>.done</c> file together with its segment (<c>RemoveXlogFile</c>, xlog.c), and
/// the first segment is the first to be archived.
/// </summary>
internal sealed class ArchivedBefore(WalArchiveOptions options, PgControlFile cluster)
{
    // What initdb itself writes ends before it, so that with segments below 16 MiB the first ones are gone before a server has started.
    private const ulong EndOfInitDb = 32 << 20;

    private readonly WalSegmentSize _size = WalSegmentSize.FromBytes(cluster.SegmentSize);
    private readonly string? _record = options.StateDirectory is { } state
        ? Path.Combine(state, string.Create(CultureInfo.InvariantCulture, $"{cluster.SystemIdentifier}.archived"))
        : null;

    /// <summary>What speaks for it, as the end of a sentence about the cluster; null when it has certainly archived nothing.</summary>
    /// <exception cref="IOException">It cannot be told.</exception>
    public string? Find()
    {
        // The name says it all, so that damage to the content cannot make it say less.
        if (_record is not null && FileStat.TryGet(_record, out _))
            return $"has archived before: '{_record}'";
        var wal = Path.Combine(options.DataDirectory, "pg_wal");
        var status = Path.Combine(wal, "archive_status");
        if (FileStat.TryGet(Path.Combine(status, "."), out _) && Directory.EnumerateFiles(status, "*.done").FirstOrDefault() is { } done)
            return $"has archived before: '{done}'";
        // A receiver sees the server's WAL only from where it began.
        return !FileStat.TryGet(Path.Combine(wal, "."), out _) ? $"may have archived before: there is no '{wal}'"
            : OldestSegment(wal) is not { } oldest ? $"may have archived before: there is no WAL file in '{wal}'"
            : oldest.SegmentNumber(_size) > 1 && (ulong)oldest.StartLsn(_size) >= EndOfInitDb ? $"may have archived before: its oldest WAL file is '{oldest}'"
            : null;
    }

    /// <summary>Keeps the knowledge, once every required destination holds a file. For people the record says what was archived first.</summary>
    public async Task RememberAsync(WalFileName file, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (_record is null || FileStat.TryGet(_record, out _))
            return;
        var text = string.Create(CultureInfo.InvariantCulture, $"{file} archived {now:u}\n");
        await DurableFile.WriteAllBytesAsync(_record, Encoding.UTF8.GetBytes(text), cancellationToken).ConfigureAwait(false);
    }

    private WalFileName? OldestSegment(string wal)
    {
        WalFileName? oldest = null;
        foreach (var path in Directory.EnumerateFiles(wal))
        {
            if (WalFileName.TryParse(Path.GetFileName(path), out var name) && name.Kind == WalFileKind.Segment && name.Fits(_size) && !(oldest?.Position <= name.Position))
                oldest = name;
        }

        return oldest;
    }
}
