using System.Globalization;
using System.Text;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>
/// Whether a cluster has archived before: then an archive that is not there is storage that is not mounted, and not a new archive. Known from the
/// server's own <c>.done</c> files, and from <c>STATE/SYSTEMIDENTIFIER.archived</c>, because a checkpoint removes the <c>.done</c> files of the
/// segments that it recycles.
/// </summary>
internal sealed class ArchivedBefore(WalArchiveOptions options, PgControlFile cluster)
{
    private readonly string? _record = options.StateDirectory is { } state
        ? Path.Combine(state, string.Create(CultureInfo.InvariantCulture, $"{cluster.SystemIdentifier}.archived"))
        : null;

    /// <summary>The file that proves it; null when there is none.</summary>
    /// <exception cref="IOException">It cannot be told.</exception>
    public string? FindProof()
    {
        // The name says it all, so that damage to the content cannot make it say less.
        if (_record is not null && FileStat.TryGet(_record, out _))
            return $"'{_record}'";
        var status = Path.Combine(options.DataDirectory, "pg_wal", "archive_status");
        return FileStat.TryGet(Path.Combine(status, "."), out _) && Directory.EnumerateFiles(status, "*.done").FirstOrDefault() is { } done ? $"'{done}'" : null;
    }

    /// <summary>Keeps the knowledge, once every required destination holds a file. For people the record says what was archived first.</summary>
    public async Task RememberAsync(WalFileName file, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (_record is null || FileStat.TryGet(_record, out _))
            return;
        var text = string.Create(CultureInfo.InvariantCulture, $"{file} archived {now:u}\n");
        await DurableFile.WriteAllBytesAsync(_record, Encoding.UTF8.GetBytes(text), cancellationToken).ConfigureAwait(false);
    }
}
