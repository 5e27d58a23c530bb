namespace OmniPg.Partman;

/// <summary>The boundaries of a set by id: <c>bound(n) = anchor + n × step</c>, in both directions.</summary>
/// <param name="Anchor">Any boundary.</param>
/// <param name="Step">Ids in a partition; at least 1.</param>
internal readonly record struct IdSteps(long Anchor, long Step)
{
    /// <summary>The boundary at or below an id; below zero, too, where <c>%</c> would round the other way.</summary>
    /// <exception cref="OverflowException">It is below every <c>bigint</c>.</exception>
    public long AtOrBelow(long id)
    {
        var over = (Int128)id - Anchor;
        var rest = over % Step;
        return checked((long)(id - (rest < 0 ? rest + Step : rest)));
    }

    /// <summary>The boundary above an id.</summary>
    /// <exception cref="OverflowException">It is above every <c>bigint</c>.</exception>
    public long Above(long id) => checked((long)((Int128)AtOrBelow(id) + Step));
}
