using System.Buffers.Binary;

namespace OmniPg.Wal;

/// <summary>
/// How the validated segments before ended, so that a record split over two of them is checked as well: what this process saw, and as
/// <c>STATE/last-segment.chain</c> what it leaves to the process of the next segment, because the server may have recycled the segment by then.
/// </summary>
internal sealed class SegmentChain(string? directory)
{
    public const string FileName = "last-segment.chain";

    private const uint Mark = 0x4F504331;
    private const int Kept = 32;
    private readonly string? _path = directory is null ? null : Path.Combine(directory, FileName);
    private readonly Dictionary<WalFileName, WalChainState> _endOf = [];
    private readonly Queue<WalFileName> _order = [];
    private readonly Lock _lock = new();

    /// <summary>How the segment before ended: as this process saw it, as the segment beside it says, as the process before left it behind.</summary>
    public WalChainState? Before(WalFileName file, string path, PgControlFile cluster, out bool wasDamaged)
    {
        wasDamaged = false;
        var size = WalSegmentSize.FromBytes(cluster.SegmentSize);
        if (!file.Fits(size))
            return null;
        return Seen(file, size) ?? NeighbourState.Find(path, file) ?? Read((ulong)file.StartLsn(size), cluster.SystemIdentifier, out wasDamaged) ?? NeighbourState.FindByReading(path, file);
    }

    public void Add(WalFileName file, WalChainState? end)
    {
        if (end is null || file.Kind != WalFileKind.Segment)
            return;
        lock (_lock)
        {
            if (_endOf.TryAdd(file, end))
                _order.Enqueue(file);
            if (_order.Count > Kept)
                _endOf.Remove(_order.Dequeue());
        }
    }

    // Neither flushed nor waited for: a state that a crash takes away costs a look at the segment before.
    public void Save(WalChainState? state)
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

    private WalChainState? Seen(WalFileName file, WalSegmentSize size)
    {
        lock (_lock)
            return _endOf.FirstOrDefault(e => e.Key.Next(size) == file).Value;
    }

    // The state of the file, if it ends where the segment begins.
    private WalChainState? Read(ulong start, ulong systemIdentifier, out bool wasDamaged)
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
