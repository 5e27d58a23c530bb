using System.Globalization;

namespace OmniPg.Partman;

/// <summary>How a partitioned table becomes a set (<c>create_parent</c>). Give <see cref="Control"/> and one of both intervals.</summary>
public sealed class PartitionSetOptions : ICheckedOptions
{
    /// <summary>The column that the table is partitioned by. Required.</summary>
    public string Control { get; set; } = "";

    /// <summary>What the column's values mean. Default <see langword="null"/>: by its type; an integer column with <see cref="Interval"/> needs to be told its unit.</summary>
    public PartitionKeyKind? Kind { get; set; }

    /// <summary>Length of a partition by time; at least a second.</summary>
    public PgInterval? Interval { get; set; }

    /// <summary>Ids in a partition by id; at least 2, or 1 for a table partitioned by list.</summary>
    public long? IdInterval { get; set; }

    /// <summary>Time zone whose midnights are boundaries. Default <see langword="null"/>: UTC; beside the extension that of the server.</summary>
    public string? TimeZone { get; set; }

    /// <summary>Partitions kept ready ahead of the current one. Default 4, range 1 to 10,000.</summary>
    public int Premake { get; set; } = 4;

    /// <summary>Which partition counts as the current one. Default <see cref="PremakeBasis.Clock"/>.</summary>
    public PremakeBasis Basis { get; set; }

    /// <summary>Where the first partition by time begins, rounded down by the interval. Default <see langword="null"/>: <see cref="Premake"/> intervals ago.</summary>
    public DateTimeOffset? Start { get; set; }

    /// <summary>Where the first partition by id begins, rounded down. Default <see langword="null"/>: around the newest id.</summary>
    public long? IdStart { get; set; }

    /// <summary>What ids of boundaries leave over when divided by the interval. Default 0.</summary>
    public long IdOffset { get; set; }

    /// <summary>Unit of <c>date_trunc</c> that the first partition begins with, such as <c>week</c>. Default <see langword="null"/>: by the interval.</summary>
    public string? TruncateTo { get; set; }

    /// <summary>Whether the first partition begins at <see cref="Start"/> exactly, which then is boundary zero: months from the 31st, for example. Default <see langword="false"/>.</summary>
    public bool StartExactly { get; set; }

    /// <summary>Whether a default partition takes what no other takes. Default <see langword="true"/>; without one such rows are refused.</summary>
    public bool DefaultPartition { get; set; } = true;

    /// <summary>Whether the column may be null; such rows go to the default partition. Default <see langword="false"/>.</summary>
    public bool AllowNull { get; set; }

    /// <summary>
    /// Table that new partitions take from what their set does not give them: indexes, exclusion constraints, triggers, policies and row security, statistics objects,
    /// storage parameters and persistence. The default partition takes none of it. Default <see langword="null"/>: none.
    /// </summary>
    public QualifiedName? Template { get; set; }

    /// <summary>Age at which partitions by time retire. Default <see langword="null"/>: never.</summary>
    public PgInterval? Retention { get; set; }

    /// <summary>Distance from the newest id at which partitions by id retire. Default <see langword="null"/>: never.</summary>
    public long? IdRetention { get; set; }

    /// <summary>
    /// Partitions up to the current one that stay, itself included; older ones retire, also where their age allows them to stay. Those ahead are not counted, nor is
    /// the default one. The current one is that of the clock or of the newest row, whichever <see cref="Basis"/> says; ahead of the clock it never is. Default
    /// <see langword="null"/>: no limit. At least 1.
    /// </summary>
    public int? RetentionCount { get; set; }

    /// <summary>
    /// Bytes, with indexes and TOAST, that the partitions may take together, the default one left out; the oldest retire until they do, and the current one and
    /// those ahead stay in any case. Default <see langword="null"/>: no limit. At least 1.
    /// </summary>
    public long? RetentionBytes { get; set; }

    /// <summary>What becomes of a partition that retires. Default <see cref="ExpiredAction.Detach"/>.</summary>
    public ExpiredAction WhenExpired { get; set; }

