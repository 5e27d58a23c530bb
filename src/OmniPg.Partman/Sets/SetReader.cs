using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>Reads sets: their configuration in one query, and what the catalog says of many of them in one more.</summary>
internal static class SetReader
{
    /// <summary>Prefix of checks that an attach puts on the default partition for a moment.</summary>
    public const string AttachCheckPrefix = "omnipg_attach_";

    // A row names its table as schema and name with a dot between, unquoted. $1, $2: schema and name of one table, null for all.
    private const string Rows =
        """
        SELECT g.parent_table, to_jsonb(g)::text, {options}, c.oid, n.nspname::text, c.relname::text, p.partstrat::text, p.partnatts, a.attname::text, t.typname::text,
            pg_catalog.pg_has_role(c.relowner, 'USAGE'), g.xmin::text, {sub}
        FROM {config}.part_config g
        LEFT JOIN (pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND c.relkind = 'p'
                   JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = c.oid
                   LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
                   LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid)
            ON n.nspname || '.' || c.relname = g.parent_table
        WHERE $1 IS NULL OR (g.parent_table = $1 || '.' || $2 AND (c.oid IS NULL OR (n.nspname = $1 AND c.relname = $2)))
        ORDER BY {order}, g.parent_table
        """;

    // How the partitions of the set are partitioned again, and the type of that column.
    private const string SubRow =
        """
        (SELECT jsonb_object_agg(pg_catalog.substr(e.key, 5), e.value)::text FROM {config}.part_config_sub s, jsonb_each(to_jsonb(s)) e WHERE s.sub_parent = g.parent_table),
            (SELECT y.typname::text FROM {config}.part_config_sub s JOIN pg_catalog.pg_attribute b ON b.attrelid = c.oid AND b.attname = s.sub_control AND b.attnum > 0
             JOIN pg_catalog.pg_type y ON y.oid = b.atttypid WHERE s.sub_parent = g.parent_table)
        """;

    // $1 tables: their partitions, and they themselves where they are partitions, with the column that they are told apart by there. A default partition's text is DEFAULT.
    private const string Children =
        """
        SELECT i.inhparent, c.oid, n.nspname::text, c.relname::text, c.relkind = 'p', pg_catalog.pg_get_expr(c.relpartbound, {relation}), i.inhdetachpending,
            {rows}, c.relpages::bigint * (SELECT current_setting('block_size')::bigint), {bytes},
            CASE WHEN c.oid = p.partdefid THEN (SELECT array_agg(k.conname::text) FROM pg_catalog.pg_constraint k
             WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conname::text ~ ('^' || $2 || '(min|-?[0-9]+)$')) END,
            c.xmin::text, CASE WHEN p.partnatts = 1 AND p.partstrat = 'r' AND c.oid = ANY ($1) THEN
             (SELECT a.attname::text FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.inhparent AND a.attnum = p.partattrs[0]) END
        FROM pg_catalog.pg_inherits i
        JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = i.inhparent
        WHERE (i.inhparent = ANY ($1) OR i.inhrelid = ANY ($1)) AND c.relispartition
        """;

    // The partition, which its bound is no expression of: opened under a lock, and the text is null where somebody drops it while the statement runs, because functions of the
    // catalog see what the snapshot does not (pg_get_expr_worker, src/backend/utils/adt/ruleutils.c). Without it the text costs less than half.
    private const string Itself = "c.oid";
    private const string Unopened = "0";

    // $1 zones and $2 retentions, one pair for each set.
    private const string Clocks =
        """
        SELECT pg_catalog.now(), pg_catalog.timezone(s.zone, pg_catalog.now()), pg_catalog.timezone(s.zone, pg_catalog.timezone(s.zone, pg_catalog.now()) - s.retention),
            pg_catalog.timezone(s.zone, pg_catalog.now()) - s.retention, pg_catalog.now() - s.retention
        FROM unnest($1, $2) WITH ORDINALITY AS s (zone, retention, place) ORDER BY s.place
        """;

