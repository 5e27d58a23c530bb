using System.Globalization;

namespace OmniPg.Partman;

/// <summary>The statements that write down a set, and the tables that it is written to.</summary>
internal static class SetConfiguration
{
    /// <summary>Installs what is missing of the own tables, and writes the rows of a set.</summary>
    public static IReadOnlyList<string> Statements(PartmanServer server, SetState state) =>
    [
        .. server.HasOwn && (state.Set.SubPartitions is null || server.SubColumns.Count > 0) ? [] : Install(server.OwnSchema), .. Rows(server, state.Set),
    ];

    /// <summary>Writes the rows of a set, and of how its partitions are partitioned again; the tables are there.</summary>
    public static IReadOnlyList<string> Rows(PartmanServer server, PartitionSet set) =>
        [Row(server, set), .. Options(server, set), .. set.SubPartitions is { } sub ? SubRows(server, set, sub) : []];

    /// <summary>Writes how the partitions of a set are partitioned again, from now on.</summary>
    public static IReadOnlyList<string> SubRows(PartmanServer server, PartitionSet set, PartitionSet sub)
    {
        var table = $"{server.ConfigSchema.Quoted}.part_config_sub";
        (string Column, string Value)[] values =
        [
            ("parent", PgLiteral.Quote(set.ConfigKey)), .. Values(server, sub).Where(v => v.Column is not ("parent_table" or "datetime_string")), ("default_table", sub.HasDefault ? "true" : "false"),
        ];
        var known = values.Where(v => server.SubColumns.Count == 0 || server.SubColumns.Contains("sub_" + v.Column)).ToList();
        var beside = OptionsOf(sub).Where(o => o.Value is not null && o.Key is not (SetRow.TimeZoneKey or SetRow.AnchorKey)).Select(o => $"'{o.Key}', {PgLiteral.Quote(o.Value!)}");
        return
        [
            $"DELETE FROM {table} WHERE sub_parent = {PgLiteral.Quote(set.ConfigKey)}",
            $"INSERT INTO {table} ({string.Join(", ", known.Select(v => "sub_" + v.Column))}) VALUES ({string.Join(", ", known.Select(v => v.Value))})",
            $"INSERT INTO {server.OwnSchema.Quoted}.part_option (parent_table, key, value) VALUES ({PgLiteral.Quote(set.ConfigKey)}, '{SetRow.SubKey}', pg_catalog.jsonb_build_object({string.Join(", ", beside)})) "
                + "ON CONFLICT (parent_table, key) DO UPDATE SET value = EXCLUDED.value",
        ];
    }

    /// <summary>Takes it away: partitions that come from now on are plain tables.</summary>
    public static IReadOnlyList<string> NoSubRows(PartmanServer server, PartitionSet set) =>
    [
        $"DELETE FROM {server.ConfigSchema.Quoted}.part_config_sub WHERE sub_parent = {PgLiteral.Quote(set.ConfigKey)}",
        .. server.HasOwn ? new[] { $"DELETE FROM {server.OwnSchema.Quoted}.part_option WHERE parent_table = {PgLiteral.Quote(set.ConfigKey)} AND key = '{SetRow.SubKey}'" } : [],
    ];

    /// <summary>The statement that forgets a table and all below it that are partitioned, while they are still there to be named.</summary>
    public static IEnumerable<string> ForgetTree(PartmanServer server, uint oid)
    {
        var tree = $"SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_partition_tree({oid.ToString(CultureInfo.InvariantCulture)}::pg_catalog.oid::pg_catalog.regclass) t "
            + "JOIN pg_catalog.pg_class c ON c.oid = t.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.isleaf";
        yield return $"DELETE FROM {server.ConfigSchema.Quoted}.part_config WHERE parent_table IN ({tree})";
        if (server.HasOwn)
            yield return $"DELETE FROM {server.OwnSchema.Quoted}.part_option WHERE parent_table IN ({tree})";
    }

