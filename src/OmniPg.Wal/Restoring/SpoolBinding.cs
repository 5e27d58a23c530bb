using System.Globalization;
using System.IO.Hashing;
using System.Text;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>
/// Names what a spool is filled from and for: this data directory with this cluster in it, these sources as they are now. Two forks of one cluster have
/// segments of one name and one system identifier, so the name of a file alone says nothing. Nothing in here changes while the recovery goes on.
/// </summary>
internal static class SpoolBinding
{
    // Counted up when the files of a spool change their meaning.
    private const int Version = 1;

    /// <summary>Length of a name.</summary>
    public const int Length = 32;

    /// <returns>A name for a folder: the same for every call with this data directory and these sources, and for no other.</returns>
    public static async Task<string> OfAsync(WalRestoreOptions options, WalExpectations expectations, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        var data = Path.GetFullPath(options.DataDirectory);
        // With the inode, because another restore of the backup may lie under the same path.
        FileStat.TryGet(Path.Combine(data, "."), out var stat);
        text.AppendLine(CultureInfo.InvariantCulture, $"{Version} {data} {stat.Device} {stat.Inode} {expectations.SystemIdentifier} {options.Validation} {options.UsePartial}");
        foreach (var source in options.Sources)
            text.AppendLine(await DescribeAsync(source.Store, cancellationToken).ConfigureAwait(false));
        // Every segment that is restored comes by here, and for SHA-256 its process would load the cryptographic library of the system.
        return Convert.ToHexStringLower(XxHash128.Hash(Encoding.UTF8.GetBytes(text.ToString())));
    }

    private static async Task<string> DescribeAsync(IObjectStore store, CancellationToken cancellationToken)
    {
        try
        {
            var place = await store.IdentifyAsync(cancellationToken).ConfigureAwait(false);
            var marker = await WalArchiveMarker.ReadAsync(store, cancellationToken).ConfigureAwait(false);
            return string.Create(CultureInfo.InvariantCulture, $"{store.Id} {place} {marker?.SystemIdentifier} {marker?.Created:O}");
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The restore itself will say what is wrong with it. What was fetched while it answered counts again when it does.
            return $"{store.Id} does not answer";
        }
    }
}