    // $1 tables: foreign keys in both directions.
    private const string Keys =
        """
        SELECT f.confrelid, f.conrelid, referring.nspname::text, r.relname::text, referred.nspname::text, t.relname::text
        FROM pg_catalog.pg_constraint f
        JOIN pg_catalog.pg_class r ON r.oid = f.conrelid JOIN pg_catalog.pg_namespace referring ON referring.oid = r.relnamespace
        JOIN pg_catalog.pg_class t ON t.oid = f.confrelid JOIN pg_catalog.pg_namespace referred ON referred.oid = t.relnamespace
        WHERE f.contype = 'f' AND f.conparentid = 0 AND (f.confrelid = ANY ($1) OR f.conrelid = ANY ($1))
        """;

    /// <summary>A configured set as far as one query knows it.</summary>
    /// <param name="Name">How the row names the table.</param>
    /// <param name="Set">The set; null when the row cannot be worked with.</param>
    /// <param name="Error">Why not.</param>
    /// <param name="Oid">The table.</param>
    /// <param name="Type">Type of the control column.</param>
    /// <param name="IsOwned">Whether the role may alter the table.</param>
    /// <param name="Version">Version of its row (<c>xmin</c>).</param>
    internal sealed record Configured(string Name, PartitionSet? Set, PartmanException? Error, uint Oid, string Type, bool IsOwned, string Version);

    /// <summary>The configured sets in the order of maintenance, rows that cannot be worked with among them; of one table or of all.</summary>
    public static async Task<IReadOnlyList<Configured>> ConfiguredAsync(PgSession session, PartmanServer server, QualifiedName? table)
    {
        using var questions = new Questions(session);
        var configured = AskConfigured(questions, server, table);
        await questions.SendAsync().ConfigureAwait(false);
        return configured;
    }

    /// <summary>The same, together with other questions.</summary>
    public static IReadOnlyList<Configured> AskConfigured(Questions questions, PartmanServer server, QualifiedName? table)
    {
        if (!server.HasConfig)
            return [];
        var options = server.HasOwn
            ? $"(SELECT jsonb_object_agg(o.key, o.value)::text FROM {server.OwnSchema.Quoted}.part_option o WHERE o.parent_table = g.parent_table)" : "NULL::text";
        var query = Rows.Replace("{config}", server.ConfigSchema.Quoted, StringComparison.Ordinal).Replace("{options}", options, StringComparison.Ordinal)
            .Replace("{sub}", server.SubColumns.Count == 0 ? "NULL::text, NULL::text" : SubRow.Replace("{config}", server.ConfigSchema.Quoted, StringComparison.Ordinal), StringComparison.Ordinal)
            .Replace("{order}", server.Columns.Contains("maintenance_order") ? "g.maintenance_order NULLS LAST" : "1", StringComparison.Ordinal);
        return questions.Ask(query, row => One(row, server), PgParameter.Text(table?.Schema?.Value), PgParameter.Text(table?.Name.Value));
    }

    /// <summary>One set with the catalog's part of it.</summary>
    /// <exception cref="PartitionSetNotFoundException">No row names the table.</exception>
    /// <exception cref="PartitionSetConfigurationException">Its row, or the catalog, cannot be worked with.</exception>
    public static Task<SetState> StateAsync(PartmanDatabase database, QualifiedName table, bool withBytes, CancellationToken cancellationToken) =>
        database.RunAsync("look", (session, server) => StateAsync(session, server, table, withBytes), cancellationToken);

    /// <inheritdoc cref="StateAsync(PartmanDatabase, QualifiedName, bool, CancellationToken)"/>
    public static async Task<SetState> StateAsync(PgSession session, PartmanServer server, QualifiedName table, bool withBytes = false)
    {
        var found = await ConfiguredAsync(session, server, table).ConfigureAwait(false) is [var one, ..] ? one : throw Refusal.NotFound(table, server);
        if (found.Error is { } error)
            throw error;
        await session.ExecuteAsync(PartmanDatabase.ReadableText).ConfigureAwait(false);
        return (await StatesAsync(session, [found], withBytes).ConfigureAwait(false))[0];
    }