    /// <summary>Schema for <see cref="ExpiredAction.Move"/>.</summary>
    public string? RetentionSchema { get; set; }

    /// <summary>Whether a retired partition keeps its indexes. Default <see langword="true"/>.</summary>
    public bool KeepIndexes { get; set; } = true;

    /// <summary>Whether a retired partition stays in publications that list it. Default <see langword="false"/>.</summary>
    public bool KeepInPublications { get; set; }

    /// <summary>Whether new partitions get exactly the grants of the parent. Default <see langword="false"/>.</summary>
    public bool InheritPrivileges { get; set; }

    /// <summary>Whether a maintenance of all sets includes this one. Default <see langword="true"/>.</summary>
    public bool AutomaticMaintenance { get; set; } = true;

    /// <summary>Order of maintenance over all sets. Default <see langword="null"/>: last.</summary>
    public int? MaintenanceOrder { get; set; }

    /// <summary>
    /// Column by whose hash each partition is split into <see cref="HashPartitions"/> tables, which come and go with it. Default <see langword="null"/>: it is not.
    /// Does not go with <see cref="SubPartitions"/>, with <see cref="ExpiredAction.Archive"/>, or beside the extension.
    /// </summary>
    public string? HashColumn { get; set; }

    /// <summary>Tables that each partition is split into. Default <see langword="null"/>: none. Range 2 to 1000.</summary>
    public int? HashPartitions { get; set; }

    /// <summary>
    /// How each partition is partitioned again (<c>create_sub_parent</c>), which may be partitioned again in turn. Default <see langword="null"/>: partitions are
    /// plain tables. What says where a set begins, its time zone and its template are those of the whole set.
    /// </summary>
    public PartitionSetOptions? SubPartitions { get; set; }

