namespace OmniPg.Wal;

/// <summary>Remembers how the last validated segments ended, so that a record split over two of them is checked as well.</summary>
internal sealed class ChainStates
{
    private const int Kept = 32;
    private readonly Dictionary<WalFileName, WalChainState> _endOf = [];
    private readonly Queue<WalFileName> _order = [];
    private readonly Lock _lock = new();

    public WalChainState? Before(WalFileName file, int segmentSize)
    {
        if (file.Kind != WalFileKind.Segment)
            return null;
        lock (_lock)
            return _endOf.FirstOrDefault(e => e.Key.Next(WalSegmentSize.FromBytes(segmentSize)) == file).Value;
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
}
