using System.Globalization;
using System.Text.Json;

namespace OmniPg.Partman;

/// <summary>
/// Makes new partitions of a set sets again, as its row in <c>part_config_sub</c> says. Levels below that have rows of their own, each by the name of the table
/// whose partitions are partitioned: a new table follows those beside it (<c>create_parent</c> of the extension does the same), which therefore must agree.
/// </summary>
internal sealed class SubPartitioner
{
    // $1 the set: the rows of all levels below it. Whoever made a branch, it is partitioned alike.
    private const string Below =
        """
        WITH RECURSIVE t AS (
            SELECT i.inhrelid AS oid, 1 AS level FROM pg_catalog.pg_inherits i WHERE i.inhparent = $1
            UNION ALL SELECT i.inhrelid, t.level + 1 FROM t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid)
        SELECT t.level, s.sub_parent, (SELECT jsonb_object_agg(pg_catalog.substr(e.key, 5), e.value)::text FROM jsonb_each(to_jsonb(s)) e WHERE e.key NOT IN ('sub_parent', 'sub_maintenance_role')),
            (SELECT y.typname::text FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid WHERE a.attrelid = t.oid AND a.attname = s.sub_control AND a.attnum > 0), {options}
        FROM t JOIN pg_catalog.pg_class c ON c.oid = t.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN {config}.part_config_sub s ON s.sub_parent = n.nspname || '.' || c.relname
        ORDER BY 1, 2
        """;

    // $1 the table, $2 the column, $3 schema of retired partitions.
    private const string Look =
        """
        SELECT t.typname::text, a.attnotnull, c.relreplident = 'i', EXISTS (SELECT FROM pg_catalog.pg_namespace r WHERE r.nspname = $3),
            ARRAY(SELECT x.relname::text FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
                  WHERE i.indrelid = c.oid AND i.indisunique AND a.attnum IS NOT NULL AND NOT a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]) ORDER BY 1)
        FROM pg_catalog.pg_class c
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE c.oid = $1
        """;

    private readonly PgSession _session;
    private readonly PartmanServer _server;
    private readonly SetState _state;
    private readonly int _most;

    // Without an index of that column a look is a scan of the newest partition, and so there is one for all branches.
    private readonly Dictionary<PartitionKey, PartitionBound?> _newest = [];

    private SubPartitioner(PgSession session, PartmanServer server, SetState state, int most) => (_session, _server, _state, _most) = (session, server, state, most);

    /// <summary>For a set whose partitions are partitioned again; null for others.</summary>
    /// <param name="session">A session in a transaction with readable text.</param>
    /// <param name="server">The database.</param>
    /// <param name="state">The set.</param>
    /// <param name="most">Most partitions in one branch.</param>
    /// <exception cref="SubPartitionConfigMismatchException">Branches that exist do not agree in how they are partitioned further.</exception>
    public static async Task<SubPartitioner?> OfAsync(PgSession session, PartmanServer server, SetState state, int most)
    {
        if (state.Set.SubPartitions is not { } first)
            return state.Set.HashColumn is null ? null : new SubPartitioner(session, server, state, most);
        if (server.SubColumns.Count == 0 || state.Partitions.Count == 0)
            return new SubPartitioner(session, server, state, most);
        var options = server.HasOwn
            ? $"(SELECT o.value::text FROM {server.OwnSchema.Quoted}.part_option o WHERE o.parent_table = s.sub_parent AND o.key = '{SetRow.SubKey}')" : "NULL::text";
        var rows = await session.RowsAsync(
            Below.Replace("{options}", options, StringComparison.Ordinal).Replace("{config}", server.ConfigSchema.Quoted, StringComparison.Ordinal),
            row => (Level: row.GetInt32(0), Table: row.GetString(1), Row: row.GetString(2), Type: row.Text(3), Options: row.Text(4)),
            PgParameter.Of(state.Oid, NpgsqlTypes.NpgsqlDbType.Oid)).ConfigureAwait(false);
        PartitionSet? pattern = null;
        foreach (var level in rows.GroupBy(r => r.Level).OrderByDescending(l => l.Key))
        {
            var one = level.First();
            if (level.FirstOrDefault(r => r.Row != one.Row || r.Options != one.Options) is { Table: { } other } different)
                throw new SubPartitionConfigMismatchException(state.Table, one.Table, other, Differing(one.Row, different.Row));
            pattern = SetRow.ReadSub(one.Row, one.Options, first with { SubPartitions = null }, one.Type, server) with { SubPartitions = pattern };
        }
        return new SubPartitioner(session, server, state with { Set = state.Set with { SubPartitions = first with { SubPartitions = pattern ?? first.SubPartitions } } }, most);
    }

