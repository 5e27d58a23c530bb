using System.Globalization;

namespace OmniPg.Partman;

/// <summary>Takes a partition out of its set. What it needs of its locks and of a second step depends on the set and on what becomes of the table.</summary>
internal static class Retirement
{
    // $1 partitions, $2 whether indexes go, $3 whether publications lose them. Constraint-backed indexes go with their constraint.
    private const string Cleanup =
        """
        SELECT i.indrelid, CASE WHEN k.oid IS NULL THEN format('DROP INDEX %I.%I', n.nspname, x.relname)
            ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', i.indrelid::pg_catalog.regclass, k.conname) END
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
        LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = x.oid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
        WHERE i.indrelid = ANY ($1) AND $2
        UNION ALL
        SELECT r.prrelid, format('ALTER PUBLICATION %I DROP TABLE %s', p.pubname, r.prrelid::pg_catalog.regclass)
        FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
        WHERE r.prrelid = ANY ($1) AND $3
        """;

    /// <summary>A second step that was noted and not done.</summary>
    /// <param name="Set">How the configuration names the set.</param>
    /// <param name="Oid">The table.</param>
    /// <param name="Before">The name that it had as a partition.</param>
    /// <param name="Name">The table's name; null when it is not the one any more that a run left behind, and so nobody's to touch.</param>
    /// <param name="Action">What was to become of it.</param>
    /// <param name="Schema">Where it was to go.</param>
    /// <param name="IsPending">Whether its detach is not at its end.</param>
    internal sealed record Unfinished(string Set, uint Oid, QualifiedName Before, QualifiedName? Name, ExpiredAction Action, string? Schema, bool IsPending);

    /// <summary>The notes of a set, those of tables that are partitions again left out.</summary>
    public static async Task<IReadOnlyList<Unfinished>> UnfinishedAsync(PgSession session, PartmanServer server, string set)
    {
        using var questions = new Questions(session);
        var unfinished = AskUnfinished(questions, server, [set]);
        await questions.SendAsync().ConfigureAwait(false);
        return unfinished;
    }

    /// <summary>The same of some sets, together with other questions.</summary>
    public static IReadOnlyList<Unfinished> AskUnfinished(Questions questions, PartmanServer server, IEnumerable<string> sets) => !server.HasOwn ? [] : questions.Ask(
        $"""
         SELECT o.child_name, o.child, n.nspname::text, c.relname::text, o.phase, o.detail ->> 'schema', i.inhrelid IS NOT NULL, o.parent_table
         FROM {server.OwnSchema.Quoted}.operation o
         LEFT JOIN (pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace) ON c.oid = o.child AND c.xmin::text = o.detail ->> 'version'
         LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = o.child
         WHERE o.kind = $2 AND o.finished_at IS NULL AND o.parent_table = ANY ($1) AND (i.inhrelid IS NULL OR i.inhdetachpending)
         ORDER BY o.id
         """,
        row => new Unfinished(row.GetString(7), row.GetFieldValue<uint>(1), QualifiedName.Parse(row.GetString(0)), row.IsDBNull(2) ? null : QualifiedName.Create(row.GetString(2), row.GetString(3)),
            Enum.Parse<ExpiredAction>(row.GetString(4)), row.Text(5), row.GetBoolean(6)),
        PgParameter.Texts(sets), PgParameter.Text(OperationKind.Retirement));

