using System.Globalization;

namespace OmniPg.Partman;

/// <summary>Takes a partition out of its set. What it needs of its locks and of a second step depends on the set and on what becomes of the table.</summary>
internal static class Retirement
{
    /// <summary>Kind of the rows in the table of operations that promise a second step.</summary>
    public const string OperationKind = "retire";

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

    /// <summary>A promise of a second step that was not kept: the table is no partition any more, and something was still to be done with it.</summary>
    internal sealed record Unfinished(long Id, uint Oid, QualifiedName? Name, ExpiredAction Action, string? Schema);

    /// <summary>The promises of a set, those of partitions that are attached still or again left out.</summary>
    public static Task<IReadOnlyList<Unfinished>> UnfinishedAsync(PgSession session, PartmanServer server, PartitionSet set) => !server.HasOwn
        ? Task.FromResult<IReadOnlyList<Unfinished>>([])
        : session.RowsAsync(
            $"""
             SELECT o.id, o.child, n.nspname::text, c.relname::text, o.phase, o.detail ->> 'schema'
             FROM {server.OwnSchema.Quoted}.operation o
             LEFT JOIN (pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace) ON c.oid = o.child
             WHERE o.kind = $2 AND o.finished_at IS NULL AND o.parent_table = $1 AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_inherits i WHERE i.inhrelid = o.child)
             ORDER BY o.id
             """,
            row => new Unfinished(row.GetInt64(0), row.GetFieldValue<uint>(1), row.IsDBNull(2) ? null : QualifiedName.Create(row.GetString(2), row.GetString(3)),
                Enum.Parse<ExpiredAction>(row.GetString(4)), row.Text(5)),
            PgParameter.Text(set.ConfigKey), PgParameter.Text(OperationKind));

    /// <summary>Statements that rid partitions of what they do not keep, by partition.</summary>
    public static async Task<ILookup<uint, string>> CleanupAsync(PgSession session, PartitionSet set, IEnumerable<Partition> partitions)
    {
        var stays = set.WhenExpired != ExpiredAction.Drop;
        var rows = await session.RowsAsync(
            Cleanup, row => (row.GetFieldValue<uint>(0), row.GetString(1)),
            PgParameter.Of(partitions.Select(p => p.Oid).ToArray(), NpgsqlTypes.NpgsqlDbType.Array | NpgsqlTypes.NpgsqlDbType.Oid),
            PgParameter.Flag(stays && !set.KeepIndexes), PgParameter.Flag(stays && !set.KeepInPublications)).ConfigureAwait(false);
        return rows.ToLookup(r => r.Item1, r => r.Item2);
    }

    /// <summary>Partitions that are expired, the oldest first, and never all of them: the last one stays.</summary>
    public static IReadOnlyList<Partition> Expired(SetState state)
    {
        var expired = state.Partitions.Where(p => IsExpired(state, p)).OrderBy(p => p.Upper).ToList();
        if (expired.Count > 0 && expired.Count == state.Partitions.Count)
            expired.RemoveAt(expired.Count - 1);
        return expired;
    }

    /// <summary>Whether a partition lies wholly behind the retention: by its real upper bound, whatever its name says.</summary>
    public static bool IsExpired(SetState state, Partition partition) => state switch
    {
        { Cutoff: { } cutoff } => partition.Upper < cutoff,
        { Set.IdRetention: { } keep, Newest.Id: { } newest } when partition.Upper.Id is { } upper => keep <= (Int128)newest - upper,
        _ => false,
    };