    /// <summary>The sets below another one: partitions of it, on every level, that are configured themselves.</summary>
    public static Task<IReadOnlyList<QualifiedName>> BranchesAsync(PgSession session, PartmanServer server, QualifiedName table) => session.RowsAsync(
        $"""
         SELECT n.nspname::text, c.relname::text
         FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass($1)) t JOIN pg_catalog.pg_class c ON c.oid = t.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE NOT t.isleaf AND t.level > 0 AND EXISTS (SELECT FROM {server.ConfigSchema.Quoted}.part_config g WHERE g.parent_table = n.nspname || '.' || c.relname) ORDER BY t.level DESC, 1, 2
         """,
        row => QualifiedName.Create(row.GetString(0), row.GetString(1)), PgParameter.Text(table.Quoted));

    /// <summary>The catalog's part of some sets, in their order.</summary>
    /// <param name="session">A session in a transaction with <see cref="PartmanDatabase.ReadableText"/>.</param>
    /// <param name="sets">Sets without an error.</param>
    /// <param name="withBytes">Whether sizes with indexes are asked for, which waits for whoever holds a partition exclusively.</param>
    public static async Task<IReadOnlyList<SetState>> StatesAsync(PgSession session, IReadOnlyList<Configured> sets, bool withBytes = false)
    {
        using var questions = new Questions(session);
        var states = AskStates(questions, sets, withBytes);
        await questions.SendAsync().ConfigureAwait(false);
        return states();
    }

    /// <summary>The same, together with other questions; the states can be had when these are answered.</summary>
    /// <param name="questions">The questions.</param>
    /// <param name="sets">Sets without an error.</param>
    /// <param name="withBytes">Whether sizes with indexes are asked for, which waits for whoever holds a partition exclusively.</param>
    /// <param name="waits">
    /// Whether whoever drops, attaches or alters a partition is waited for. A look behind which another one comes, under the lock of the set, takes what its snapshot has.
    /// </param>
    public static Func<IReadOnlyList<SetState>> AskStates(Questions questions, IReadOnlyList<Configured> sets, bool withBytes = false, bool waits = true)
    {
        var tables = PgParameter.Of(sets.Select(s => s.Oid).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Oid);
        var clocks = questions.Ask(
            Clocks, row => new Clock(row.GetFieldValue<DateTimeOffset>(0), row.GetDateTime(1), row.Instant(2), row.IsDBNull(3) ? null : row.GetDateTime(3), row.Instant(4)),
            PgParameter.Texts(sets.Select(s => s.Set!.TimeZone)),
            PgParameter.Of(sets.Select(s => s.Set!.Retention?.ToNpgsqlInterval()).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Interval));
        var children = questions.Ask(
            Children.Replace("{relation}", waits ? Itself : Unopened, StringComparison.Ordinal).Replace("{bytes}", withBytes ? "COALESCE((SELECT sum(pg_catalog.pg_total_relation_size(t.relid)) FROM pg_catalog.pg_partition_tree(c.oid) t), 0)::bigint" : "0::bigint", StringComparison.Ordinal)
                .Replace("{rows}", withBytes ? "CASE c.relkind WHEN 'p' THEN COALESCE((SELECT sum(l.reltuples) FROM pg_catalog.pg_partition_tree(c.oid) t JOIN pg_catalog.pg_class l ON l.oid = t.relid WHERE t.isleaf AND l.reltuples >= 0), -1) ELSE c.reltuples END::bigint" : "c.reltuples::bigint", StringComparison.Ordinal),
            ReadChild, tables, PgParameter.Text(AttachCheckPrefix));
        var keys = questions.Ask(
            Keys, row => new Reference(row.GetFieldValue<uint>(0), row.GetFieldValue<uint>(1), QualifiedName.Create(row.GetString(2), row.GetString(3)), QualifiedName.Create(row.GetString(4), row.GetString(5))), tables.Clone());
        return () => States(sets, clocks, children, keys);
    }