    /// <summary>Reads a set from names and texts, as a file or a section of a configuration has them.</summary>
    /// <param name="values">
    /// Names of the properties of this class, in any case of letters, with their values: intervals as PostgreSQL writes them, moments in ISO 8601 (UTC unless
    /// they say otherwise), names of enumerations in any case. <c>SubPartitions:Interval</c> is a property of <see cref="SubPartitions"/>.
    /// </param>
    /// <returns>The options; what is not named has its default.</returns>
    /// <exception cref="FormatException">A name is none, stands twice, or its value is none of that property.</exception>
    public static PartitionSetOptions Parse(IEnumerable<KeyValuePair<string, string?>> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        const string Below = nameof(SubPartitions) + ":";
        var options = new PartitionSetOptions();
        var below = new List<KeyValuePair<string, string?>>();
        var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, text) in values)
        {
            if (!seen.Add(name))
                throw new FormatException($"'{name}' stands there twice.");
            if (name.StartsWith(Below, StringComparison.OrdinalIgnoreCase))
                below.Add(KeyValuePair.Create(name[Below.Length..], text));
            // A section of a configuration is named as well, without a text.
            if (text is null || name.StartsWith(Below, StringComparison.OrdinalIgnoreCase))
                continue;
            try
            {
                options.Set(name, text);
            }
            catch (Exception error) when (error is FormatException or OverflowException or ArgumentException)
            {
                throw new FormatException($"'{name}' cannot be '{text}': {error.Message}", error);
            }
        }
        if (below.Count > 0)
            options.SubPartitions = Parse(below);
        return options;
    }

    /// <summary>The set that is asked for, as far as it does not depend on what is there.</summary>
    internal PartitionSet ToSet(QualifiedName table, PartitionKeyKind kind, string zone, bool isInExtension) => new()
    {
        Table = table,
        Control = Control,
        Kind = kind,
        Interval = Interval,
        IdInterval = IdInterval,
        IsList = IdInterval == 1,
        TimeZone = zone,
        Premake = Premake,
        Basis = Basis,
        AutomaticMaintenance = AutomaticMaintenance,
        Retention = Retention,
        IdRetention = IdRetention,
        HashColumn = HashColumn,
        HashPartitions = HashPartitions,
        RetentionCount = RetentionCount,
        RetentionBytes = RetentionBytes,
        WhenExpired = WhenExpired,
        RetentionSchema = RetentionSchema,
        KeepIndexes = KeepIndexes,
        KeepInPublications = KeepInPublications,
        Template = Template,
        InheritPrivileges = InheritPrivileges,
        MaintenanceOrder = MaintenanceOrder,
        IsInExtension = isInExtension,
    };

    private void Set(string name, string text)
    {
        var invariant = CultureInfo.InvariantCulture;
        long Id() => long.Parse(text, NumberStyles.AllowLeadingSign, invariant);
        T Word<T>()
            where T : struct, Enum => Enum.TryParse<T>(text, ignoreCase: true, out var value) && Enum.IsDefined(value) && !char.IsAsciiDigit(text[0])
            ? value : throw new FormatException($"It is none of {string.Join(", ", Enum.GetNames<T>())}.");
        _ = name.ToUpperInvariant() switch
        {
            "CONTROL" => (object?)(Control = text),
            "KIND" => Kind = Word<PartitionKeyKind>(),
            "INTERVAL" => Interval = PgInterval.Parse(text),
            "IDINTERVAL" => IdInterval = Id(),
            "TIMEZONE" => TimeZone = text,
            "PREMAKE" => Premake = int.Parse(text, NumberStyles.AllowLeadingSign, invariant),
            "BASIS" => Basis = Word<PremakeBasis>(),
            "START" => Start = DateTimeOffset.Parse(text, invariant, DateTimeStyles.AssumeUniversal),
            "IDSTART" => IdStart = Id(),
            "IDOFFSET" => IdOffset = Id(),
            "TRUNCATETO" => TruncateTo = text,
            "STARTEXACTLY" => StartExactly = bool.Parse(text),
            "DEFAULTPARTITION" => DefaultPartition = bool.Parse(text),
            "ALLOWNULL" => AllowNull = bool.Parse(text),
            "TEMPLATE" => Template = QualifiedName.Parse(text),
            "RETENTION" => Retention = PgInterval.Parse(text),
            "IDRETENTION" => IdRetention = Id(),
            "HASHCOLUMN" => HashColumn = text,
            "HASHPARTITIONS" => HashPartitions = int.Parse(text, NumberStyles.AllowLeadingSign, invariant),
            "RETENTIONCOUNT" => RetentionCount = int.Parse(text, NumberStyles.AllowLeadingSign, invariant),
            "RETENTIONBYTES" => RetentionBytes = Id(),
            "WHENEXPIRED" => WhenExpired = Word<ExpiredAction>(),
            "RETENTIONSCHEMA" => RetentionSchema = text,
            "KEEPINDEXES" => KeepIndexes = bool.Parse(text),
            "KEEPINPUBLICATIONS" => KeepInPublications = bool.Parse(text),
            "INHERITPRIVILEGES" => InheritPrivileges = bool.Parse(text),
            "AUTOMATICMAINTENANCE" => AutomaticMaintenance = bool.Parse(text),
            "MAINTENANCEORDER" => MaintenanceOrder = int.Parse(text, NumberStyles.AllowLeadingSign, invariant),
            _ => throw new FormatException("A set has no such property."),
        };
    }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.NotEmpty(Control);
        check.Identifier(Control is "" ? null : Control, "column");
        check.Defined(Kind);
        check.That((Interval is null) != (IdInterval is null), $"Exactly one of Interval '{Interval}' and IdInterval '{IdInterval}' must be given.");
        check.That(Interval is not { } i || i.Estimate >= TimeSpan.FromSeconds(1), $"Interval '{Interval}' must be at least '00:00:01'.");
        check.That(Interval is not { } p || (p.Months >= 0 && p.Days >= 0 && p.Microseconds >= 0), $"Interval '{Interval}' must not go backwards in any of its fields.");
        check.AtLeast(IdInterval, 1);
        check.Range<int>(Premake, 1, 10_000);
        check.Defined<PremakeBasis>(Basis);
        check.That(Start is null || IdInterval is null, $"Start '{Start}' is for sets by time; use IdStart.");
        check.That(IdStart is null || Interval is null, $"IdStart '{IdStart}' is for sets by id; use Start.");
        check.That(!StartExactly || Start is not null, "StartExactly needs Start.");
        check.That(TruncateTo is null || !StartExactly, $"TruncateTo '{TruncateTo}' and StartExactly contradict each other.");
        check.That(IdOffset == 0 || (IdInterval is { } step && IdOffset > 0 && IdOffset < step), $"IdOffset '{IdOffset}' must be less than IdInterval '{IdInterval}' and not negative.");
        check.That(Retention is null || IdInterval is null, $"Retention '{Retention}' is for sets by time; use IdRetention.");
        check.That(IdRetention is null || Interval is null, $"IdRetention '{IdRetention}' is for sets by id; use Retention.");
        check.That(Retention is not { } r || r.Estimate > TimeSpan.Zero, $"Retention '{Retention}' must be positive.");
        check.AtLeast(IdRetention, 1);
        check.AtLeast(RetentionCount, 1);
        check.AtLeast(RetentionBytes, 1);
        check.Defined<ExpiredAction>(WhenExpired);
        check.Identifier(RetentionSchema, "schema");
        check.That((WhenExpired == ExpiredAction.Move) == (RetentionSchema is not null), $"RetentionSchema '{RetentionSchema}' and WhenExpired '{WhenExpired}' contradict each other: a schema is for Move, and Move needs one.");
        check.That(WhenExpired != ExpiredAction.Drop || (Retention is null && IdRetention is null && RetentionCount is null && RetentionBytes is null) || KeepIndexes, "KeepIndexes has no meaning for partitions that are dropped.");
        check.That(WhenExpired != ExpiredAction.Archive || (KeepIndexes && !KeepInPublications), "KeepIndexes and KeepInPublications have no meaning for partitions that are archived.");
        check.Identifier(HashColumn, "column");
        check.That((HashColumn is null) == (HashPartitions is null), $"HashColumn '{HashColumn}' and HashPartitions '{HashPartitions}' need each other.");
        check.Range(HashPartitions, 2, 1000);
        check.That(HashColumn is null || WhenExpired != ExpiredAction.Archive, "WhenExpired 'Archive' is for plain tables, and HashColumn makes others.");
        if (SubPartitions is not { } sub)
            return;
        check.That(HashColumn is null && sub.HashColumn is null, "HashColumn does not go with SubPartitions, on no level.");
        ((ICheckedOptions)sub).Check(check);
        check.That(WhenExpired != ExpiredAction.Archive, "WhenExpired 'Archive' is for plain tables, and SubPartitions makes others: let the partitions below be archived.");
        var levels = new List<PartitionSetOptions>();
        for (var level = sub; level is not null; level = level.SubPartitions)
            levels.Add(level);
        check.That(
            WhenExpired != ExpiredAction.Drop || levels.TrueForAll(l => l.WhenExpired != ExpiredAction.Archive),
            "WhenExpired 'Drop' takes all that a partition holds, the last partition and the default one below it with it, which SubPartitions never archives: let it be 'Detach'.");
        check.That(
            sub is { Start: null, IdStart: null, IdOffset: 0, TruncateTo: null, StartExactly: false, TimeZone: null, Template: null },
            "SubPartitions must not say Start, IdStart, IdOffset, TruncateTo, StartExactly, TimeZone or Template: these are those of the whole set.");
        check.That(
            (Interval, sub.Interval) is not ({ } above, { } below) || below.Estimate < above.Estimate, $"SubPartitions.Interval '{sub.Interval}' must be smaller than Interval '{Interval}'.");
        check.That((IdInterval, sub.IdInterval) is not ({ } ids, { } fewer) || fewer < ids, $"SubPartitions.IdInterval '{sub.IdInterval}' must be smaller than IdInterval '{IdInterval}'.");
        check.That(
            Interval is null || sub.Interval is not { Months: 0, Microseconds: 0, Days: var days } || days % 7 != 0,
            $"SubPartitions.Interval '{sub.Interval}' is made of weeks, which do not begin where Interval '{Interval}' does.");
    }
}