    /// <summary>Drops the notes of a set that is forgotten. A table that a run set aside for the archive gets its name back: under the other one nobody would know it.</summary>
    /// <exception cref="PartitionSetConfigurationException">Its name is taken.</exception>
    public static async Task ForgetAllAsync(PgSession session, PartmanServer server, QualifiedName set, TimeSpan lockTimeout)
    {
        var key = $"{set.Schema!.Value.Value}.{set.Name.Value}";
        await session.ExecuteAsync($"SET LOCAL lock_timeout = {PlanUnit.Milliseconds(lockTimeout)}").ConfigureAwait(false);
        foreach (var left in await UnfinishedAsync(session, server, key).ConfigureAwait(false))
        {
            if (left.Name is not { } aside || aside.Name != AsideName(left.Oid))
                continue;
            await session.ExecuteAsync(Exclusively(aside)).ConfigureAwait(false);
            var (now, taken) = await session.RowAsync("SELECT pg_catalog.to_regclass($1)::oid, pg_catalog.to_regclass($2) IS NOT NULL", row => (row.IsDBNull(0) ? 0 : row.GetFieldValue<uint>(0), row.GetBoolean(1)),
                PgParameter.Text(aside.Quoted), PgParameter.Text(new QualifiedName(aside.Schema, left.Before.Name).Quoted)).ConfigureAwait(false);
            if (now != left.Oid)
                continue;
            if (taken)
                throw new PartitionSetConfigurationException(set, $"'{aside}', which was '{left.Before}' until its retirement was interrupted, cannot get its name back: there is another relation of that name.", "Rename either, then forget the set.");
            await session.ExecuteAsync($"ALTER TABLE {aside.Quoted} RENAME TO {left.Before.Name.Quoted}").ConfigureAwait(false);
        }
        await session.ExecuteAsync($"DELETE FROM {server.OwnSchema.Quoted}.operation WHERE parent_table = $1 AND kind = '{OperationKind.Retirement}'", PgParameter.Text(key)).ConfigureAwait(false);
    }

    /// <summary>Statements that rid partitions of what they do not keep, by partition.</summary>
    public static async Task<ILookup<uint, string>> CleanupAsync(PgSession session, PartitionSet set, IEnumerable<uint> partitions)
    {
        var stays = set.WhenExpired is ExpiredAction.Detach or ExpiredAction.Move;
        var rows = await session.RowsAsync(
            Cleanup, row => (row.GetFieldValue<uint>(0), row.GetString(1)),
            PgParameter.Of(partitions.ToArray(), NpgsqlTypes.NpgsqlDbType.Array | NpgsqlTypes.NpgsqlDbType.Oid),
            PgParameter.Flag(stays && !set.KeepIndexes), PgParameter.Flag(stays && !set.KeepInPublications)).ConfigureAwait(false);
        return rows.ToLookup(r => r.Item1, r => r.Item2);
    }

