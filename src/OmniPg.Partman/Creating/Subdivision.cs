using System.Globalization;

namespace OmniPg.Partman;

/// <summary>
/// Turns a set that exists into one whose partitions are partitioned again (<c>create_sub_parent</c>): from one moment on new partitions are, and then those that
/// are plain tables are made anew, one by one, which only empty ones survive without a loss. Run again, it goes on with those that are left.
/// </summary>
internal static class Subdivision
{
    /// <exception cref="InvalidPartitionDefinitionException">It cannot be; all reasons.</exception>
    public static async Task<(SetState State, IReadOnlyList<PlanUnit> Units)> PlanAsync(
        PgSession session, PartmanServer server, SetReader.Configured found, SetState state, PartitionSetOptions by, string? archive, bool allowDataLoss, int most)
    {
        var set = state.Set;
        OptionsCheck.Require(new PartitionSetOptions
        {
            Control = set.Control, Interval = set.Interval, IdInterval = set.IdInterval, WhenExpired = set.WhenExpired, RetentionSchema = set.RetentionSchema, HashColumn = set.HashColumn, HashPartitions = set.HashPartitions, SubPartitions = by,
        });
        var reasons = new List<InvalidDefinition>();
        var pattern = await SubPartitioner.PatternAsync(session, server, set.Table, state.Oid, by, set, archive, reasons).ConfigureAwait(false);
        var present = (await SubPartitioner.OfAsync(session, server, state, 1).ConfigureAwait(false))?.Set.SubPartitions;
        if (present is not null && SubPartitioner.Described(present) is var now && now != SubPartitioner.Described(pattern))
            reasons.Add(new InvalidDefinition(InvalidDefinitionReason.Fixed, $"Its partitions are partitioned by '{now}' already: stop that first."));
        if (!state.IsOwned)
            reasons.Add(new InvalidDefinition(InvalidDefinitionReason.NotOwned, $"Role '{server.Role}' does not own it."));
        var plain = state.Partitions.Where(p => !p.IsPartitioned).ToList();
        if (plain.Count > 0)
        {
            reasons.AddRange(state.ReferencedBy.Select(r => new InvalidDefinition(InvalidDefinitionReason.Dependent, $"A foreign key of '{r}' refers to it, and its partitions would be made anew.")));
            reasons.AddRange(plain.Where(p => p.DetachPending).Select(p => new InvalidDefinition(InvalidDefinitionReason.Unsupported, $"The detach of '{p.Name}' was interrupted: let a maintenance finish it first.")));
        }
        if (plain.Count > 0 && !allowDataLoss && reasons.Count == 0)
        {
            // A policy must not hide rows that would be lost.
            await session.ExecuteAsync(PartmanDatabase.AllRows).ConfigureAwait(false);
            var hasRows = (await session.RowAsync(
                $"SELECT ARRAY[{string.Join(", ", plain.Select(p => $"EXISTS (SELECT FROM ONLY {p.Name.Quoted})"))}]", row => row.GetFieldValue<bool[]>(0)).ConfigureAwait(false))!;
            reasons.AddRange(plain.Zip(hasRows).Where(p => p.Second).Select(p => new InvalidDefinition(
                InvalidDefinitionReason.HasRows, $"'{p.First.Name}' holds rows, which would be lost with it: move them, or allow the loss.")));
        }
        if (reasons.Count > 0)
            throw new InvalidPartitionDefinitionException(set.Table, reasons, "have its partitions partitioned again");

        var wished = state with { Set = set with { SubPartitions = pattern } };
        var shape = await ParentShape.ReadAsync(session, set.Table, state.Oid, set.Template).ConfigureAwait(false);
        var below = (await SubPartitioner.OfAsync(session, server, wished, most).ConfigureAwait(false))!;
        var units = new List<PlanUnit>();
        if (present is null)
        {
            units.Add(new PlanUnit
            {
                Kind = "sub-partition-set",
                Reason = $"New partitions of '{set.Table}' are partitioned by '{by.Control}'.",
                Statements =
                [
                    $"LOCK TABLE ONLY {set.Table.Quoted} IN SHARE UPDATE EXCLUSIVE MODE",
                    .. server.HasOwn && server.SubColumns.Count > 0 ? [] : SetConfiguration.Install(server.OwnSchema), .. SetConfiguration.SubRows(server, set, pattern!),
                ],
                Locks = [new SqlPlanLock(set.Table, PgLockMode.ShareUpdateExclusive)],
                Holds = $"SELECT EXISTS (SELECT FROM {server.ConfigSchema.Quoted}.part_config g WHERE g.parent_table = {PgLiteral.Quote(set.ConfigKey)} AND g.xmin::text = {PgLiteral.Quote(found.Version)})",
            });
        }
        foreach (var partition in plain)
            units.Add(Anew(state, shape, partition, await below.BranchAsync(shape, new NewRange(partition.Name, partition.Lower, partition.Upper)).ConfigureAwait(false), allowDataLoss));
        return (state, units);
    }

    private static PlanUnit Anew(SetState state, ParentShape shape, Partition partition, Branch branch, bool allowDataLoss)
    {
        var (table, range) = (state.Table, new NewRange(partition.Name, partition.Lower, partition.Upper));
        var create = PartitionDdl.Create(state, shape, range, branch: branch);
        return create with
        {
            Kind = "recreate-partition",
            ChildOid = partition.Oid,
            Reason = $"'{partition.Name}' is made anew, partitioned by {branch.By}{(allowDataLoss ? ", and its rows are lost" : "; it is empty")}.",
            Statements =
            [
                .. PartitionDdl.LockReferences(state, "SHARE ROW EXCLUSIVE"), $"LOCK TABLE ONLY {table.Quoted} IN ACCESS EXCLUSIVE MODE",
                .. state.Default is { } rest ? [$"LOCK TABLE ONLY {rest.Name.Quoted} IN ACCESS EXCLUSIVE MODE"] : Array.Empty<string>(),
                $"LOCK TABLE ONLY {partition.Name.Quoted} IN ACCESS EXCLUSIVE MODE",
                .. allowDataLoss ? [] : Empty(partition),
                $"DROP TABLE {partition.Name.Quoted}",
                .. create.Statements.Where(s => !s.StartsWith("LOCK TABLE ", StringComparison.Ordinal)),
            ],
            Locks =
            [
                new SqlPlanLock(table, PgLockMode.AccessExclusive), new SqlPlanLock(partition.Name, PgLockMode.AccessExclusive),
                .. state.Default is { } fallback ? new[] { new SqlPlanLock(fallback.Name, PgLockMode.AccessExclusive) } : [], .. state.References.Select(r => new SqlPlanLock(r, PgLockMode.ShareRowExclusive)),
            ],
            DestroysData = allowDataLoss,
            Holds = $"SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid WHERE c.oid = {Number(partition.Oid)} AND i.inhparent = {Number(state.Oid)} "
                + "AND c.relkind = 'r' AND NOT i.inhdetachpending)",
        };
    }

    // Writers may have been here since the plan was made. Where a policy would hide rows, the server refuses.
    private static string[] Empty(Partition partition) =>
    [
        PartmanDatabase.AllRows,
        $"DO {PgLiteral.Quote($"BEGIN IF EXISTS (SELECT FROM ONLY {partition.Name.Quoted}) THEN RAISE EXCEPTION USING ERRCODE = '{Refusal.Overtaken}', MESSAGE = {PgLiteral.Quote($"'{partition.Name}' holds rows by now")}; END IF; END")}",
    ];

    private static string Number(uint oid) => oid.ToString(CultureInfo.InvariantCulture);
}
