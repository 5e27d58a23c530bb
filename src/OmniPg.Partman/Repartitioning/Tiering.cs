using System.Globalization;
using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>
/// Keeps cold partitions as policies say. What lies in files of another kind or elsewhere is copied beside readers and writers, compared and exchanged, as in a
/// repartitioning that leaves the boundaries as they are; no statement of the server does it without keeping readers out for as long as it takes. Indexes are built and
/// dropped for themselves.
/// </summary>
internal sealed class Tiering(PartmanDatabase database, PartmanOptions options, TimeProvider time, QualifiedName table, TierOptions wish)
{
    private const string What = "have its partitions kept otherwise";

    // $1 partitions: where and how their rows lie (those of a foreign table lie nowhere here), and their columns that can be compressed: quoted, whether they hold arrays, and the method that new values get.
    private const string Kept =
        """
        SELECT c.oid, s.spcname::text, m.amname::text, ARRAY(SELECT quote_ident(a.attname) FROM {packed} ORDER BY a.attnum), ARRAY(SELECT y.typcategory = 'A' FROM {packed} ORDER BY a.attnum),
            ARRAY(SELECT a.attcompression::text FROM {packed} ORDER BY a.attnum)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_am m ON m.oid = c.relam
        JOIN pg_catalog.pg_tablespace s ON s.oid = COALESCE(NULLIF(c.reltablespace, 0), (SELECT d.dattablespace FROM pg_catalog.pg_database d WHERE d.datname = current_database())) WHERE c.oid = ANY ($1)
        """;

    private const string Packed =
        """
        pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attlen = -1 AND a.attstorage IN ('x', 'm') AND a.attgenerated <> 'v' AND (y.typarray <> 0 OR y.typcategory = 'A')
        """;

    // Indexes i on one column alone, without a condition.
    private const string Plain = "i.indnatts = 1 AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT i.indisunique";

    // Whoever builds an index gives the lock of its table back before the change that makes it valid is seen (DefineIndex, src/backend/commands/indexcmds.c): the row has its number then.
    private const string NeverFinished = "NOT i.indisvalid AND i.xmax::text = '0'";

    // $1 partitions, $2 columns: indexes on one of them alone, of the kinds that are built or dropped here.
    private const string Indexes =
        $"""
        SELECT i.indrelid, i.indexrelid, n.nspname::text, x.relname::text, a.attname::text, m.amname = 'brin', i.indisvalid, x.relispartition
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace JOIN pg_catalog.pg_am m ON m.oid = x.relam
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = ANY ($1) AND a.attname = ANY ($2) AND {Plain} AND m.amname IN ('btree', 'brin') ORDER BY x.relname
        """;

    // $1 tablespaces, $2 access methods, $3 compression methods, $4 columns, $5 the set: what of them there is not, and tablespaces that the role may not use.
    private const string Lacking =
        """
        SELECT format('There is no tablespace ''%s''.', t.t), NULL FROM unnest($1) AS t (t) WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_tablespace s WHERE s.spcname = t.t AND s.spcname <> 'pg_global')
        UNION ALL SELECT NULL, s.spcname::text FROM pg_catalog.pg_tablespace s WHERE s.spcname = ANY ($1)
            AND s.oid <> (SELECT d.dattablespace FROM pg_catalog.pg_database d WHERE d.datname = current_database()) AND NOT pg_catalog.has_tablespace_privilege(s.oid, 'CREATE')
        UNION ALL SELECT format('There is no access method ''%s'' for tables.', t.t), NULL FROM unnest($2) AS t (t) WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_am m WHERE m.amname = t.t AND m.amtype = 't')
        UNION ALL SELECT format('The server was built without ''%s''.', t.t), NULL FROM unnest($3) AS t (t)
            WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_settings s WHERE s.name = 'default_toast_compression' AND t.t = ANY (s.enumvals))
        UNION ALL SELECT format('There is no column ''%s''.', t.t), NULL FROM unnest($4) AS t (t)
            WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = $5 AND a.attname = t.t AND a.attnum > 0 AND NOT a.attisdropped)
        UNION ALL SELECT format('No index of kind BRIN takes the type of column ''%s''.', a.attname), NULL
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
        WHERE a.attrelid = $5 AND a.attname = ANY ($4) AND a.attnum > 0 AND NOT a.attisdropped AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod WHERE m.amname = 'brin' AND o.opcdefault
            AND (o.opcintype = COALESCE(NULLIF(y.typbasetype, 0), y.oid) OR (o.opcintype = 'pg_catalog.anyrange'::pg_catalog.regtype AND y.typtype = 'r')
                OR EXISTS (SELECT FROM pg_catalog.pg_cast t WHERE t.castsource = COALESCE(NULLIF(y.typbasetype, 0), y.oid) AND t.casttarget = o.opcintype AND t.castmethod = 'b')))
        """;