    /// <summary>The units that retire one partition.</summary>
    /// <param name="state">The set.</param>
    /// <param name="server">The database.</param>
    /// <param name="partition">The partition.</param>
    /// <param name="action">What becomes of it.</param>
    /// <param name="cleanup">What it does not keep.</param>
    /// <param name="concurrently">Whether readers and writers of the set may go on, if that is possible.</param>
    public static IReadOnlyList<PlanUnit> Of(SetState state, PartmanServer server, Partition partition, ExpiredAction action, IEnumerable<string> cleanup, bool concurrently)
    {
        var (parent, child) = (state.Table.Quoted, partition.Name.Quoted);
        var finish = Finish(partition.Name, action, state.Set.RetentionSchema, cleanup);
        var unit = new PlanUnit
        {
            Kind = action switch { ExpiredAction.Drop => "drop-partition", ExpiredAction.Move => "move-partition", _ => "detach-partition" },
            Child = partition.Name,
            ChildOid = partition.Oid,
            Lower = partition.Lower,
            Upper = partition.Upper,
            Reason = $"'{partition.Name}' ends at '{partition.Upper}', which is {(state.Cutoff is { } cutoff ? $"before '{cutoff}'" : $"{state.Set.IdRetention} or more below '{state.Newest}'")}.",
            Statements = [],
            Locks = [],
            DestroysData = action == ExpiredAction.Drop,
            Fate = action switch { ExpiredAction.Drop => PartitionFate.Drop, ExpiredAction.Move => PartitionFate.Move, _ => PartitionFate.Detach },
        };
        if (partition.DetachPending)
        {
            return
            [
                unit with
                {
                    Reason = $"An interrupted DETACH CONCURRENTLY of '{partition.Name}' is finished first.",
                    Statements = [$"LOCK TABLE ONLY {parent} IN SHARE UPDATE EXCLUSIVE MODE", Exclusively(partition.Name), $"ALTER TABLE {parent} DETACH PARTITION {child} FINALIZE", .. finish, .. Forget(state, server, partition.Oid)],
                    Locks = [new SqlPlanLock(partition.Name, PgLockMode.AccessExclusive), new SqlPlanLock(state.Table, PgLockMode.ShareUpdateExclusive)],
                },
            ];
        }
        // With a default partition the server refuses it (55000). With a foreign key to the set it checks the rows after the first of its two transactions.
        if (concurrently && state.Default is null && state.ReferencedBy.Count == 0 && (finish.Count == 0 || server.HasOwn))
        {
            var detach = unit with
            {
                Kind = "detach-concurrently",
                Statements = [$"ALTER TABLE {parent} DETACH PARTITION {child} CONCURRENTLY"],
                Locks = [new SqlPlanLock(partition.Name, PgLockMode.AccessExclusive), new SqlPlanLock(state.Table, PgLockMode.ShareUpdateExclusive)],
                IsOutside = true,
                DestroysData = false,
                Fate = finish.Count == 0 ? unit.Fate : PartitionFate.Keep,
                IsPreparation = finish.Count > 0,
            };
            return finish.Count == 0
                ? [detach]
                :
                [
                    Promise(state, server, partition, action),
                    detach,
                    unit with { Statements = [Exclusively(partition.Name), .. finish, .. Forget(state, server, partition.Oid)], Locks = [new SqlPlanLock(partition.Name, PgLockMode.AccessExclusive)] },
                ];
        }
        var whole = action == ExpiredAction.Drop && state.ReferencedBy.Count == 0;
        return
        [
            unit with
            {
                Statements =
                [
                    $"LOCK TABLE ONLY {parent} IN ACCESS EXCLUSIVE MODE",
                    .. state.ReferencedBy.Select(r => $"LOCK TABLE ONLY {r.Quoted} IN SHARE MODE"),
                    .. state.Default is { } rest ? [$"LOCK TABLE ONLY {rest.Name.Quoted} IN ACCESS EXCLUSIVE MODE"] : Array.Empty<string>(),
                    Exclusively(partition.Name),
                    .. whole ? [] : new[] { $"ALTER TABLE {parent} DETACH PARTITION {child}" },
                    .. finish,
                ],
                Locks =
                [
                    new SqlPlanLock(state.Table, PgLockMode.AccessExclusive), new SqlPlanLock(partition.Name, PgLockMode.AccessExclusive),
                    .. state.Default is { } fallback ? new[] { new SqlPlanLock(fallback.Name, PgLockMode.AccessExclusive) } : [],
                    .. state.ReferencedBy.Select(r => new SqlPlanLock(r, PgLockMode.Share)),
                ],
            },
        ];
    }

    /// <summary>Keeps a promise of an earlier run.</summary>
    public static PlanUnit Resume(SetState state, PartmanServer server, Unfinished promise) => new()
    {
        Kind = "finish-retirement",
        Child = promise.Name,
        ChildOid = promise.Name is null ? 0 : promise.Oid,
        Reason = promise.Name is { } name ? $"An earlier run detached '{name}' and did not come to the rest." : "The table of an unfinished retirement is gone.",
        Statements = [.. promise.Name is { } table ? [Exclusively(table), .. Finish(table, promise.Action, promise.Schema, [])] : Array.Empty<string>(), .. Forget(state, server, promise.Oid)],
        Locks = promise.Name is { } locked ? [new SqlPlanLock(locked, PgLockMode.AccessExclusive)] : [],
        DestroysData = promise is { Action: ExpiredAction.Drop, Name: not null },
        Fate = promise.Name is null ? PartitionFate.Keep : promise.Action switch { ExpiredAction.Drop => PartitionFate.Drop, ExpiredAction.Move => PartitionFate.Move, _ => PartitionFate.Detach },
    };

    // Under this lock the name keeps its meaning, and the runner compares it before anything else.
    private static string Exclusively(QualifiedName table) => $"LOCK TABLE ONLY {table.Quoted} IN ACCESS EXCLUSIVE MODE";

    private static List<string> Finish(QualifiedName table, ExpiredAction action, string? schema, IEnumerable<string> cleanup) => action switch
    {
        ExpiredAction.Drop => [$"DROP TABLE {table.Quoted}"],
        ExpiredAction.Move => [.. cleanup, $"ALTER TABLE {table.Quoted} SET SCHEMA {PgIdentifier.Create(schema!).Quoted}"],
        _ => [.. cleanup],
    };

    private static PlanUnit Promise(SetState state, PartmanServer server, Partition partition, ExpiredAction action)
    {
        var detail = state.Set.RetentionSchema is { } schema ? $"pg_catalog.jsonb_build_object('schema', {PgLiteral.Quote(schema)})" : "NULL";
        return new PlanUnit
        {
            Kind = "note-retirement",
            Reason = $"What is to become of '{partition.Name}' is noted, so that a later run can finish it.",
            Statements =
            [
                .. Forget(state, server, partition.Oid),
                $"INSERT INTO {server.OwnSchema.Quoted}.operation (parent_table, child, child_name, kind, phase, detail) VALUES ({PgLiteral.Quote(state.Set.ConfigKey)}, {Oid(partition.Oid)}, {PgLiteral.Quote(partition.Name.Quoted)}, '{OperationKind}', '{action}', {detail})",
            ],
            Locks = [],
            IsPreparation = true,
        };
    }

    private static IEnumerable<string> Forget(SetState state, PartmanServer server, uint child) => server.HasOwn
        ? [$"DELETE FROM {server.OwnSchema.Quoted}.operation WHERE parent_table = {PgLiteral.Quote(state.Set.ConfigKey)} AND child = {Oid(child)} AND kind = '{OperationKind}'"]
        : [];

    private static string Oid(uint oid) => oid.ToString(CultureInfo.InvariantCulture);
}