    /// <summary>The set with all levels below it.</summary>
    public PartitionSet Set => _state.Set;

    /// <summary>The branch of a partition that does not exist yet.</summary>
    public Task<Branch> BranchAsync(ParentShape shape, NewRange range) => _state.Set.HashColumn is not null ? Task.FromResult(HashSplit.Branch(_state, shape, range)) : BranchAsync(_state, shape with { ReplicaIndex = null }, range, _state.Set.SubPartitions!);

    private async Task<Branch> BranchAsync(SetState above, ParentShape shape, NewRange range, PartitionSet pattern)
    {
        if (pattern.Template != above.Set.Template)
            shape = await ParentShape.ReadAsync(_session, _state.Table, _state.Oid, pattern.Template).ConfigureAwait(false) with { ReplicaIndex = null };
        var set = pattern with { Table = range.Name, TimeZone = above.Set.TimeZone, IsInExtension = _server.UsesExtension };
        var key = new PartitionKey(PgIdentifier.Create(set.Control), set.ControlType, set.Kind);
        var state = above with
        {
            Set = set,
            Key = key,
            Oid = 0,
            Partitions = [],
            Default = null,
            Cutoff = null,
            ReferencedBy = [],
            Within = key.Column == above.Key.Column ? (range.Lower, range.Upper) : null,
            Newest = key.IsTime ? null : await NewestAsync(key).ConfigureAwait(false),
        };
        var (ranges, anchor) = await NewRanges.FirstAsync(_session, state, _most).ConfigureAwait(false);
        List<string> statements = [.. _state.Oid != 0 && _state.Partitions.Count > 0 && !_server.HasOwn ? SetConfiguration.Install(_server.OwnSchema) : [], .. SetConfiguration.Rows(_server, set with { Anchor = _server.UsesExtension ? null : anchor })];
        var after = new List<string>();
        foreach (var below in ranges)
        {
            var further = set.SubPartitions is { } deeper ? await BranchAsync(state, shape, below, deeper).ConfigureAwait(false) : null;
            statements.AddRange(PartitionDdl.Made(state, shape, below, further));
            after.AddRange(PartitionDdl.Complete(state, shape, below, further));
        }
        if (set.HasDefault)
            statements.AddRange(PartitionDdl.CreateDefault(state, shape, new QualifiedName(range.Name.Schema, PartitionName.OfDefault(range.Name.Name))));
        return new Branch($"{(set.IsList ? "LIST" : "RANGE")} ({key.Column.Quoted})", statements, after);
    }

    private async Task<PartitionBound?> NewestAsync(PartitionKey key)
    {
        if (!_newest.TryGetValue(key, out var newest))
            _newest[key] = newest = await SetReader.NewestAsync(_session.Unlimited, _state with { Key = key }).ConfigureAwait(false);
        return newest;
    }