    /// <summary>What all policies together say of a partition.</summary>
    private sealed record Wanted(Partition Partition, string? Tablespace, string? AccessMethod, string? Compression, IReadOnlyList<string> BrinColumns);

    private sealed record Now(uint Partition, string Tablespace, string AccessMethod, string[] Packed, bool[] AreArrays, string[] Methods);

    private sealed record Index(uint Partition, uint Oid, QualifiedName Name, string Column, bool IsBrin, bool IsValid, bool IsOfSet);

    /// <summary>A partition with what is to be done to it: rows that are copied, or none, and indexes.</summary>
    private sealed record Work(Wanted Wanted, Regroup? Copied, ParentShape Shape, IReadOnlyList<TierChange> Changes, IReadOnlyList<PlanUnit> Indexes);

    private sealed record Look(PartmanServer Server, SetState State, LiveTable Live, IReadOnlyList<Work> Works);

    private RegroupCopy.Pace Pace => new(wish.BatchSize, wish.PauseBetweenBatches, wish.KeepTables);

    public async Task<SqlPlan> PlanAsync(CancellationToken cancellationToken)
    {
        var look = await LookAsync(cancellationToken).ConfigureAwait(false);
        return new SqlPlan(look.Works.SelectMany(w => (IEnumerable<SqlPlanStep>)
        [
            .. w.Copied is { } group ? Copy(look, w, group).Steps(look.Server) : [], .. w.Indexes.Select(u => u.ToStep(look.State, options.LockTimeout)),
        ]));
    }

    public async Task<IReadOnlyList<TieredPartition>> RunAsync(IProgress<TieredPartition>? progress, CancellationToken working)
    {
        await new RegroupLeftovers(database, options, time, table).ClearAsync(working).ConfigureAwait(false);
        var (runner, done) = (new UnitRunner(database, options, time), new List<TieredPartition>());
        var look = await LookAsync(working).ConfigureAwait(false);
        foreach (var work in look.Works)
        {
            var (rows, indexes, state) = (0L, work.Indexes, look.State);
            if (work.Copied is { } group)
            {
                rows = await Copy(look, work, group).RunAsync(working).ConfigureAwait(false);
                // The copy is another table, with indexes of its own.
                var after = await LookAsync(working).ConfigureAwait(false);
                (state, indexes) = (after.State, after.Works.FirstOrDefault(w => w.Wanted.Partition.Name == work.Wanted.Partition.Name)?.Indexes ?? []);
            }
            foreach (var unit in indexes)
                await runner.RunAsync(state, unit, working).ConfigureAwait(false);
            done.Add(new TieredPartition(work.Wanted.Partition.Name, work.Changes, rows));
            progress?.Report(done[^1]);
        }
        return done;
    }

    private RegroupCopy Copy(Look look, Work work, Regroup group) => new(database, options, time, look.State, work.Shape, look.Live, group, Pace, null);

    private Task<Look> LookAsync(CancellationToken cancellationToken) => Repartitioner.SteadyAsync(() => LookOnceAsync(cancellationToken));

