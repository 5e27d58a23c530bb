namespace OmniPg.Partman;

/// <summary>A set with all that decides what is to be done with it, read at one moment.</summary>
internal sealed record SetState
{
    public required PartitionSet Set { get; init; }

    public required uint Oid { get; init; }

    public required PartitionKey Key { get; init; }

    /// <summary>By lower bound; without the default partition.</summary>
    public required IReadOnlyList<Partition> Partitions { get; init; }

    public Partition? Default { get; init; }

    /// <summary>The server's time.</summary>
    public required DateTimeOffset Now { get; init; }

    /// <summary>The server's time on the clock of the set's zone.</summary>
    public required DateTime LocalNow { get; init; }

    /// <summary>The moment before which partitions by time are expired; null without retention.</summary>
    public PartitionBound? Cutoff { get; init; }

    /// <summary>The highest key in the partitions, the default left out; null while there is none, or when nobody needs it.</summary>
    public PartitionBound? Newest { get; init; }

    /// <summary>Tables with a foreign key to this one, in the order in which they are locked.</summary>
    public required IReadOnlyList<QualifiedName> ReferencedBy { get; init; }

    /// <summary>Tables that this one has a foreign key to, in the order in which they are locked.</summary>
    public required IReadOnlyList<QualifiedName> References { get; init; }

    /// <summary>Whether the role may alter the table.</summary>
    public required bool IsOwned { get; init; }

    /// <summary>Checks of an interrupted attach that are still on the default partition.</summary>
    public IReadOnlyList<PgIdentifier> LeftChecks { get; init; } = [];

    /// <summary>Its own bounds in the set that it is a partition of by the same column, which takes nothing else; null for others.</summary>
    public (PartitionBound Lower, PartitionBound Upper)? Within { get; init; }

    /// <summary>Whether its partitions reach its own upper bound: there is nothing to be made ahead any more.</summary>
    public bool IsFull => Within is { } own && Highest is { } highest && highest >= own.Upper;

    public QualifiedName Table => Set.Table;

    /// <summary>Whether boundaries have to be converted between the zone's clock and the time line.</summary>
    public bool NeedsZone => Key is { IsTime: true, IsWallClock: false } && Set.TimeZone != "UTC" && TimeSteps.FollowsCalendar(Set.Interval!.Value);

    /// <summary>Where the clock stands among the bounds.</summary>
    public PartitionBound Clock => PartitionBound.Of(Key.IsWallClock ? new DateTimeOffset(LocalNow, TimeSpan.Zero) : Now);

    /// <summary>Upper end of all partitions; null while there is none.</summary>
    public PartitionBound? Highest => Partitions.Count == 0 ? null : Partitions.Max(p => p.Upper);

    /// <summary>Tables, each once, in the one order in which several are locked in a transaction: by schema and name, so that two changes never wait for each other.</summary>
    public static IReadOnlyList<QualifiedName> InLockOrder(IEnumerable<QualifiedName> tables) =>
        [.. tables.Distinct().OrderBy(t => t.Schema?.Value, StringComparer.Ordinal).ThenBy(t => t.Name.Value, StringComparer.Ordinal)];

    /// <summary>A plain table as the runner of units knows it, which is no set, or none yet.</summary>
    public static SetState OfTable(QualifiedName table, uint oid, string control) => new()
    {
        Set = new PartitionSet { Table = table, Control = control, Kind = PartitionKeyKind.Id },
        Oid = oid,
        Key = new PartitionKey(PgIdentifier.Create(control), "int8", PartitionKeyKind.Id),
        Partitions = [],
        Now = default,
        LocalNow = default,
        ReferencedBy = [],
        References = [],
        IsOwned = true,
    };

    /// <summary>The set, unless somebody works on it: a drain of the extension keeps rows in a table of its own meanwhile, and an undo empties what would be filled.</summary>
    /// <exception cref="PartmanBusyException">A drain or an undo is under way.</exception>
    public SetState RequireIdle() => Set.InProgress is { } what ? throw new PartmanBusyException(Table, what) : this;
}
