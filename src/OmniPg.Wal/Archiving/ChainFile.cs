using System.Buffers.Binary;

namespace OmniPg.Wal;

/// <summary>
/// Keeps how the last validated segment ended, as <c>STATE/last-segment.chain</c>, so that the process of the next segment can check a record that
/// began there even when the server has recycled the segment.
/// </summary>
internal sealed class ChainFile(string? directory)
{
    private const uint Mark = 0x4F504331;

    public const string FileName = "last-segment.chain";

    private readonly string? _path = directory is null ? null : Path.Combine(directory, FileName);

    /// <summary>The state, if it ends where the segment begins.</summary>
    public WalChainState? Read(ulong start, ulong systemIdentifier, out bool wasDamaged)
    {
        wasDamaged = false;
        try
        {
            if (_path is null || !File.Exists(_path))
                return null;
            var state = Parse(File.ReadAllBytes(_path));
            wasDamaged = state is null;
            return state is not null && (ulong)state.End == start && state.SystemIdentifier == systemIdentifier ? state : null;
        }
        catch (Exception damage) when (damage is IOException or UnauthorizedAccessException)
        {
            wasDamaged = true;
            return null;
        }
    }

    // Neither flushed nor waited for: a state that a crash takes away costs a look at the segment before.
    public void Write(WalChainState? state)
    {
        if (_path is null || state is null)
            return;
        var temporary = DurableFile.TemporaryNameFor(_path);
        try
        {
            File.WriteAllBytes(temporary, Format(state));
            File.Move(temporary, _path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    private static byte[] Format(WalChainState state)
    {
        using var content = new MemoryStream();
        using var writer = new BinaryWriter(content);
        writer.Write(Mark);
        writer.Write((ulong)state.End);
        writer.Write(state.SystemIdentifier);
        writer.Write(state.SegmentSize);
        writer.Write(state.Timeline);
        writer.Write((ulong?)state.LastRecord ?? ulong.MaxValue);
        writer.Write(state.Split is not null);
        state.Split?.Write(writer);
        writer.Write(Crc32C.Finish(Crc32C.Append(Crc32C.Start, content.GetBuffer().AsSpan(0, (int)content.Length))));
        return content.ToArray();
    }

    private static WalChainState? Parse(byte[] bytes)
    {
        var length = bytes.Length - sizeof(uint);
        if (length < sizeof(uint) || BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Mark
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(length)) != Crc32C.Finish(Crc32C.Append(Crc32C.Start, bytes.AsSpan(0, length))))
            return null;
        using var reader = new BinaryReader(new MemoryStream(bytes, sizeof(uint), length - sizeof(uint)));
        return new WalChainState(
            reader.ReadUInt64(), reader.ReadUInt64(), reader.ReadInt32(), reader.ReadUInt32(),
            reader.ReadUInt64() is var last and not ulong.MaxValue ? last : null,
            reader.ReadBoolean() ? SplitRecord.Read(reader) : null);
    }
}