    private sealed record Clock(DateTimeOffset Now, DateTime Local, DateTimeOffset? Calendar, DateTime? Wall, DateTimeOffset? Line);

    private sealed record Child(uint Parent, Partition Partition, string? Bound, string[] Checks, string? Column);

    private sealed record Reference(uint To, uint From, QualifiedName Referring, QualifiedName Referred);

    private static List<SetState> States(IReadOnlyList<Configured> sets, IReadOnlyList<Clock> clocks, IReadOnlyList<Child> found, IReadOnlyList<Reference> keys)
    {
        var there = found.Where(c => c.Bound is not null).ToList();
        var (children, themselves) = (there.ToLookup(c => c.Parent), there.ToLookup(c => c.Partition.Oid));
        var states = new List<SetState>();
        foreach (var (configured, clock) in sets.Zip(clocks))
        {
            var set = configured.Set!;
            var key = new PartitionKey(PgIdentifier.Create(set.Control), configured.Type, set.Kind);
            var all = children[configured.Oid].Select(c => (Partition: Read(c.Partition, c.Bound!, key, set), c.Checks)).ToList();
            var rest = all.Find(c => c.Partition.IsDefault);
            var calendar = set.Interval is { } interval && TimeSteps.FollowsCalendar(interval);
            states.Add(new SetState
            {
                Set = set,
                Oid = configured.Oid,
                Key = key,
                Partitions = [.. all.Select(c => c.Partition).Where(p => !p.IsDefault).OrderBy(p => p.Lower)],
                Default = rest.Partition,
                Now = clock.Now,
                LocalNow = clock.Local,
                Cutoff = set.Retention is null ? null : key.IsWallClock ? PartitionBound.Of(new DateTimeOffset(clock.Wall!.Value, TimeSpan.Zero)) : PartitionBound.Of((calendar ? clock.Calendar : clock.Line)!.Value),
                ReferencedBy = SetState.InLockOrder(keys.Where(k => k.To == configured.Oid && k.From != configured.Oid).Select(k => k.Referring)),
                References = SetState.InLockOrder(keys.Where(k => k.From == configured.Oid && k.To != configured.Oid).Select(k => k.Referred)),
                IsOwned = configured.IsOwned,
                Within = themselves[configured.Oid].FirstOrDefault() is { Column: { } column } itself && column == set.Control && Read(itself.Partition, itself.Bound!, key, set) is { IsDefault: false } own
                    ? (own.Lower, own.Upper) : null,
                LeftChecks = [.. (rest.Checks ?? []).Select(PgIdentifier.Create)],
            });
        }
        return states;
    }

    /// <summary>
    /// The highest key of a set, looked for from the newest partition down, the default left out. One statement: what stands behind the first partition that
    /// has rows is planned, and never run.
    /// </summary>
    public static async Task<PartitionBound?> NewestAsync(PgSession session, SetState state)
    {
        const int AtOnce = 64;
        foreach (var some in state.Partitions.Reverse().Where(p => !p.DetachPending).Chunk(AtOnce))
        {
            // As text, because a moment may be one that .NET has no value for. There is no max(uuid) before PostgreSQL 18.
            // Qualified: a bare name in ORDER BY means the output column, and so the order of texts (findTargetlistEntrySQL92, src/backend/parser/parse_clause.c).
            var column = "p." + state.Key.Column.Quoted;
            var parts = some.Select(p => $"(SELECT {column}::text FROM {p.Name.Quoted} AS p WHERE {column} IS NOT NULL ORDER BY {column} DESC LIMIT 1)");
            if (await session.ScalarAsync($"SELECT COALESCE({string.Join(", ", parts)})").ConfigureAwait(false) is string text)
                return KeyOf(state, text);
        }
        return null;
    }