    private Task<Look> LookOnceAsync(CancellationToken cancellationToken) => database.RunAsync("tier", async (session, server) =>
    {
        var (found, state) = await Repartitioner.FoundAsync(session, server, table).ConfigureAwait(false);
        var reasons = await LackingAsync(session, server, state).ConfigureAwait(false);
        Require(reasons);

        var wanted = await WantedAsync(session, found, state).ConfigureAwait(false);
        if (wanted.Any(w => w.Partition.IsPartitioned))
            reasons.Add(new(InvalidDefinitionReason.Unsupported, "Its partitions are partitioned themselves."));
        var oids = PgParameter.Of(wanted.Select(w => w.Partition.Oid).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Oid);
        var now = (await session.RowsAsync(
            Kept.Replace("{packed}", Packed, StringComparison.Ordinal),
            row => new Now(row.GetFieldValue<uint>(0), row.GetString(1), row.GetString(2), row.GetFieldValue<string[]>(3), row.GetFieldValue<bool[]>(4), row.GetFieldValue<string[]>(5)), oids).ConfigureAwait(false)).ToDictionary(n => n.Partition);
        var indexes = (await session.RowsAsync(
            Indexes, row => new Index(row.GetFieldValue<uint>(0), row.GetFieldValue<uint>(1), QualifiedName.Create(row.GetString(2), row.GetString(3)), row.GetString(4), row.GetBoolean(5), row.GetBoolean(6), row.GetBoolean(7)),
            oids.Clone(), PgParameter.Texts(wish.Policies.SelectMany(p => p.BrinColumns).Distinct())).ConfigureAwait(false)).ToLookup(i => i.Partition);
        reasons.AddRange(indexes.SelectMany(i => i).Where(i => i is { IsOfSet: true, IsBrin: false } && wanted.Any(w => w.Partition.Oid == i.Partition && w.BrinColumns.Contains(i.Column))).DistinctBy(i => i.Column).Select(i => new InvalidDefinition(
            InvalidDefinitionReason.Unsupported, $"Index '{i.Name.Name}' on column '{i.Column}' of its partitions is part of one that it has itself, and none of them can do without: let it come from a template.")));

        var live = (await LiveTable.ReadAsync(session, state.Oid).ConfigureAwait(false))!;
        var shape = await ParentShape.ReadAsync(session, table, state.Oid, state.Set.Template).ConfigureAwait(false);
        var (works, isCopied) = (new List<Work>(), false);
        foreach (var cold in wanted.Where(w => now.ContainsKey(w.Partition.Oid)))
        {
            var (kept, changes) = (now[cold.Partition.Oid], new List<TierChange>());
            if (cold.Tablespace is { } space && space != kept.Tablespace)
                changes.Add(TierChange.Tablespace);
            if (cold.AccessMethod is { } method && method != kept.AccessMethod)
                changes.Add(TierChange.AccessMethod);
            if (cold.Compression is { } compression && kept.Methods.Any(m => m != compression[..1]))
                changes.Add(TierChange.Compression);
            var shaped = shape with { Tablespace = cold.Tablespace ?? kept.Tablespace };
            isCopied |= changes.Count > 0;
            var group = changes.Count == 0 || live.Key is null ? null : await CopiedAsync(wish.KeepTables, session, state, live, shaped, cold, kept, changes, reasons).ConfigureAwait(false);
            var units = cold.BrinColumns.SelectMany(c => Swap(state, cold.Partition, c, [.. indexes[cold.Partition.Oid].Where(i => i.Column == c)])).ToList();
            if (units.Count > 0)
                changes.Add(TierChange.Index);
            if (changes.Count > 0)
                works.Add(new Work(cold, group, shaped, changes, units));
        }
        if (isCopied)
        {
            reasons.AddRange(await Repartitioner.WhyNotReplacedAsync(session, server, state).ConfigureAwait(false));
            if (live.Key is null)
                reasons.Add(new(InvalidDefinitionReason.NoKey, "Without a primary key, or another unique index of columns that are never null, no row can be told from another while it is copied."));
            // Not of those with rows alone: the attach locks what the key refers to behind the set, and writers lock it before.
            reasons.AddRange(live.ForeignKeys.Select(k => new InvalidDefinition(InvalidDefinitionReason.Unsupported, $"Its foreign key '{k.Name}' would be checked for all rows while the set is locked.")));
        }
        Require([.. reasons.DistinctBy(r => r.Text)]);
        return new Look(server, state, live, works);
    }, cancellationToken);

    private void Require(List<InvalidDefinition> reasons)
    {
        if (reasons.Count > 0)
            throw new InvalidPartitionDefinitionException(table, reasons, What);
    }

