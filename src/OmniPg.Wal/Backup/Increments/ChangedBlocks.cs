using System.Numerics;

namespace OmniPg.Wal;

/// <summary>A fork of a relation. Number 0 stands for a whole database in a tablespace.</summary>
internal readonly record struct RelationFork(uint Tablespace, uint Database, uint Number, short Fork)
{
    public const short Main = 0;
    public const short FreeSpace = 1;
    public const short VisibilityMap = 2;
    public const short Init = 3;
}

/// <summary>Which blocks WAL summaries say were changed (<c>blkreftable.c</c>). Takes a few hundred bytes for every 32 MiB of a relation in which something was.</summary>
internal sealed class ChangedBlocks
{
    private const int ChunkBlocks = 4096;
    private const int WordBits = 64;
    private readonly Dictionary<RelationFork, Fork> _forks = [];

    /// <summary>Takes a block that was changed.</summary>
    public void Add(RelationFork fork, uint block) => ForkOf(fork).Set(block);

    /// <summary>Takes the length below which a fork was cut off, or with 0 was made anew: what lies behind is not what it was.</summary>
    public void AddLimit(RelationFork fork, uint block)
    {
        var changed = ForkOf(fork);
        changed.Limit = Math.Min(changed.Limit, block);
    }

    /// <summary>Whether anything is told of a fork.</summary>
    public bool Contains(RelationFork fork) => _forks.ContainsKey(fork);

    /// <summary>The smallest length that a fork had meanwhile, in blocks; <see cref="uint.MaxValue"/> when it was never cut off.</summary>
    public uint LimitOf(RelationFork fork) => _forks[fork].Limit;

    /// <summary>The blocks of a fork that were changed, ascending.</summary>
    public List<uint> Between(RelationFork fork, uint from, uint to)
    {
        var found = new List<uint>();
        var chunks = _forks[fork].Chunks;
        for (var chunk = from / ChunkBlocks; chunk * ChunkBlocks < to; chunk++)
        {
            if (!chunks.TryGetValue(chunk, out var words))
                continue;
            for (var i = 0; i < words.Length; i++)
            {
                for (var rest = words[i]; rest != 0; rest &= rest - 1)
                {
                    var block = (chunk * ChunkBlocks) + (uint)((i * WordBits) + BitOperations.TrailingZeroCount(rest));
                    if (block >= from && block < to)
                        found.Add(block);
                }
            }
        }

        return found;
    }

    private Fork ForkOf(RelationFork fork)
    {
        if (!_forks.TryGetValue(fork, out var changed))
            _forks.Add(fork, changed = new Fork());
        return changed;
    }

    private sealed class Fork
    {
        public Dictionary<uint, ulong[]> Chunks { get; } = [];

        public uint Limit { get; set; } = uint.MaxValue;

        public void Set(uint block)
        {
            if (!Chunks.TryGetValue(block / ChunkBlocks, out var words))
                Chunks.Add(block / ChunkBlocks, words = new ulong[ChunkBlocks / WordBits]);
            words[block % ChunkBlocks / WordBits] |= 1UL << (int)(block % WordBits);
        }
    }
}
