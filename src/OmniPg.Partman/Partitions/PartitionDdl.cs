using System.Globalization;

namespace OmniPg.Partman;

/// <summary>
/// The statements that make a partition, in the order of their locks. Where the parent is locked exclusively the tables that it refers to come first, as in a
/// transaction that writes a row and then one that refers to it; then parent, default, partition.
/// </summary>
internal static class PartitionDdl
{
    private const string Like =
        "INCLUDING COMMENTS INCLUDING COMPRESSION INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STATISTICS INCLUDING STORAGE";

    /// <summary>
    /// One partition in one transaction. The parent is locked against other changes of the set only, and the default partition, whose readers wait, at the
    /// last moment. <c>CREATE … PARTITION OF</c> would lock parent and default exclusively from the first word on.
    /// </summary>
    /// <param name="state">The set.</param>
    /// <param name="shape">What the partition takes over.</param>
    /// <param name="range">The partition.</param>
    /// <param name="drain">Whether rows of this range move there from the default partition.</param>
    /// <param name="attachCheck">The check that proves the default partition empty in this range; null for none.</param>
    /// <param name="branch">What makes the partition a set; null for a plain table.</param>
    public static PlanUnit Create(SetState state, ParentShape shape, NewRange range, bool drain = false, PgIdentifier? attachCheck = null, Branch? branch = null)
    {
        var (parent, child, fallback) = (state.Table.Quoted, range.Name.Quoted, state.Default?.Name);
        List<string> statements =
        [
            .. drain ? LockReferences(state, "SHARE ROW EXCLUSIVE") : [],
            // A query that planned before a move and runs behind it would find the rows neither here nor there, so nobody may plan meanwhile.
            $"LOCK TABLE ONLY {parent} IN {(drain ? "ACCESS EXCLUSIVE" : "SHARE UPDATE EXCLUSIVE")} MODE",
            .. Make(state, shape, range, branch),
            .. drain ? [] : LockReferences(state, "SHARE ROW EXCLUSIVE"),
        ];
        if (fallback is { } rest)
        {
            statements.Add($"LOCK TABLE ONLY {rest.Quoted} IN ACCESS EXCLUSIVE MODE");
            if (drain)
            {
                var columns = string.Join(", ", shape.Columns);
                statements.Add($"WITH moved AS (DELETE FROM ONLY {rest.Quoted} WHERE {Within(state.Key, range.Lower, range.Upper)} RETURNING {columns}) INSERT INTO {child} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM moved");
            }
        }
        statements.Add(AttachTo(state, range));
        if (attachCheck is { } check)
            statements.Add($"ALTER TABLE {fallback!.Value.Quoted} DROP CONSTRAINT {check.Quoted}");
        // Behind the move: a trigger of the template must not fire for rows that come from the default partition.
        statements.AddRange(Complete(state, shape, range, branch));
        return new PlanUnit
        {
            Kind = drain ? "drain-default" : "create-partition",
            Child = range.Name,
            Lower = range.Lower,
            Upper = range.Upper,
            Reason = $"'{range.Name}' takes '{range.Lower}' up to '{range.Upper}'{(branch is { } sub ? $", partitioned by {sub.By}" : "")}{(drain ? ", and the rows of this range in the default partition" : "")}.",
            Statements = statements,
            Locks =
            [
                .. fallback is { } d ? new[] { new SqlPlanLock(d, PgLockMode.AccessExclusive) } : [],
                .. state.References.Select(r => new SqlPlanLock(r, PgLockMode.ShareRowExclusive)),
                new SqlPlanLock(state.Table, drain ? PgLockMode.AccessExclusive : PgLockMode.ShareUpdateExclusive),
            ],
            Fate = PartitionFate.Create,
            // Under the lock of the parent nobody detaches it any more, or makes something that would take the move for a deletion.
            Holds = drain ? $"SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = {Oid(state.Oid)} AND i.inhrelid = {Oid(state.Default!.Oid)}) AND NOT EXISTS ({RowMoves.WhyNotOut(state.Oid, state.Default.Oid)}) AND {RowMoves.HasColumns(state.Oid, shape.Columns)}" : null,
        };

        static string Oid(uint oid) => oid.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Statements of a partition of a table that nobody knows yet, up to where rows could move into it; <see cref="Complete"/> gives it the rest.</summary>
    public static IEnumerable<string> Made(SetState state, ParentShape shape, NewRange range, Branch? branch) => [.. Make(state, shape, range, branch), AttachTo(state, range)];

    /// <summary>What an attached partition takes over, and those below it.</summary>
    public static IEnumerable<string> Complete(SetState state, ParentShape shape, NewRange range, Branch? branch) => [.. branch?.After ?? [], .. After(state, shape, range.Name, withTemplate: branch is null)];

    private static IEnumerable<string> Make(SetState state, ParentShape shape, NewRange range, Branch? branch) =>
        [.. Table(state, shape, range.Name, withTemplate: branch is null, by: branch?.By), .. EpochCheck(state.Key, range), .. branch?.Statements ?? []];

    private static string AttachTo(SetState state, NewRange range) => $"ALTER TABLE {state.Table.Quoted} ATTACH PARTITION {range.Name.Quoted} {ForValues(state, range.Lower, range.Upper)}";

    /// <summary>
    /// Locks the tables that a set refers to, whose triggers change with a partition: share row exclusively where it is attached or detached, exclusively where it is
    /// dropped (RemoveTriggerById, src/backend/commands/trigger.c).
    /// </summary>
    public static IEnumerable<string> LockReferences(SetState state, string mode) => state.References.Select(r => $"LOCK TABLE ONLY {r.Quoted} IN {mode} MODE");

    /// <summary>The default partition of a new set.</summary>
    public static IEnumerable<string> CreateDefault(SetState state, ParentShape shape, QualifiedName name) =>
    [
        .. Table(state, shape, name, withTemplate: false), $"ALTER TABLE {state.Table.Quoted} ATTACH PARTITION {name.Quoted} DEFAULT", .. After(state, shape, name, withTemplate: false),
    ];

    /// <summary>
    /// Proves that the default partition holds nothing of some ranges, without anybody waiting for the scan: until the attach commits, new rows of these
    /// ranges are refused, so it is only for ranges that nobody writes to yet.
    /// </summary>
    public static IReadOnlyList<PlanUnit> ProveEmpty(SetState state, IReadOnlyList<(PgIdentifier Check, NewRange Range)> checks)
    {
        var table = state.Default!.Name;
        // An implied constraint spares ATTACH its scan (ConstraintImpliedByRelConstraint, src/backend/commands/tablecmds.c), in this form and no other.
        var adds = checks.Select(c => $"ADD CONSTRAINT {c.Check.Quoted} CHECK (NOT ({state.Key.Column.Quoted} IS NOT NULL AND {Within(state.Key, c.Range.Lower, c.Range.Upper)})) NOT VALID");
        return
        [
            new PlanUnit
            {
                Kind = "reserve-ranges",
                Reason = $"The default partition '{table}' takes no row of {checks.Count} new ranges while they are made.",
                Statements = [$"ALTER TABLE ONLY {table.Quoted} {string.Join(", ", adds)}"],
                Locks = [new SqlPlanLock(table, PgLockMode.AccessExclusive)],
                IsPreparation = true,
            },
            new PlanUnit
            {
                Kind = "prove-empty",
                Reason = $"One scan of '{table}' beside readers and writers spares the attaches theirs.",
                Statements = [$"ALTER TABLE ONLY {table.Quoted} {string.Join(", ", checks.Select(c => $"VALIDATE CONSTRAINT {c.Check.Quoted}"))}"],
                Locks = [new SqlPlanLock(table, PgLockMode.ShareUpdateExclusive)],
                IsPreparation = true,
                Continues = true,
            },
        ];
    }

    /// <summary>Takes away the checks of an attach that did not come to its end; while they stand, rows of their ranges are refused.</summary>
    public static PlanUnit DropChecks(SetState state, IReadOnlyList<PgIdentifier> checks) => new()
    {
        Kind = "drop-checks",
        Reason = $"An interrupted run left {checks.Count} checks on '{state.Default!.Name}', which refuse rows.",
        Statements = [$"ALTER TABLE ONLY {state.Default.Name.Quoted} {string.Join(", ", checks.Select(c => $"DROP CONSTRAINT IF EXISTS {c.Quoted}"))}"],
        Locks = [new SqlPlanLock(state.Default.Name, PgLockMode.AccessExclusive)],
        IsPreparation = true,
    };

    /// <summary>Name of the check of a range.</summary>
    public static PgIdentifier CheckName(NewRange range) => PgIdentifier.Create(SetReader.AttachCheckPrefix + (range.Lower.IsMin ? "min" : range.Lower.Id is { } id
        ? id.ToString(CultureInfo.InvariantCulture) : range.Lower.Time!.Value.ToString("yyyyMMddHHmmssffffff", CultureInfo.InvariantCulture)));

    /// <summary>A table that can become a partition without anything to be built then: with the indexes of parent and template.</summary>
    public static IEnumerable<string> CreateLike(SetState state, ParentShape shape, QualifiedName name) => Table(state, shape, name, withTemplate: true, " INCLUDING INDEXES");

    /// <summary>A table that holds the rows of a partition that is split, for the moment before it is attached there.</summary>
    public static IEnumerable<string> CreateBelow(SetState state, ParentShape shape, QualifiedName name) => Table(state, shape, name, withTemplate: true);

    /// <summary>Attaches a table that a check proves to hold nothing but its range.</summary>
    /// <param name="state">The set.</param>
    /// <param name="shape">What the partition takes over.</param>
    /// <param name="table">The table.</param>
    /// <param name="oid">The table.</param>
    /// <param name="range">The partition, with its name.</param>
    /// <param name="check">The check, which goes then.</param>
    public static PlanUnit Attach(SetState state, ParentShape shape, QualifiedName table, uint oid, NewRange range, PgIdentifier check) => new()
    {
        Kind = "attach-partition",
        Child = table,
        ChildOid = oid,
        Lower = range.Lower,
        Upper = range.Upper,
        Reason = $"'{range.Name}' comes back with '{range.Lower}' up to '{range.Upper}'.",
        Statements =
        [
            $"LOCK TABLE ONLY {state.Table.Quoted} IN SHARE UPDATE EXCLUSIVE MODE",
            .. LockReferences(state, "SHARE ROW EXCLUSIVE"),
            .. state.Default is { } rest ? [$"LOCK TABLE ONLY {rest.Name.Quoted} IN ACCESS EXCLUSIVE MODE"] : Array.Empty<string>(),
            $"LOCK TABLE ONLY {table.Quoted} IN ACCESS EXCLUSIVE MODE",
            $"ALTER TABLE {table.Quoted} RENAME TO {range.Name.Name.Quoted}",
            $"ALTER TABLE {state.Table.Quoted} ATTACH PARTITION {range.Name.Quoted} {ForValues(state, range.Lower, range.Upper)}",
            $"ALTER TABLE {range.Name.Quoted} DROP CONSTRAINT {check.Quoted}",
            .. After(state, shape, range.Name),
        ],
        Locks = [],
        Fate = PartitionFate.Create,
    };

    /// <summary>The condition of a range, which need not end on both sides.</summary>
    public static string Within(PartitionKey key, PartitionBound lower, PartitionBound upper, string? value = null)
    {
        value ??= key.Column.Quoted;
        var ends = new[] { lower.IsMin ? null : $"{value} >= {key.Literal(lower)}::{key.Type}", upper.IsMax ? null : $"{value} < {key.Literal(upper)}::{key.Type}" }.OfType<string>().ToList();
        return ends.Count == 0 ? "true" : string.Join(" AND ", ends);
    }

    /// <summary>The bounds of a partition as an attach takes them.</summary>
    public static string ForValues(SetState state, PartitionBound lower, PartitionBound upper) => state.Set.IsList
        ? $"FOR VALUES IN ({state.Key.Literal(lower)})"
        : $"FOR VALUES FROM ({state.Key.Literal(lower)}) TO ({state.Key.Literal(upper)})";

    private static IEnumerable<string> Table(SetState state, ParentShape shape, QualifiedName name, bool withTemplate, string more = "", string? by = null)
    {
        var unlogged = withTemplate && shape.IsUnlogged ? "UNLOGGED " : "";
        var tablespace = shape.Tablespace is { } space ? $" TABLESPACE {PgIdentifier.Create(space).Quoted}" : "";
        yield return $"CREATE {unlogged}TABLE {name.Quoted} (LIKE {state.Table.Quoted} {Like}{more}){(by is null ? "" : $" PARTITION BY {by}")}{tablespace}";
        if (!withTemplate)
            yield break;
        if (shape.StorageParameters.Count > 0)
            yield return $"ALTER TABLE {name.Quoted} SET ({string.Join(", ", shape.StorageParameters)})";
        foreach (var index in shape.TemplateIndexes)
            yield return Fill(index, name);
    }

    // For queries that ask by to_timestamp(column), as the extension does it.
    public static IEnumerable<string> EpochCheck(PartitionKey key, NewRange range)
    {
        if (key.UnitsPerSecond == 0)
            yield break;
        var moment = new PartitionKey(key.Column, "timestamptz", PartitionKeyKind.Time);
        var name = PartitionName.Fit(range.Name.Name.Value, "_partition_check");
        yield return $"ALTER TABLE {range.Name.Quoted} ADD CONSTRAINT {name.Quoted} CHECK ({Within(moment, range.Lower, range.Upper, key.ToMoment(key.Column.Quoted))})";
    }

    /// <summary>What an attached partition takes over from its parent beyond what the attach brings, and from the template what must not act on rows that have moved.</summary>
    public static IEnumerable<string> After(SetState state, ParentShape shape, QualifiedName name, bool withTemplate = true)
    {
        var child = name.Quoted;
        foreach (var made in withTemplate ? shape.TemplateObjects : [])
            yield return made.On(name);
        if (shape.ReplicaIdentity is "f" or "n")
            yield return $"ALTER TABLE {child} REPLICA IDENTITY {(shape.ReplicaIdentity == "f" ? "FULL" : "NOTHING")}";
        if (shape.ReplicaIndex is { } index)
        {
            // ATTACH made the partition's index of it, under a name that nobody knows before.
            var body = "DECLARE i pg_catalog.text; BEGIN SELECT pg_catalog.quote_ident(x.relname) INTO STRICT i FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_index p ON p.indexrelid = h.inhrelid "
                + $"JOIN pg_catalog.pg_class x ON x.oid = h.inhrelid WHERE h.inhparent = {PgLiteral.Quote(index)}::pg_catalog.regclass AND p.indrelid = {PgLiteral.Quote(child)}::pg_catalog.regclass; "
                + $"EXECUTE {PgLiteral.Quote($"ALTER TABLE {child} REPLICA IDENTITY USING INDEX ")} || i; END";
            yield return $"DO {PgLiteral.Quote(body)}";
        }
        if (shape.Statistics.Count > 0)
            yield return $"ALTER TABLE {child} {string.Join(", ", shape.Statistics)}";
        if (shape.Owner != shape.Role)
            yield return $"ALTER TABLE {child} OWNER TO {PgIdentifier.Create(shape.Owner).Quoted}";
        if (!state.Set.InheritPrivileges)
            yield break;
        foreach (var grantee in shape.DefaultGrantees)
            yield return $"REVOKE ALL ON {child} FROM {grantee} CASCADE";
        foreach (var grant in shape.Grants)
            yield return Fill(grant, name);
    }

    // Only the one placeholder: a name may hold "%s" as well.
    public static string Fill(string template, QualifiedName name)
    {
        var at = template.IndexOf("%s", StringComparison.Ordinal);
        return string.Concat(template.AsSpan(0, at), name.Quoted, template.AsSpan(at + 2));
    }
}

/// <summary>What makes a new partition one that is partitioned again.</summary>
/// <param name="By">What it is partitioned by.</param>
/// <param name="Statements">Its configuration and its partitions, for a moment when it exists and is attached to nothing yet.</param>
/// <param name="After">What follows when rows have been moved into them.</param>
internal sealed record Branch(string By, IReadOnlyList<string> Statements, IReadOnlyList<string> After);