    /// <summary>The units that retire one partition.</summary>
    /// <param name="state">The set.</param>
    /// <param name="server">The database.</param>
    /// <param name="partition">The partition.</param>
    /// <param name="action">What becomes of it.</param>
    /// <param name="cleanup">What it does not keep.</param>
    /// <param name="concurrently">Whether readers and writers of the set may go on, if that is possible.</param>
    public static IReadOnlyList<PlanUnit> Of(SetState state, PartmanServer server, Partition partition, ExpiredAction action, IEnumerable<string> cleanup, bool concurrently)
    {
        var archives = action == ExpiredAction.Archive;
        var finish = archives ? [.. SetAside(partition.Name, partition.Oid)] : Finish(partition.Name, action, state.Set.RetentionSchema, cleanup, partition.IsPartitioned ? partition.Oid : 0);
        var unit = new PlanUnit
        {
            Kind = action switch { ExpiredAction.Drop => "drop-partition", ExpiredAction.Move => "move-partition", ExpiredAction.Archive => "set-aside", _ => "detach-partition" },
            Child = partition.Name,
            ChildOid = partition.Oid,
            Lower = partition.Lower,
            Upper = partition.Upper,
            Reason = $"'{partition.Name}' ends at '{partition.Upper}', which is {Expiry.Reason(state, partition)}.",
            Statements = [],
            Locks = [],
            DestroysData = action == ExpiredAction.Drop,
            Fate = FateOf(action),
            IsPreparation = archives,
            Holds = $"""
                SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid
                    WHERE c.oid = {Oid(partition.Oid)} AND i.inhparent = {Oid(state.Oid)} AND c.xmin::text = {PgLiteral.Quote(partition.Version)}
                    AND i.inhdetachpending = {(partition.DetachPending ? "true" : "false")}){(partition.IsPartitioned && server.HasOwn ? $" AND NOT EXISTS ({WaitingBelow(server, partition.Oid)})" : "")}
                """,
        };
        // A table that was detached has the triggers of its foreign keys on the tables that they refer to. Whoever drops it shuts readers out there, and nobody is to wait for the set meanwhile.
        var isApart = action == ExpiredAction.Drop && state.References.Count > 0 && server.HasOwn;
        if (partition.DetachPending)
        {
            var finalize = unit with
            {
                Reason = $"An interrupted DETACH CONCURRENTLY of '{partition.Name}' is finished first.",
                Statements =
                [
                    .. LockReferences(state, action, detaches: true, isApart), $"LOCK TABLE ONLY {state.Table.Quoted} IN SHARE UPDATE EXCLUSIVE MODE", Exclusively(partition.Name),
                    $"ALTER TABLE {state.Table.Quoted} DETACH PARTITION {partition.Name.Quoted} FINALIZE", .. isApart ? cleanup : finish,
                    .. archives || isApart ? NoteStatements(state, server, partition, action, whilePending: false) : Forget(state, server, partition.Oid),
                ],
                Locks = [new SqlPlanLock(partition.Name, PgLockMode.AccessExclusive), .. OnReferences(state, action, detaches: true, isApart), new SqlPlanLock(state.Table, PgLockMode.ShareUpdateExclusive)],
            };
            return isApart ? [Prepared(finalize), Noted(state, server, partition, action, unit, Finish(partition.Name, action, null, []))]
                : archives ? [finalize, Archived(state, partition.Name, partition.Oid, unit)] : [finalize];
        }
        // With a default partition the server refuses it (55000). With a foreign key to the set it checks the rows after the first of its two transactions.
        // A branch is forgotten in the transaction that takes it out: as a table of its own it would be maintained on and on.
        if (concurrently && !partition.IsPartitioned && state.Default is null && state.ReferencedBy.Count == 0 && (finish.Count == 0 || server.HasOwn))
            return Concurrently(state, server, partition, action, unit, finish);
        var detaches = action != ExpiredAction.Drop || state.ReferencedBy.Count > 0;
        if (detaches && isApart)
        {
            return
            [
                Prepared(AtOnce(state, partition, unit, action, [.. cleanup, .. NoteStatements(state, server, partition, action, whilePending: false)], detaches, isApart)),
                Noted(state, server, partition, action, unit, Finish(partition.Name, action, null, [])),
            ];
        }
        return
        [
            AtOnce(state, partition, unit, action, archives ? [.. finish, .. NoteStatements(state, server, partition, action, whilePending: false)] : finish, detaches, isApart: false),
            .. archives ? [Archived(state, partition.Name, partition.Oid, unit)] : Array.Empty<PlanUnit>(),
        ];
    }

    // What stands in its way later, the set or the tables that it refers to, is another transaction's.
    private static PlanUnit Prepared(PlanUnit unit) => unit with { Kind = "detach-partition", Fate = PartitionFate.Keep, DestroysData = false, IsPreparation = true };

    // The second step of a table that is noted, and no partition any more.
    private static PlanUnit Noted(SetState state, PartmanServer server, Partition partition, ExpiredAction action, PlanUnit unit, IEnumerable<string> finish) => unit with
    {
        Statements = [.. LockReferences(state, action), Exclusively(partition.Name), .. finish, .. action == ExpiredAction.Archive ? Renote(state, server, partition.Oid) : Forget(state, server, partition.Oid)],
        Locks = [new SqlPlanLock(partition.Name, PgLockMode.AccessExclusive), .. OnReferences(state, action)],
        Continues = action == ExpiredAction.Archive,
        Holds = IsNoted(state, server, partition.Oid),
    };

    private static IReadOnlyList<PlanUnit> Concurrently(SetState state, PartmanServer server, Partition partition, ExpiredAction action, PlanUnit unit, List<string> finish)
    {
        var detach = unit with
        {
            Kind = "detach-concurrently",
            Statements = [$"ALTER TABLE {state.Table.Quoted} DETACH PARTITION {partition.Name.Quoted} CONCURRENTLY"],
            Locks = [new SqlPlanLock(partition.Name, PgLockMode.AccessExclusive), new SqlPlanLock(state.Table, PgLockMode.ShareUpdateExclusive)],
            IsOutside = true,
            DestroysData = false,
        };
        if (finish.Count == 0)
            return [detach];
        return
        [
            detach with { Fate = PartitionFate.Keep, IsPreparation = true, WhenInterrupted = NoteStatements(state, server, partition, action, whilePending: true) },
            Note(state, server, partition, action),
            Noted(state, server, partition, action, unit, finish),
            .. action == ExpiredAction.Archive ? [Archived(state, partition.Name, partition.Oid, unit)] : Array.Empty<PlanUnit>(),
        ];
    }

