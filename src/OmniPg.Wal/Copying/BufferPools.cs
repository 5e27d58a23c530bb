namespace OmniPg.Wal;

/// <summary>The memory of one copy: a pool behind the source and one behind each encoder.</summary>
internal sealed class BufferPools
{
    public const int Largest = SourceBuffers;
    private const int SourceBuffers = 8;
    private const int BranchBuffers = 4;
    private readonly List<BufferPool> _branches = [];

    public BufferPool Source { get; } = new(SourceBuffers);

    /// <summary>Whether all buffers are at home and nobody was stopped: only then may another copy use them.</summary>
    public bool IsReusable => !IsStopped && Source.IsWhole && _branches.TrueForAll(static b => b.IsWhole);

    private bool IsStopped { get; set; }

    public BufferPool ForBranch(int number)
    {
        while (_branches.Count <= number)
            _branches.Add(new BufferPool(BranchBuffers));
        return _branches[number];
    }

    /// <summary>Wakes every stage that waits for memory; the copy is over.</summary>
    public void Stop()
    {
        IsStopped = true;
        Source.Stop();
        foreach (var branch in _branches)
            branch.Stop();
    }
}
