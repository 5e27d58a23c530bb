using System.Globalization;
using System.Text;
using NpgsqlTypes;

namespace OmniPg.Wal;

public sealed partial class PgControlFile
{
    private const int NeverMoved = 56;

    /// <summary>
    /// Reads the file also when a server wrote it that is newer than this package: what lies before byte 56 never moved, the segment size stands in the
    /// segments of <c>pg_wal</c>, the version in <c>PG_VERSION</c>. The CRC cannot be checked, because nobody knows where it lies; what is read is
    /// compared with the segments.
    /// </summary>
    /// <exception cref="WalControlFileException">As <see cref="Read"/>; and a newer version whose segments tell nothing.</exception>
    internal static PgControlFile ReadNewer(string dataDirectory, TimeProvider? timeProvider = null)
    {
        try
        {
            return Read(dataDirectory, timeProvider);
        }
        catch (WalControlFileException unknown) when (unknown.Code == UnknownVersionCode)
        {
            if (Newer(dataDirectory) is not { } control)
                throw;
            return control;
        }
    }

    /// <inheritdoc cref="ReadNewer"/>
    internal static async Task<PgControlFile> ReadNewerAsync(string dataDirectory, TimeProvider? timeProvider, CancellationToken cancellationToken)
    {
        try
        {
            return await ReadAsync(dataDirectory, timeProvider, cancellationToken).ConfigureAwait(false);
        }
        catch (WalControlFileException unknown) when (unknown.Code == UnknownVersionCode)
        {
            if (Newer(dataDirectory) is not { } control)
                throw;
            return control;
        }
    }

    private static PgControlFile? Newer(string dataDirectory)
    {
        var bytes = ReadBytes(Path.Combine(dataDirectory, RelativePath));
        if (bytes.Length < NeverMoved || !Shared.PgMajor.IsNewer(UInt32(bytes, 8)) || FindSegmentSize(dataDirectory, UInt64(bytes, 0)) is not { } segmentSize)
            return null;
        return new PgControlFile
        {
            IsKnownVersion = false,
            SystemIdentifier = UInt64(bytes, 0),
            ControlVersion = UInt32(bytes, 8),
            CatalogVersion = UInt32(bytes, 12),
            PgMajor = MajorOf(dataDirectory),
            State = (PgClusterState)UInt32(bytes, 16),
            Checkpoint = new NpgsqlLogSequenceNumber(UInt64(bytes, 32)),
            Redo = new NpgsqlLogSequenceNumber(UInt64(bytes, 40)),
            Timeline = UInt32(bytes, 48),
            PreviousTimeline = UInt32(bytes, 52),
            SegmentSize = segmentSize,
        };
    }

    /// <summary>The size in the long header of the first segment of this cluster. One that waits to be used has no header yet, or an old one of the same cluster.</summary>
    private static int? FindSegmentSize(string dataDirectory, ulong systemIdentifier)
    {
        var head = new byte[PageHeader.LongLength];
        try
        {
            foreach (var path in Directory.EnumerateFiles(Path.Combine(dataDirectory, "pg_wal")))
            {
                if (!WalFileName.TryParse(Path.GetFileName(path), out var name) || name.Kind != WalFileKind.Segment)
                    continue;
                using var file = System.IO.File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                if (RandomAccess.Read(file, head, 0) == head.Length && new PageHeader(head).IsLong
                    && new LongPageHeader(head) is var first && first.SystemIdentifier == systemIdentifier && WalSegmentSize.IsValid(first.SegmentSize))
                    return (int)first.SegmentSize;
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The caller tells that the version is not known, which is the reason for looking here.
        }

        return null;
    }

    private static int? MajorOf(string dataDirectory)
    {
        try
        {
            return int.TryParse(System.IO.File.ReadAllText(Path.Combine(dataDirectory, "PG_VERSION"), Encoding.ASCII).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var major) ? major : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