    // A table that was detached takes the triggers of its foreign keys from the tables that they stand on; one that is being detached gets them there, and no lock may shut readers
    // out for that: a row that is written checks its key behind the lock that it has on the set. Where both are one transaction, the stronger lock is the first of it.
    private static IEnumerable<string> LockReferences(SetState state, ExpiredAction action, bool detaches = false, bool isApart = false) =>
        ModeOnReferences(action, detaches, isApart) is { } mode ? PartitionDdl.LockReferences(state, mode == PgLockMode.AccessExclusive ? "ACCESS EXCLUSIVE" : "SHARE ROW EXCLUSIVE") : [];

    private static IEnumerable<SqlPlanLock> OnReferences(SetState state, ExpiredAction action, bool detaches = false, bool isApart = false) =>
        ModeOnReferences(action, detaches, isApart) is { } mode ? state.References.Select(r => new SqlPlanLock(r, mode)) : [];

    private static PgLockMode? ModeOnReferences(ExpiredAction action, bool detaches, bool isApart) =>
        action == ExpiredAction.Drop && !isApart ? PgLockMode.AccessExclusive : detaches ? PgLockMode.ShareRowExclusive : null;

    private static PlanUnit AtOnce(SetState state, Partition partition, PlanUnit unit, ExpiredAction action, List<string> finish, bool detaches, bool isApart) => unit with
    {
        Statements =
        [
            .. detaches ? LockReferences(state, action, detaches: true, isApart) : [], $"LOCK TABLE ONLY {state.Table.Quoted} IN ACCESS EXCLUSIVE MODE",
            .. state.ReferencedBy.Select(r => $"LOCK TABLE ONLY {r.Quoted} IN SHARE MODE"),
            .. state.Default is { } rest ? [$"LOCK TABLE ONLY {rest.Name.Quoted} IN ACCESS EXCLUSIVE MODE"] : Array.Empty<string>(),
            Exclusively(partition.Name),
            .. detaches ? new[] { $"ALTER TABLE {state.Table.Quoted} DETACH PARTITION {partition.Name.Quoted}" } : [],
            .. finish,
        ],
        Locks =
        [
            new SqlPlanLock(state.Table, PgLockMode.AccessExclusive), new SqlPlanLock(partition.Name, PgLockMode.AccessExclusive),
            .. state.Default is { } fallback ? new[] { new SqlPlanLock(fallback.Name, PgLockMode.AccessExclusive) } : [],
            .. detaches ? OnReferences(state, action, detaches: true, isApart) : [],
            .. state.ReferencedBy.Select(r => new SqlPlanLock(r, PgLockMode.Share)),
        ],
    };

    /// <summary>Does what an earlier run noted; where the table is another by now, or the set keeps its partitions by now, nothing is destroyed.</summary>
    public static IReadOnlyList<PlanUnit> Resume(SetState state, PartmanServer server, Unfinished noted, IEnumerable<string> cleanup)
    {
        var isKept = !state.Set.Retires;
        var action = noted.Action is ExpiredAction.Drop or ExpiredAction.Archive && (isKept || state.Set.WhenExpired != noted.Action) ? ExpiredAction.Detach : noted.Action;
        var unit = new PlanUnit
        {
            Kind = "finish-retirement",
            Reason = "The table of an unfinished retirement is gone, or somebody took it over since.",
            Statements = [.. Forget(state, server, noted.Oid)],
            Locks = [],
        };
        if (noted.Name is not { } table)
            return [unit];
        var isAside = table.Name == AsideName(noted.Oid);
        unit = unit with
        {
            Child = table,
            ChildOid = noted.Oid,
            Reason = $"An earlier run detached '{table}' and did not come to the rest.",
            Statements = [.. LockReferences(state, action), Exclusively(table), .. Finish(table, action, noted.Schema, cleanup), .. unit.Statements],
            Locks = [new SqlPlanLock(table, PgLockMode.AccessExclusive), .. OnReferences(state, action)],
            DestroysData = action == ExpiredAction.Drop,
            Fate = FateOf(action),
            Holds = IsNoted(state, server, noted.Oid),
        };
        if (action != ExpiredAction.Archive)
            return [isAside ? unit with { Statements = [Exclusively(table), $"ALTER TABLE {table.Quoted} RENAME TO {noted.Before.Name.Quoted}", .. Forget(state, server, noted.Oid)] } : unit];
        var aside = unit with { Kind = "set-aside", IsPreparation = true, Statements = [Exclusively(table), .. SetAside(table, noted.Oid), .. Renote(state, server, noted.Oid)] };
        var archived = Archived(state, noted.Before, noted.Oid, unit);
        return isAside ? [archived with { Continues = false }] : [aside, archived];
    }

