namespace OmniPg.Partman;

/// <summary>A partition set as it is configured: a row of <c>part_config</c> and what the package keeps beside it.</summary>
public sealed record PartitionSet
{
    /// <summary>The partitioned table.</summary>
    public required QualifiedName Table { get; init; }

    /// <summary>The column that it is partitioned by.</summary>
    public required string Control { get; init; }

    /// <summary>What the column's values mean.</summary>
    public required PartitionKeyKind Kind { get; init; }

    /// <summary>Length of a partition of a set by time; <see langword="null"/> for one by id.</summary>
    public PgInterval? Interval { get; init; }

    /// <summary>Ids in a partition of a set by id; <see langword="null"/> for one by time.</summary>
    public long? IdInterval { get; init; }

    /// <summary>Whether each partition holds one value (<c>PARTITION BY LIST</c>).</summary>
    public bool IsList { get; init; }

    /// <summary>Time zone whose midnights are boundaries, by its name in the server.</summary>
    public string TimeZone { get; init; } = "UTC";

    /// <summary>Partitions that are kept ready ahead of the current one.</summary>
    public int Premake { get; init; } = 4;

    /// <summary>Which partition counts as the current one.</summary>
    public PremakeBasis Basis { get; init; }

    /// <summary>Whether a maintenance of all sets includes this one.</summary>
    public bool AutomaticMaintenance { get; init; } = true;

    /// <summary>Age at which partitions by time retire, counted from their upper bound; <see langword="null"/> keeps all.</summary>
    public PgInterval? Retention { get; init; }

    /// <summary>Distance from the newest id at which partitions by id retire; <see langword="null"/> keeps all.</summary>
    public long? IdRetention { get; init; }

    /// <summary>Partitions up to the current one that stay, itself included; older ones retire. <see langword="null"/> keeps all.</summary>
    public int? RetentionCount { get; init; }

    /// <summary>Bytes, with indexes and TOAST, that the partitions may take together; the oldest retire until they do. <see langword="null"/> keeps all.</summary>
    public long? RetentionBytes { get; init; }

    /// <summary>What becomes of a partition that retires.</summary>
    public ExpiredAction WhenExpired { get; init; }

    /// <summary>Schema that retired partitions move to; with <see cref="ExpiredAction.Move"/> only.</summary>
    public string? RetentionSchema { get; init; }

    /// <summary>The <see cref="IObjectSink.Id"/> of the store that retired partitions are archived in; with <see cref="ExpiredAction.Archive"/> only.</summary>
    public string? ArchiveId { get; init; }

    /// <summary>Whether a partition that retires without being dropped keeps its indexes.</summary>
    public bool KeepIndexes { get; init; } = true;

    /// <summary>Whether a partition that retires without being dropped stays in the publications that list it.</summary>
    public bool KeepInPublications { get; init; }

    /// <summary>Table that new partitions take indexes, storage parameters and persistence from; <see langword="null"/> for none.</summary>
    public QualifiedName? Template { get; init; }

    /// <summary>Whether new partitions get the owner and exactly the grants of the parent.</summary>
    public bool InheritPrivileges { get; init; }

    /// <summary>What stands between table and suffix in names of partitions.</summary>
    public string NamePrefix { get; init; } = PartitionName.UsualPrefix;

    /// <summary>Order of maintenance over all sets; <see langword="null"/> comes last, and then names decide.</summary>
    public int? MaintenanceOrder { get; init; }

    /// <summary>When the set was last maintained without an error; <see langword="null"/> for never, or after a failure.</summary>
    public DateTimeOffset? LastMaintenance { get; init; }

    /// <summary>What is under way, an undo or a drain by the extension, during which maintenance leaves the set alone; <see langword="null"/> for nothing.</summary>
    public string? InProgress { get; init; }

    /// <summary>Whether the row stands in the tables of the extension.</summary>
    public bool IsInExtension { get; init; }

    /// <summary>Column by whose hash each new partition is split into <see cref="HashPartitions"/> tables; <see langword="null"/> where it is not.</summary>
    public string? HashColumn { get; init; }

    /// <summary>Tables that a new partition is split into; <see langword="null"/> where it is not.</summary>
    public int? HashPartitions { get; init; }

    /// <summary>How each new partition is partitioned again, and the set that it is then; <see langword="null"/> where partitions are plain tables. Its <see cref="Table"/> means nothing.</summary>
    public PartitionSet? SubPartitions { get; init; }

    /// <summary>Whether a new set has a default partition. Of <see cref="SubPartitions"/> only.</summary>
    internal bool HasDefault { get; init; } = true;

    /// <summary>Type of the control column. Of <see cref="SubPartitions"/> only.</summary>
    internal string ControlType { get; init; } = "";

    /// <summary>Bound that all others are counted from; null where each follows the one before it.</summary>
    internal string? Anchor { get; init; }

    /// <summary>When a maintenance of it last failed, which takes <see cref="LastMaintenance"/> away.</summary>
    internal DateTimeOffset? LastFailure { get; init; }

    /// <summary>Whether partitions retire at all.</summary>
    internal bool Retires => Retention is not null || IdRetention is not null || RetentionCount is not null || RetentionBytes is not null;

    /// <summary>When it was last maintained, without an error or with one.</summary>
    internal DateTimeOffset? LastRun => LastMaintenance ?? LastFailure;

    /// <summary>How the configuration names the table: schema and name, unquoted, with a dot between.</summary>
    internal string ConfigKey => $"{Table.Schema!.Value.Value}.{Table.Name.Value}";
}

/// <summary>Which partition counts as the current one when partitions are made ahead.</summary>
public enum PremakeBasis
{
    /// <summary>The one that the server's clock is in: sets by time without new rows go on growing. Sets by id always count from the newest row.</summary>
    Clock,

    /// <summary>The one that holds the newest row, as pg_partman does it.</summary>
    NewestRow,
}

/// <summary>What becomes of a partition that retires.</summary>
public enum ExpiredAction
{
    /// <summary>It is detached and stays as a table.</summary>
    Detach,

    /// <summary>It is detached and moved to <see cref="PartitionSet.RetentionSchema"/>.</summary>
    Move,

    /// <summary>It is dropped, and its rows with it.</summary>
    Drop,

    /// <summary>It is written to the archive of the client, read back, and dropped then. <see cref="IPartman.RestoreAsync"/> brings it back.</summary>
    Archive,
}