    private async Task<List<InvalidDefinition>> LackingAsync(PgSession session, PartmanServer server, SetState state)
    {
        static NpgsqlTypes.NpgsqlDbType Texts() => NpgsqlDbType.Array | NpgsqlDbType.Text;
        string[] Named(Func<TierPolicy, string?> of) => [.. wish.Policies.Select(of).OfType<string>().Distinct()];
        var lacking = await session.RowsAsync(
            Lacking, row => (Text: row.Text(0), Tablespace: row.Text(1)), PgParameter.Of(Named(p => p.Tablespace), Texts()), PgParameter.Of(Named(p => p.AccessMethod), Texts()), PgParameter.Of(Named(p => p.Compression), Texts()),
            PgParameter.Texts(wish.Policies.SelectMany(p => p.BrinColumns).Distinct()), PgParameter.Of(state.Oid, NpgsqlDbType.Oid)).ConfigureAwait(false);
        var reasons = lacking.Where(l => l.Text is not null).Select(l => new InvalidDefinition(InvalidDefinitionReason.Unsupported, l.Text!)).ToList();
        if (wish.Policies.Any(p => (p.OlderThan is null) == state.Key.IsTime))
            reasons.Add(new(InvalidDefinitionReason.Interval, $"It is a set by {(state.Key.IsTime ? "time, whose policies say 'OlderThan'" : "id, whose policies say 'IdsBehind'")}."));
        if (!state.IsOwned)
            reasons.Add(new(InvalidDefinitionReason.NotOwned, $"Role '{server.Role}' does not own it."));
        if (reasons.Count == 0 && lacking.Where(l => l.Tablespace is not null).Select(l => PgIdentifier.Create(l.Tablespace!)).ToList() is [var first, ..] closed)
        {
            throw new PartmanPrivilegeException(
                table, $"Role '{server.Role}' may make nothing in tablespace '{first}'.", [.. closed.Select(c => $"GRANT CREATE ON TABLESPACE {c.Quoted} TO {PgIdentifier.Create(server.Role).Quoted};")]);
        }
        return reasons;
    }

    // What a policy calls old is counted as the age of a retention is, and nothing is cold that still gets new rows.
    private async Task<IReadOnlyList<Wanted>> WantedAsync(PgSession session, SetReader.Configured found, SetState state)
    {
        if (Expiry.Reached(state) is not { } current)
            return [];
        var cold = state.Partitions.Where(p => !p.DetachPending && p.Upper <= current).Select(p => new Wanted(p, null, null, null, [])).ToList();
        foreach (var policy in wish.Policies.OrderBy(p => p.OlderThan?.Estimate).ThenBy(p => p.IdsBehind))
        {
            var aged = found with { Set = found.Set! with { Retention = policy.OlderThan, IdRetention = policy.IdsBehind } };
            var by = (await SetReader.StatesAsync(session, [aged]).ConfigureAwait(false))[0] with { Newest = state.Newest };
            cold = [.. cold.Select(w => !Expiry.IsTooOld(by, w.Partition) ? w : w with
            {
                Tablespace = policy.Tablespace ?? w.Tablespace,
                AccessMethod = policy.AccessMethod ?? w.AccessMethod,
                Compression = policy.Compression ?? w.Compression,
                BrinColumns = [.. w.BrinColumns.Union(policy.BrinColumns)],
            })];
        }
        return [.. cold.Where(w => w is not { Tablespace: null, AccessMethod: null, Compression: null, BrinColumns: [] })];
    }

    private static async Task<Regroup> CopiedAsync(
        bool keeps, PgSession session, SetState state, LiveTable live, ParentShape shape, Wanted wanted, Now now, IReadOnlyList<TierChange> changes, List<InvalidDefinition> reasons)
    {
        var partition = wanted.Partition;
        var kept = new QualifiedName(partition.Name.Schema, PartitionName.Fit(partition.Name.Name.Value, RegroupCopy.OldEnd));
        if (keeps && await session.ScalarAsync("SELECT pg_catalog.to_regclass($1) IS NOT NULL", PgParameter.Text(kept.Quoted)).ConfigureAwait(false) is true)
            throw new PartitionNameCollisionException(state.Table, kept, "a partition that was kept before");
        // Where it lies and how stays as it is where no policy says otherwise, and is said of the copy beforehand, so that its indexes go along.
        var group = new Regroup([partition], [new NewRange(partition.Name, partition.Lower, partition.Upper)], HasRows: true)
        {
            Settings = [("default_tablespace", shape.Tablespace!), ("default_table_access_method", wanted.AccessMethod ?? now.AccessMethod)],
            Unpacked = !changes.Contains(TierChange.Compression) ? new Dictionary<string, bool>() : now.Packed.Zip(now.AreArrays).Where(c => live.Columns.Contains(c.First)).ToDictionary(c => c.First, c => c.Second),
        };
        var traits = await PartitionTrait.ReadAsync(session, state, shape, [partition]).ConfigureAwait(false);
        var digest = await session.ScalarAsync(PartitionTrait.DigestOf(state, shape, [partition])).ConfigureAwait(false) as string;
        group = (await Repartitioner.SoundAsync(session, state, live, group, reasons).ConfigureAwait(false)).With(traits.Where(t => !t.IsOfTier(changes.Contains(TierChange.Compression))), reasons) with { Digest = digest! };
        return !changes.Contains(TierChange.Compression) ? group : group with
        {
            Handed =
            [
                .. group.Handed, .. now.Packed.Select(c => new PartitionTrait(
                    partition.Oid, partition.Name.ToString(), $"Compression '{wanted.Compression}' of column {c}", PartitionTrait.Way.Make, "ALTER TABLE ", $" ALTER COLUMN {c} SET COMPRESSION {wanted.Compression}")),
            ],
        };
    }