    private static PartitionFate FateOf(ExpiredAction action) => action switch
    {
        ExpiredAction.Drop => PartitionFate.Drop,
        ExpiredAction.Move => PartitionFate.Move,
        // Setting it aside is only the way there.
        ExpiredAction.Archive => PartitionFate.Keep,
        _ => PartitionFate.Detach,
    };

    private static PgIdentifier AsideName(uint oid) => PgIdentifier.Create("omnipg_archive_" + Oid(oid));

    // Whoever names the table, or has a right on it, writes to it no more: rows that came behind the archive would go with the table.
    private static IEnumerable<string> SetAside(QualifiedName table, uint oid)
    {
        var aside = new QualifiedName(table.Schema, AsideName(oid));
        yield return $"ALTER TABLE {table.Quoted} RENAME TO {aside.Name.Quoted}";
        var body = "DECLARE g pg_catalog.text; BEGIN FOR g IN SELECT DISTINCT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END "
            + $"FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) x WHERE c.oid = {Oid(oid)} AND x.grantee <> c.relowner LOOP "
            + $"EXECUTE {PgLiteral.Quote($"REVOKE ALL ON {aside.Quoted} FROM ")} || g || ' CASCADE'; END LOOP; END";
        yield return $"DO {PgLiteral.Quote(body)}";
    }

    private static PlanUnit Archived(SetState state, QualifiedName table, uint oid, PlanUnit unit) => unit with
    {
        Kind = "archive-partition",
        Child = table,
        ChildOid = oid,
        Statements = [],
        Locks = [],
        Archives = $"copy '{table}' to '{state.Set.ArchiveId}', read it back, compare, and drop the table",
        DestroysData = true,
        Fate = PartitionFate.Archive,
        IsPreparation = false,
        Continues = true,
        Holds = null,
    };

    private static IReadOnlyList<string> Renote(SetState state, PartmanServer server, uint child) =>
    [
        $"UPDATE {server.OwnSchema.Quoted}.operation o SET detail = o.detail || pg_catalog.jsonb_build_object('version', c.xmin::text), updated_at = pg_catalog.clock_timestamp() "
            + $"FROM pg_catalog.pg_class c WHERE c.oid = o.child AND o.parent_table = {PgLiteral.Quote(state.Set.ConfigKey)} AND o.child = {Oid(child)} AND o.kind = '{OperationKind.Retirement}'",
    ];

    // Under this lock the name keeps its meaning, and the runner compares it before anything else.
    private static string Exclusively(QualifiedName table) => $"LOCK TABLE ONLY {table.Quoted} IN ACCESS EXCLUSIVE MODE";

    private static List<string> Finish(QualifiedName table, ExpiredAction action, string? schema, IEnumerable<string> cleanup, uint branch = 0) => action switch
    {
        // What forgets a partition that is a set goes by its tables, and so before them.
        ExpiredAction.Drop => [.. cleanup, $"DROP TABLE {table.Quoted}"],
        ExpiredAction.Move => [.. cleanup, branch > 0 ? MoveTree(branch, PgIdentifier.Create(schema!)) : $"ALTER TABLE {table.Quoted} SET SCHEMA {PgIdentifier.Create(schema!).Quoted}"],
        _ => [.. cleanup],
    };

    // A partitioned table moves alone: its partitions have names of their own.
    private static string MoveTree(uint branch, PgIdentifier schema)
    {
        var body = $"DECLARE t pg_catalog.regclass; BEGIN FOR t IN SELECT p.relid FROM pg_catalog.pg_partition_tree({Oid(branch)}::pg_catalog.oid::pg_catalog.regclass) p ORDER BY p.level, p.relid LOOP "
            + $"EXECUTE pg_catalog.format('ALTER TABLE %s SET SCHEMA %I', t, {PgLiteral.Quote(schema.Value)}); END LOOP; END";
        return $"DO {PgLiteral.Quote(body)}";
    }