    /// <summary>The statements that make the own tables; they change nothing where these exist.</summary>
    public static IReadOnlyList<string> Install(PgIdentifier schema)
    {
        using var stream = typeof(SetConfiguration).Assembly.GetManifestResourceStream("own.sql")!;
        using var reader = new StreamReader(stream);
        return [.. SqlTemplate.Render(reader.ReadToEnd(), schema, schema, withSide: true).Split(";\n", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)];
    }

    /// <summary>A script that lets a role maintain sets whose tables it owns; it must own the tables, or be a member of their owner.</summary>
    public static string GrantScript(PartmanServer server, PgIdentifier role)
    {
        PgIdentifier[] schemas = server.UsesExtension ? [server.OwnSchema, server.ExtensionSchema!.Value] : [server.OwnSchema];
        return Privileges.Script(role, schemas,
        [
            new Privileges(server.ConfigSchema, "", ["SELECT", "INSERT", "UPDATE", "DELETE"], ["part_config", "part_config_sub"]).Existing(server),
            new Privileges(server.OwnSchema, "", ["SELECT", "INSERT", "UPDATE", "DELETE"], ["part_option", "operation"]),
            new Privileges(server.OwnSchema, "", ["SELECT"], ["schema_version"]),
        ]);
    }

    private static Privileges Existing(this Privileges privileges, PartmanServer server) => server.UsesExtension || server.SubColumns.Count > 0 ? privileges : privileges with { Objects = ["part_config"] };

    /// <summary>Statements that change a set that exists into another, in what its partitions do not depend on.</summary>
    public static IReadOnlyList<string> Change(PartmanServer server, PartitionSet set)
    {
        // What the partitions came from stays, and so does what runs note.
        string[] fixedColumns = ["parent_table", "control", "partition_interval", "partition_type", "epoch", "datetime_string", "time_encoder", "time_decoder", "jobmon"];
        var table = $"{server.OwnSchema.Quoted}.part_option";
        (string Key, string? Value)[] options = [.. OptionsOf(set).Where(o => o.Key is SetRow.BasisKey or SetRow.ArchiveKey or SetRow.TemplateKey or SetRow.CountKey or SetRow.BytesKey)];
        return
        [
            .. server.HasOwn ? [] : Install(server.OwnSchema),
            $"UPDATE {server.ConfigSchema.Quoted}.part_config SET {string.Join(", ", Values(server, set).Where(v => !fixedColumns.Contains(v.Column)).Select(v => $"{v.Column} = {v.Value}"))} WHERE parent_table = {PgLiteral.Quote(set.ConfigKey)}",
            $"DELETE FROM {table} WHERE parent_table = {PgLiteral.Quote(set.ConfigKey)} AND key IN ({string.Join(", ", options.Select(o => PgLiteral.Quote(o.Key)))})",
            Insert(table, set, options),
        ];
    }

    /// <summary>What the calls of the extension that make a set have no argument for.</summary>
    public static IEnumerable<(string Column, string Value)> OfExtension(PartmanServer server, PartitionSet set)
    {
        string[] wanted = ["retention", "retention_schema", "retention_keep_index", "retention_keep_table", "retention_keep_publication", "infinite_time_partitions", "inherit_privileges", "maintenance_order"];
        return Values(server, set).Where(v => wanted.Contains(v.Column));
    }

    private static string Row(PartmanServer server, PartitionSet set)
    {
        var values = Values(server, set);
        return $"INSERT INTO {server.ConfigSchema.Quoted}.part_config ({string.Join(", ", values.Select(v => v.Column))}) VALUES ({string.Join(", ", values.Select(v => v.Value))})";
    }