    // First the new one, then those that it replaces; one that a run left unfinished is no use to anybody.
    private static IEnumerable<PlanUnit> Swap(SetState state, Partition partition, string column, IReadOnlyList<Index> indexes)
    {
        foreach (var broken in indexes.Where(i => i is { IsBrin: true, IsValid: false }))
            yield return Drop(state, partition, broken, "was never finished");
        if (!indexes.Any(i => i is { IsBrin: true, IsValid: true }))
        {
            yield return new PlanUnit
            {
                Kind = "build-index",
                Child = partition.Name,
                ChildOid = partition.Oid,
                Reason = $"'{partition.Name}' gets no new rows: a BRIN index of column '{column}' takes less room than any other.",
                Statements = [$"CREATE INDEX CONCURRENTLY ON {partition.Name.Quoted} USING brin ({PgIdentifier.Create(column).Quoted})"],
                Locks = [new SqlPlanLock(partition.Name, PgLockMode.ShareUpdateExclusive)],
                IsOutside = true,
                WhenInterrupted = [$"DO {PgLiteral.Quote(DropBroken(partition, column))}"],
            };
        }
        foreach (var former in indexes.Where(i => i is { IsBrin: false, IsOfSet: false }))
            yield return Drop(state, partition, former, $"has a BRIN index of column '{column}' in its place");
    }

    // The server chose its name. Where there is none, nobody has to wait.
    private static string DropBroken(Partition partition, string column)
    {
        string Broken(string broken) => "SELECT i.indexrelid FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_am m ON m.oid = x.relam "
            + $"JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE i.indrelid = {Number(partition.Oid)} AND {Plain} AND m.amname = 'brin' AND NOT x.relispartition "
            + $"AND a.attname = {PgLiteral.Quote(column)} AND {broken}";
        return $"DECLARE broken pg_catalog.regclass; BEGIN IF EXISTS ({Broken("NOT i.indisvalid")}) THEN LOCK TABLE ONLY {partition.Name.Quoted} IN ACCESS EXCLUSIVE MODE; "
            + $"FOR broken IN {Broken(NeverFinished)} LOOP EXECUTE pg_catalog.format('DROP INDEX %s', broken); END LOOP; END IF; END";
    }

    private static PlanUnit Drop(SetState state, Partition partition, Index index, string why) => new()
    {
        Kind = "drop-index",
        Child = partition.Name,
        ChildOid = partition.Oid,
        Reason = $"'{index.Name}' {why}.",
        Statements = [$"LOCK TABLE ONLY {partition.Name.Quoted} IN ACCESS EXCLUSIVE MODE", $"DROP INDEX {index.Name.Quoted}"],
        Locks = [new SqlPlanLock(partition.Name, PgLockMode.AccessExclusive)],
        Holds = $"SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent = {Number(state.Oid)} AND h.inhrelid = {Number(partition.Oid)}) AND pg_catalog.to_regclass({PgLiteral.Quote(index.Name.Quoted)})::pg_catalog.oid = {Number(index.Oid)}"
            + (index.IsValid ? "" : $" AND EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indexrelid = {Number(index.Oid)} AND {NeverFinished})"),
    };

    private static string Number(uint oid) => oid.ToString(CultureInfo.InvariantCulture);
}