    /// <summary>Partitions of a branch, of any level, whose retirement is noted and not done: without the branch nobody would come to them. Null for none.</summary>
    public static async Task<QualifiedName?> WaitingBelowAsync(PgSession session, PartmanServer server, uint branch) =>
        server.HasOwn && await session.ScalarAsync($"{WaitingBelow(server, branch)} LIMIT 1").ConfigureAwait(false) is string waiting ? QualifiedName.Parse(waiting) : null;

    private static string WaitingBelow(PartmanServer server, uint branch) =>
        $"SELECT o.child_name FROM {server.OwnSchema.Quoted}.operation o WHERE o.kind = '{OperationKind.Retirement}' AND o.finished_at IS NULL AND EXISTS (SELECT FROM pg_catalog.pg_class x WHERE x.oid = o.child) AND o.parent_table IN ("
        + $"SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_partition_tree({Oid(branch)}::pg_catalog.oid::pg_catalog.regclass) t JOIN pg_catalog.pg_class c ON c.oid = t.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.isleaf)";

    // Behind the detach and not before it: of a table that is no partition any more nobody can tell who detached it. xmin changes with every change of the row
    // in pg_class that a detach, an attach, a new name or a new owner makes, and with none of VACUUM and ANALYZE (heap_inplace_update, src/backend/access/heap/heapam.c).
    private static PlanUnit Note(SetState state, PartmanServer server, Partition partition, ExpiredAction action) => new()
    {
        Kind = "note-retirement",
        Reason = $"What is to become of '{partition.Name}' is noted, so that a later run can finish it.",
        Statements = NoteStatements(state, server, partition, action, whilePending: false),
        Locks = [],
        IsPreparation = true,
        Continues = true,
    };

    private static IReadOnlyList<string> NoteStatements(SetState state, PartmanServer server, Partition partition, ExpiredAction action, bool whilePending)
    {
        var schema = state.Set.RetentionSchema is { } name ? $"'schema', {PgLiteral.Quote(name)}, "
            : action == ExpiredAction.Archive ? $"'lower', {PgLiteral.Quote(state.Key.Text(partition.Lower))}, 'upper', {PgLiteral.Quote(state.Key.Text(partition.Upper))}, " : "";
        var isLeft = $"{(whilePending ? "" : "NOT ")}EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid{(whilePending ? " AND i.inhdetachpending" : "")})";
        return
        [
            .. Forget(state, server, partition.Oid),
            $"INSERT INTO {server.OwnSchema.Quoted}.operation (parent_table, child, child_name, kind, phase, detail) SELECT {PgLiteral.Quote(state.Set.ConfigKey)}, c.oid, {PgLiteral.Quote(partition.Name.Quoted)}, "
                + $"'{OperationKind.Retirement}', '{action}', pg_catalog.jsonb_build_object({schema}'version', c.xmin::text) FROM pg_catalog.pg_class c WHERE c.oid = {Oid(partition.Oid)} AND {isLeft}",
        ];
    }

    /// <summary>Asks whether a table is still as the note of its retirement left it.</summary>
    public static string IsNoted(SetState state, PartmanServer server, uint child) =>
        $"""
         SELECT EXISTS (SELECT FROM {server.OwnSchema.Quoted}.operation o JOIN pg_catalog.pg_class c ON c.oid = o.child
             WHERE o.parent_table = {PgLiteral.Quote(state.Set.ConfigKey)} AND o.child = {Oid(child)} AND o.kind = '{OperationKind.Retirement}' AND c.xmin::text = o.detail ->> 'version')
         """;

    private static IEnumerable<string> Forget(SetState state, PartmanServer server, uint child) => server.HasOwn
        ? [$"DELETE FROM {server.OwnSchema.Quoted}.operation WHERE parent_table = {PgLiteral.Quote(state.Set.ConfigKey)} AND child = {Oid(child)} AND kind = '{OperationKind.Retirement}'"]
        : [];

    private static string Oid(uint oid) => oid.ToString(CultureInfo.InvariantCulture);
}