    /// <summary>A value of a row as a bound.</summary>
    /// <exception cref="PartitionSetConfigurationException">It is beyond what this package can count.</exception>
    public static PartitionBound KeyOf(SetState state, string text)
    {
        try
        {
            return state.Key.Read(new BoundText.Value(text));
        }
        catch (FormatException error)
        {
            throw new PartitionSetConfigurationException(state.Table, $"A row of '{state.Table}' cannot be worked with: {error.Message}", "Correct or delete the row.", error);
        }
    }

    private static Configured One(NpgsqlDataReader row, PartmanServer server)
    {
        var name = row.GetString(0);
        try
        {
            if (row.IsDBNull(3))
                return new Configured(name, null, new PartitionSetConfigurationException(null, $"The configuration names '{name}', and there is no such partitioned table.", "Forget the set, or restore the table."), 0, "", false, "");
            var table = QualifiedName.Create(row.GetString(4), row.GetString(5));
            if (row.GetInt16(7) != 1 || row.IsDBNull(8))
                throw new PartitionSetConfigurationException(table, $"'{table}' is partitioned by {(row.IsDBNull(8) ? "an expression" : $"{row.GetInt16(7)} columns")}, and only one column can be managed.");
            var set = SetRow.Read(row.GetString(1), row.Text(2), table, row.GetString(9), server);
            if (set.Control != row.GetString(8))
                throw new PartitionSetConfigurationException(table, $"The configuration of '{table}' says control '{set.Control}', and the table is partitioned by '{row.GetString(8)}'.");
            if (set.IsList != (row.GetString(6) == "l"))
                throw new PartitionSetConfigurationException(table, $"The configuration of '{table}' says '{(set.IsList ? "list" : "range")}', and the table is not partitioned so.");
            if (row.Text(12) is { } sub)
                set = set with { SubPartitions = SetRow.ReadSub(sub, SetRow.SubOptions(row.Text(2)), set, row.Text(13), server) };
            return new Configured(name, set, null, row.GetFieldValue<uint>(3), row.GetString(9), row.GetBoolean(10), row.GetString(11));
        }
        catch (PartmanException error)
        {
            return new Configured(name, null, error, 0, "", false, "");
        }
    }

    private static Child ReadChild(NpgsqlDataReader row) => new(
        row.GetFieldValue<uint>(0),
        new Partition(QualifiedName.Create(row.GetString(2), row.GetString(3)), default, default)
        {
            Oid = row.GetFieldValue<uint>(1),
            IsPartitioned = row.GetBoolean(4),
            DetachPending = row.GetBoolean(6),
            EstimatedRows = row.GetInt64(7),
            TableBytes = row.GetInt64(8),
            TotalBytes = row.GetInt64(9),
            Version = row.GetString(11),
        },
        row.Text(5), row.IsDBNull(10) ? [] : row.GetFieldValue<string[]>(10), row.Text(12));

    /// <summary>A partition with its bounds, from the text of the catalog.</summary>
    /// <exception cref="PartitionSetConfigurationException">They cannot be worked with.</exception>
    public static Partition Read(Partition partition, string text, PartitionKey key, PartitionSet set)
    {
        try
        {
            var bound = BoundText.Parse(text);
            return bound.Kind switch
            {
                BoundText.Form.Default => partition with { IsDefault = true },
                BoundText.Form.Range => partition with { Lower = key.Read(bound.From[0]), Upper = key.Read(bound.To[0]) },
                BoundText.Form.List when bound.From is [var only] && key.Read(only).Id is { } id and < long.MaxValue => partition with { Lower = PartitionBound.Of(id), Upper = PartitionBound.Of(id + 1) },
                _ => throw new FormatException("a partition of a set has one range, or one number in its list"),
            };
        }
        catch (FormatException error)
        {
            throw new PartitionSetConfigurationException(set.Table, $"The bound '{text}' of '{partition.Name}' cannot be worked with: {error.Message}", null, error);
        }
    }
}
