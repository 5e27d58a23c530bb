using System.Buffers.Binary;
using NpgsqlTypes;
using OmniPg.Shared;

namespace OmniPg.Wal;

public sealed partial class PgControlFile
{
    private const string DamagedCode = "wal.control.damaged";
    private const string UnknownVersionCode = "wal.control.unknown-version";

    /// <summary>Reads the content of the file.</summary>
    /// <param name="bytes">The content, at least up to the CRC.</param>
    /// <param name="path">Path for messages.</param>
    /// <returns>The content.</returns>
    /// <exception cref="WalControlFileException">The content is damaged or of an unknown version.</exception>
    public static PgControlFile Parse(ReadOnlySpan<byte> bytes, string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (bytes.Length < 12)
        {
            throw Damaged(path, $"it has '{bytes.Length}' bytes but '{ControlFileLayout.Length}' are expected");
        }

        var version = UInt32(bytes, 8);
        var layout = Shared.PgMajor.LayoutOf(version) ?? throw UnknownVersion(path, version);
        CheckIntegrity(bytes, layout, path);
        return new PgControlFile
        {
            SystemIdentifier = UInt64(bytes, 0),
            ControlVersion = version,
            CatalogVersion = UInt32(bytes, 12),
            PgMajor = Shared.PgMajor.OfControlFile(version, UInt32(bytes, 12)),
            State = (PgClusterState)UInt32(bytes, 16),
            Checkpoint = new NpgsqlLogSequenceNumber(UInt64(bytes, 32)),
            Redo = new NpgsqlLogSequenceNumber(UInt64(bytes, 40)),
            Timeline = UInt32(bytes, 48),
            PreviousTimeline = UInt32(bytes, 52),
            MinRecoveryPoint = new NpgsqlLogSequenceNumber(UInt64(bytes, layout.MinRecoveryPoint)),
            MinRecoveryTimeline = UInt32(bytes, layout.MinRecoveryTimeline),
            WalLevel = (int)UInt32(bytes, layout.WalLevel),
            SegmentSize = (int)UInt32(bytes, layout.SegmentSize),
            DataChecksumVersion = UInt32(bytes, layout.Checksums),
        };
    }

    private static void CheckIntegrity(ReadOnlySpan<byte> bytes, ControlFileLayout layout, string path)
    {
        if (bytes.Length < layout.Crc + sizeof(uint))
        {
            throw Damaged(path, $"it has '{bytes.Length}' bytes but '{ControlFileLayout.Length}' are expected");
        }

        var computed = Crc32C.Finish(Crc32C.Append(Crc32C.Start, bytes[..layout.Crc]));
        var stored = UInt32(bytes, layout.Crc);
        if (computed != stored)
        {
            throw Damaged(path, $"its CRC is '{computed:X8}' but '{stored:X8}' is expected");
        }

        if (!WalSegmentSize.IsValid(UInt32(bytes, layout.SegmentSize)))
        {
            throw Damaged(path, $"its segment size '{UInt32(bytes, layout.SegmentSize)}' is not a power of two from 1 MiB to 1 GiB");
        }
    }

    private static WalControlFileException Damaged(string path, string reason) => new(
        DamagedCode, $"'{path}' is damaged: {reason}.", "Check the disk; restore the data directory from a base backup.");

    private static WalControlFileException UnknownVersion(string path, uint version) =>
        BinaryPrimitives.ReverseEndianness(version) is > 0 and < 100_000 && version > 100_000
            ? new WalControlFileException(UnknownVersionCode, $"'{path}' was written by a machine of the other byte order.", "Read it on such a machine.")
            : new WalControlFileException(
                UnknownVersionCode,
                $"'{path}' has the version '{version}' but one of {Shared.PgMajor.ControlVersions} is expected.",
                $"This package reads the control files of PostgreSQL {Shared.PgMajor.Range}; a later one may know more.");

    private static uint UInt32(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[offset..]);

    private static ulong UInt64(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[offset..]);
}
