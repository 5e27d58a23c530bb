using System.Globalization;

namespace OmniPg.Partman;

/// <summary>Neighbouring partitions and those that take their place, which begin and end together.</summary>
/// <param name="Former">The partitions that are there, in order, without a gap.</param>
/// <param name="New">Those that will be; the last one may reach beyond the end of the set.</param>
/// <param name="HasRows">Whether there is something to be copied.</param>
internal sealed record Regroup(IReadOnlyList<Partition> Former, IReadOnlyList<NewRange> New, bool HasRows)
{
    public PartitionBound Lower => Former[0].Lower;

    public PartitionBound Upper => Former[^1].Upper;

    /// <summary>What all former partitions have of their own: the new ones are made with it.</summary>
    public IReadOnlyList<PartitionTrait> Handed { get; init; } = [];

    /// <summary>What goes with them, and can be made anew.</summary>
    public IReadOnlyList<PartitionTrait> Dropped { get; init; } = [];

    /// <summary>Digest of what the former partitions have of their own.</summary>
    public string Digest { get; init; } = "";

    /// <summary>Settings that the new partitions are made under, with their values: where their files lie, and how these are laid out.</summary>
    public IReadOnlyList<(string Setting, string Value)> Settings { get; init; } = [];

    /// <summary>Columns, quoted, whose values are unpacked on the way, so that those of the copy are packed anew; whether they hold arrays.</summary>
    public IReadOnlyDictionary<string, bool> Unpacked { get; init; } = new Dictionary<string, bool>();

    /// <summary>What a plan says of it, behind its reason.</summary>
    public string Told => (Handed.Count == 0 ? "" : $" What the former ones have of their own goes on: {string.Join(", ", Handed.Select(t => t.What))}.")
        + (Dropped.Count == 0 ? "" : $" {string.Join(", ", Dropped.Select(t => t.What))} go, and 'ApplyConstraintsAsync' makes such anew.");

    /// <summary>Shares out what the former partitions have of their own: what all of them have goes on, and the reasons are told why the rest cannot.</summary>
    public Regroup With(IEnumerable<PartitionTrait> traits, List<InvalidDefinition> reasons)
    {
        var own = traits.Where(t => Former.Any(f => f.Oid == t.Partition)).ToList();
        reasons.AddRange(own.Where(t => t.Fate == PartitionTrait.Way.Refuse).Select(t => new InvalidDefinition(InvalidDefinitionReason.Dependent, t.What)));
        var handed = new List<PartitionTrait>();
        foreach (var same in own.Where(t => t.Fate is PartitionTrait.Way.Make or PartitionTrait.Way.Give).GroupBy(t => (t.Head, t.Tail)))
        {
            var first = same.First();
            if (same.DistinctBy(t => t.Partition).Count() == Former.Count)
                handed.Add(first);
            else
                reasons.Add(new(InvalidDefinitionReason.Dependent, $"{first.What} stands on its partition '{first.Name}' and not on all {Former.Count} from '{Lower}' up to '{Upper}' that are replaced together: give it to all of them, or take it away."));
        }
        return this with { Handed = handed, Dropped = [.. own.Where(t => t.Fate == PartitionTrait.Way.Drop)] };
    }

    /// <summary>The statements that give a new partition what the former ones have of their own.</summary>
    public IEnumerable<string> Give(QualifiedName table, PartitionTrait.Way way) => Handed.Where(t => t.Fate == way).Select(t => t.On(table));

    /// <summary>The question whether the former partitions are still those that they were, with the bounds that they had: their versions are those of their rows in <c>pg_inherits</c>.</summary>
    public string AreStill(SetState state) =>
        $"SELECT count(*) = {Former.Count.ToString(CultureInfo.InvariantCulture)} FROM pg_catalog.pg_class c JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid WHERE i.inhparent = {state.Oid.ToString(CultureInfo.InvariantCulture)} AND NOT i.inhdetachpending "
        + $"AND (c.oid, c.relname::text, i.xmin::text) IN ({string.Join(", ", Former.Select(p => $"({p.Oid.ToString(CultureInfo.InvariantCulture)}, {PgLiteral.Quote(p.Name.Name.Value)}, {PgLiteral.Quote(p.Version)})"))})";

    /// <summary>The statement that ends a transaction where they have something else by now: it would go without a word.</summary>
    public string Unchanged(SetState state, ParentShape shape) => "DO " + PgLiteral.Quote(
        $"BEGIN IF ({PartitionTrait.DigestOf(state, shape, Former)}) <> {PgLiteral.Quote(Digest)} THEN RAISE EXCEPTION USING ERRCODE = '{Refusal.Overtaken}', "
        + $"MESSAGE = {PgLiteral.Quote($"{this} got or lost something of their own meanwhile: rights, indexes, constraints, triggers, settings or a comment")}; END IF; END");

    public override string ToString() => $"{Former.Count} partitions from '{Lower}' up to '{Upper}'";

    /// <summary>The smallest groups of neighbours whose ends are boundaries of the new grid as well; what is on the grid already is none.</summary>
    /// <param name="session">A session.</param>
    /// <param name="wished">The set with its new interval, and with all its partitions.</param>
    /// <param name="candidates">The partitions that may be replaced, in order.</param>
    /// <param name="mayReachBeyond">Whether the last range may end behind the last partition.</param>
    /// <param name="most">Most new ranges.</param>
    /// <exception cref="InvalidPartitionDefinitionException">There would be more.</exception>
    public static async Task<IReadOnlyList<Regroup>> AllAsync(PgSession session, SetState wished, IReadOnlyList<Partition> candidates, bool mayReachBeyond, int most)
    {
        var groups = new List<Regroup>();
        for (var begin = 0; begin < candidates.Count;)
        {
            var end = begin + 1;
            while (end < candidates.Count && candidates[end].Lower == candidates[end - 1].Upper)
                end++;
            var run = candidates.Skip(begin).Take(end - begin).ToList();
            var grid = await NewRanges.GridAsync(session, wished, run[0].Lower, run[^1].Upper, most).ConfigureAwait(false);
            if (grid.Count > most)
                throw new InvalidPartitionDefinitionException(wished.Table, [new(InvalidDefinitionReason.Interval, $"From '{run[0].Lower}' on it would need more than {most} partitions.")], "be repartitioned");
            // Beyond the last partition nothing is in the way; between others there is a gap that belongs to nobody here.
            if (!mayReachBeyond || run[^1].Upper != wished.Highest)
                grid = [.. grid.SkipLast(1), grid[^1] with { Upper = run[^1].Upper }];
            groups.AddRange(Together(run, grid));
            begin = end;
        }
        return groups;
    }

    private static IEnumerable<Regroup> Together(List<Partition> former, IReadOnlyList<NewRange> grid)
    {
        for (var (i, j) = (0, 0); i < former.Count;)
        {
            var (first, cell) = (i, j);
            while (former[i].Upper != grid[j].Upper && !(i == former.Count - 1 && j == grid.Count - 1))
            {
                if (former[i].Upper < grid[j].Upper && i < former.Count - 1)
                    i++;
                else
                    j++;
            }
            i++;
            j++;
            if (i - first > 1 || j - cell > 1 || former[first].Upper != grid[cell].Upper)
                yield return new Regroup(former.GetRange(first, i - first), [.. grid.Skip(cell).Take(j - cell)], HasRows: true);
        }
    }
}
