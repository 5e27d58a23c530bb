using System.Buffers.Binary;
using System.Numerics;
using OmniPg.Shared;

namespace OmniPg.Wal.Tests.Segments;

/// <summary>Changed control files of any version.</summary>
internal static class ControlFileBytes
{
    /// <summary>Writes the CRC-32C of everything before it to its place in the version's layout.</summary>
    public static void Seal(byte[] control)
    {
        var place = PgMajor.LayoutOf(BinaryPrimitives.ReadUInt32LittleEndian(control.AsSpan(8)))!.Crc;
        var crc = uint.MaxValue;
        foreach (var one in control.AsSpan(0, place))
            crc = BitOperations.Crc32C(crc, one);
        BinaryPrimitives.WriteUInt32LittleEndian(control.AsSpan(place), ~crc);
    }
}