    private static (string Column, string Value)[] Values(PartmanServer server, PartitionSet set)
    {
        string Text(string? value) => value is null ? "NULL" : PgLiteral.Quote(value);
        string Flag(bool value) => value ? "true" : "false";
        string Number(long? value) => value?.ToString(CultureInfo.InvariantCulture) ?? "NULL";
        (string Column, string Value)[] values =
        [
            ("parent_table", Text(set.ConfigKey)), ("control", Text(set.Control)),
            ("partition_interval", Text(set.Interval?.ToString() ?? Number(set.IdInterval))), ("partition_type", Text(set.IsList ? "list" : "range")),
            ("premake", Number(set.Premake)), ("automatic_maintenance", Text(set.AutomaticMaintenance ? "on" : "off")),
            ("template_table", Text(set.Template is { } template ? $"{template.Schema?.Value ?? "public"}.{template.Name.Value}" : null)),
            ("retention", Text(set.Retention?.ToString() ?? (set.IdRetention is { } keep ? Number(keep) : null))), ("retention_schema", Text(set.RetentionSchema)),
            ("retention_keep_index", Flag(set.KeepIndexes)), ("retention_keep_table", Flag(set.WhenExpired != ExpiredAction.Drop)),
            ("retention_keep_publication", Flag(set.KeepInPublications)), ("epoch", Text(Epoch(set.Kind))),
            ("infinite_time_partitions", Flag(set is { Interval: not null, Basis: PremakeBasis.Clock })),
            ("datetime_string", Text(set.Interval is { } interval ? TimeSteps.FollowsCalendar(interval) ? "YYYYMMDD" : "YYYYMMDD_HH24MISS" : null)),
            ("inherit_privileges", Flag(set.InheritPrivileges)), ("maintenance_order", Number(set.MaintenanceOrder)), ("jobmon", "true"),
            .. set.Kind == PartitionKeyKind.UuidV7 && server.UsesExtension
                ? new[] { ("time_encoder", Text($"{server.ExtensionSchema!.Value.Value}.uuid7_time_encoder")), ("time_decoder", Text($"{server.ExtensionSchema!.Value.Value}.uuid7_time_decoder")) } : [],
        ];
        // Of another version of the extension, another set of columns.
        return server.HasConfig ? [.. values.Where(v => server.Columns.Contains(v.Column))] : values;
    }

    private static IEnumerable<string> Options(PartmanServer server, PartitionSet set)
    {
        var table = $"{server.OwnSchema.Quoted}.part_option";
        return [$"DELETE FROM {table} WHERE parent_table = {PgLiteral.Quote(set.ConfigKey)}", Insert(table, set, OptionsOf(set))];
    }

    private static (string Key, string? Value)[] OptionsOf(PartitionSet set) =>
    [
        (SetRow.TimeZoneKey, set.TimeZone), (SetRow.AnchorKey, set.Anchor), (SetRow.BasisKey, set.Basis == PremakeBasis.Clock ? "clock" : "newest-row"),
        (SetRow.KindKey, set.Kind.ToString()), (SetRow.ArchiveKey, set.ArchiveId),
        (SetRow.HashColumnKey, set.HashColumn), (SetRow.HashCountKey, set.HashPartitions?.ToString(CultureInfo.InvariantCulture)),
        (SetRow.CountKey, set.RetentionCount?.ToString(CultureInfo.InvariantCulture)), (SetRow.BytesKey, set.RetentionBytes?.ToString(CultureInfo.InvariantCulture)),
        (SetRow.TemplateKey, set.Template is { Schema: { } schema } template && (schema.Value + template.Name.Value).Contains('.', StringComparison.Ordinal) ? template.Quoted : null),
    ];

    private static string Insert(string table, PartitionSet set, IEnumerable<(string Key, string? Value)> options) =>
        $"INSERT INTO {table} (parent_table, key, value) VALUES " + string.Join(", ", options.Where(o => o.Value is not null)
            .Select(o => $"({PgLiteral.Quote(set.ConfigKey)}, '{o.Key}', pg_catalog.to_jsonb({PgLiteral.Quote(o.Value!)}::pg_catalog.text))"));

    public static string Epoch(PartitionKeyKind kind) => kind switch
    {
        PartitionKeyKind.EpochSeconds => "seconds",
        PartitionKeyKind.EpochMilliseconds => "milliseconds",
        PartitionKeyKind.EpochMicroseconds => "microseconds",
        PartitionKeyKind.EpochNanoseconds => "nanoseconds",
        _ => "none",
    };
}