    /// <summary>How the partitions of a table are to be partitioned again; null when they are not.</summary>
    /// <param name="session">A session.</param>
    /// <param name="server">The database.</param>
    /// <param name="table">The table.</param>
    /// <param name="oid">The table.</param>
    /// <param name="wish">The wish for the partitions; null for none.</param>
    /// <param name="above">The set that they are partitions of.</param>
    /// <param name="archive">The client's archive.</param>
    /// <param name="reasons">Told what is wrong.</param>
    public static async Task<PartitionSet?> PatternAsync(
        PgSession session, PartmanServer server, QualifiedName table, uint oid, PartitionSetOptions? wish, PartitionSet above, string? archive, ICollection<InvalidDefinition> reasons)
    {
        if (wish is null)
            return null;
        var facts = (await session.RowAsync(
            Look, row => new { Type = row.Text(0), IsNotNull = row.IsTrue(1), HasIdentity = row.GetBoolean(2), HasSchema = row.GetBoolean(3), Unique = row.GetFieldValue<string[]>(4) },
            PgParameter.Of(oid, NpgsqlTypes.NpgsqlDbType.Oid), PgParameter.Text(wish.Control), PgParameter.Text(wish.RetentionSchema)).ConfigureAwait(false))!;
        void Wrong(InvalidDefinitionReason reason, string text) => reasons.Add(new InvalidDefinition(reason, $"Its partitions cannot be partitioned by '{wish.Control}': {text}"));

        var kinds = facts.Type is { } type ? PartitionKey.KindsOf(type) : [];
        var kind = wish.Kind ?? (wish.IdInterval is not null ? PartitionKeyKind.Id : kinds.FirstOrDefault(k => k != PartitionKeyKind.Id || wish.Interval is null));
        if (facts.Type is null)
            Wrong(InvalidDefinitionReason.ControlMismatch, "there is no such column.");
        else if (!kinds.Contains(kind))
            Wrong(InvalidDefinitionReason.ControlType, $"type '{facts.Type}' cannot hold '{kind}'.");
        else if ((kind == PartitionKeyKind.Id) != (wish.Interval is null))
            Wrong(InvalidDefinitionReason.Interval, $"it holds '{kind}', and the interval is '{wish.Interval?.ToString() ?? wish.IdInterval!.Value.ToString(CultureInfo.InvariantCulture)}'.");
        else if (wish.Control == above.Control && kind != above.Kind)
            Wrong(InvalidDefinitionReason.ControlType, $"above, it holds '{above.Kind}', and here '{kind}'.");
        if (facts is { Type: not null, IsNotNull: false } && !wish.AllowNull)
            Wrong(InvalidDefinitionReason.ControlNullable, "it may be null, and AllowNull is off.");
        if (facts.Type == "date" && wish.Interval is { } days && days.Microseconds % 86_400_000_000 != 0)
            Wrong(InvalidDefinitionReason.Interval, $"it holds whole days, and interval '{wish.Interval}' does not.");
        foreach (var index in facts.Unique)
            Wrong(InvalidDefinitionReason.Uniqueness, $"unique index '{index}' does not hold it.");
        if (facts.HasIdentity)
            Wrong(InvalidDefinitionReason.Unsupported, "the replica identity of the table is an index; FULL, DEFAULT and NOTHING are taken along.");
        if (wish.RetentionSchema is { } schema && !facts.HasSchema)
            Wrong(InvalidDefinitionReason.RetentionSchema, $"there is no schema '{schema}'.");
        if (wish.WhenExpired == ExpiredAction.Archive && archive is null)
            Wrong(InvalidDefinitionReason.Archive, "they are to be archived, and the client was made without an archive.");
        var set = wish.ToSet(table, kind, above.TimeZone, server.UsesExtension) with
        {
            ArchiveId = wish.WhenExpired == ExpiredAction.Archive ? archive : null,
            Template = above.Template,
            NamePrefix = above.NamePrefix,
            ControlType = facts.Type ?? "",
            HasDefault = wish.DefaultPartition,
        };
        return set with { SubPartitions = await PatternAsync(session, server, table, oid, wish.SubPartitions, set, archive, reasons).ConfigureAwait(false) };
    }

    /// <summary>What tells one way of partitioning again from another.</summary>
    public static string Described(PartitionSet? pattern) => pattern is null ? "" : string.Create(CultureInfo.InvariantCulture,
        $"{pattern.Control} {pattern.Kind} {pattern.Interval?.ToString() ?? pattern.IdInterval?.ToString(CultureInfo.InvariantCulture)}, premake {pattern.Premake} by {pattern.Basis}, retention {pattern.Retention?.ToString() ?? pattern.IdRetention?.ToString(CultureInfo.InvariantCulture) ?? "none"} ")
        + (pattern is { RetentionCount: null, RetentionBytes: null } ? "" : $"of {pattern.RetentionCount?.ToString(CultureInfo.InvariantCulture) ?? "all"} partitions, {pattern.RetentionBytes?.ToString(CultureInfo.InvariantCulture) ?? "all"} bytes ")
        + $"({pattern.WhenExpired} {pattern.RetentionSchema}{pattern.ArchiveId}, indexes {pattern.KeepIndexes}, publications {pattern.KeepInPublications}), default {pattern.HasDefault}, privileges {pattern.InheritPrivileges}, "
        + $"maintenance {pattern.AutomaticMaintenance} {pattern.MaintenanceOrder?.ToString(CultureInfo.InvariantCulture)}{(pattern.SubPartitions is { } deeper ? "; " + Described(deeper) : "")}";

    private static List<string> Differing(string one, string other)
    {
        using var left = JsonDocument.Parse(one);
        using var right = JsonDocument.Parse(other);
        var columns = left.RootElement.EnumerateObject().Where(p => !right.RootElement.TryGetProperty(p.Name, out var value) || value.GetRawText() != p.Value.GetRawText()).Select(p => "sub_" + p.Name).ToList();
        // The package keeps some of it beside that row.
        return columns.Count > 0 ? columns : [SetRow.SubKey];
    }
}
