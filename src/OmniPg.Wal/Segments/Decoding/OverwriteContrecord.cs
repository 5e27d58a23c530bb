using System.Buffers.Binary;

namespace OmniPg.Wal;

/// <summary>Record that gives up an unfinished record after a crash (<c>xl_overwrite_contrecord</c>).</summary>
internal static class OverwriteContrecord
{
    /// <summary>Start of the record given up, or <see langword="null"/> when the body is too short.</summary>
    public static ulong? ReadTarget(ReadOnlySpan<byte> body) =>
        MainData.Find(body) is { Length: >= sizeof(ulong) } data ? BinaryPrimitives.ReadUInt64LittleEndian(data) : null;
}
