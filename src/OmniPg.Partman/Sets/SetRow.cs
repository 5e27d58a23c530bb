using System.Globalization;
using System.Text.Json;

namespace OmniPg.Partman;

/// <summary>A row of <c>part_config</c> and the options beside it, read by the names of their columns, whatever version laid them out.</summary>
internal static class SetRow
{
    /// <summary>Key of what stands beside a row of <c>part_config_sub</c>: an object of the other keys.</summary>
    public const string SubKey = "sub_partitions";

    public const string TimeZoneKey = "time_zone";
    public const string AnchorKey = "anchor";
    public const string BasisKey = "premake_basis";
    public const string KindKey = "key_kind";
    public const string LastFailureKey = "last_failure";
    public const string ArchiveKey = "archive";
    public const string CountKey = "retention_count";
    public const string BytesKey = "retention_bytes";
    public const string HashColumnKey = "hash_column";
    public const string HashCountKey = "hash_partitions";

    /// <summary>Key of the template's name, quoted, where a part of it has a dot.</summary>
    public const string TemplateKey = "template";

    /// <summary>What is in progress where the row says so of an undo.</summary>
    public const string Undoing = "an undo";

    /// <summary>Reads a set.</summary>
    /// <param name="config">The row as JSON.</param>
    /// <param name="options">The options as one JSON object; null for none.</param>
    /// <param name="table">The table that the row names.</param>
    /// <param name="type">Type of its control column, by which an integer is told from a moment.</param>
    /// <param name="server">The database.</param>
    /// <exception cref="PartitionSetConfigurationException">The row says what cannot be worked with.</exception>
    public static PartitionSet Read(string config, string? options, QualifiedName table, string type, PartmanServer server)
    {
        using var row = JsonDocument.Parse(config);
        using var more = JsonDocument.Parse(options ?? "{}");
        var columns = row.RootElement;
        string? Text(string column) => columns.TryGetProperty(column, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        bool Flag(string column, bool usual) => columns.TryGetProperty(column, out var value) ? value.ValueKind == JsonValueKind.True : usual;
        int? Number(string column) => columns.TryGetProperty(column, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetInt32() : null;
        string? Option(string key) => more.RootElement.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

        var kind = Kind(table, type, Text("epoch") ?? "none", Option(KindKey));
        var byTime = kind != PartitionKeyKind.Id;
        var retention = Text("retention");
        if (Text("time_encoder") is { } encoder && kind != PartitionKeyKind.UuidV7)
            throw Wrong(table, "time_encoder", encoder, "only UUIDs of version 7 can be decoded");
        var moves = Text("retention_schema");
        return new PartitionSet
        {
            Table = table,
            Control = Text("control") ?? throw Wrong(table, "control", null, "a column"),
            Kind = kind,
            Interval = byTime ? Interval(table, "partition_interval", Text("partition_interval")) : (PgInterval?)null,
            IdInterval = byTime ? null : Id(table, "partition_interval", Text("partition_interval")),
            IsList = Text("partition_type") == "list",
            TimeZone = Option(TimeZoneKey) ?? (server.UsesExtension ? server.SessionZone : "UTC"),
            Premake = Number("premake") ?? 4,
            Basis = Option(BasisKey) switch
            {
                "newest-row" => PremakeBasis.NewestRow,
                "clock" => PremakeBasis.Clock,
                _ => server.UsesExtension && !Flag("infinite_time_partitions", false) ? PremakeBasis.NewestRow : PremakeBasis.Clock,
            },
            AutomaticMaintenance = Text("automatic_maintenance") != "off",
            Retention = byTime && retention is not null ? Interval(table, "retention", retention) : (PgInterval?)null,
            IdRetention = byTime || retention is null ? null : Id(table, "retention", retention),
            RetentionCount = Option(CountKey) is { } most ? (int)Math.Min(int.MaxValue, Id(table, CountKey, most, "part_option")) : null,
            RetentionBytes = Option(BytesKey) is { } bytes ? Id(table, BytesKey, bytes, "part_option") : null,
            HashColumn = Option(HashColumnKey),
            HashPartitions = Option(HashColumnKey) is null ? null : (int)Math.Min(1000, Id(table, HashCountKey, Option(HashCountKey), "part_option")),
            WhenExpired = Option(ArchiveKey) is not null ? ExpiredAction.Archive : moves is not null ? ExpiredAction.Move : Flag("retention_keep_table", true) ? ExpiredAction.Detach : ExpiredAction.Drop,
            RetentionSchema = moves,
            ArchiveId = Option(ArchiveKey),
            KeepIndexes = Flag("retention_keep_index", true),
            KeepInPublications = Flag("retention_keep_publication", false),
            Template = Text("template_table") is not { } template ? null
                : Option(TemplateKey) is { } quoted && QualifiedName.Parse(quoted) is { Schema: { } schema } dotted && $"{schema.Value}.{dotted.Name.Value}" == template ? dotted : Name(table, "template_table", template),
            InheritPrivileges = Flag("inherit_privileges", false),
            NamePrefix = Text("child_table_prefix") ?? PartitionName.UsualPrefix,
            MaintenanceOrder = Number("maintenance_order"),
            LastMaintenance = Text("maintenance_last_run") is { } last ? DateTimeOffset.Parse(last, CultureInfo.InvariantCulture) : null,
            InProgress = Flag("undo_in_progress", false) ? Undoing : Text("async_partitioning_in_progress") is { } drain ? $"a drain of the default partition from '{drain}' on" : null,
            IsInExtension = server.UsesExtension,
            Anchor = Option(AnchorKey),
            LastFailure = Option(LastFailureKey) is { } failure ? DateTimeOffset.Parse(failure, CultureInfo.InvariantCulture) : null,
        };
    }

    /// <summary>What stands beside a row of <c>part_config_sub</c>, out of all options of a set; null for nothing.</summary>
    public static string? SubOptions(string? options)
    {
        using var all = JsonDocument.Parse(options ?? "{}");
        return all.RootElement.TryGetProperty(SubKey, out var value) ? value.GetRawText() : null;
    }

    /// <summary>Reads how the partitions of a set are partitioned again.</summary>
    /// <param name="row">The row of <c>part_config_sub</c> as JSON, its columns without their prefix.</param>
    /// <param name="options">What stands beside it, as a JSON object; null for nothing.</param>
    /// <param name="set">The set.</param>
    /// <param name="type">Type of the control column; null where there is none.</param>
    /// <param name="server">The database.</param>
    /// <exception cref="PartitionSetConfigurationException">The row says what cannot be worked with.</exception>
    public static PartitionSet ReadSub(string row, string? options, PartitionSet set, string? type, PartmanServer server)
    {
        if (type is null)
            throw new PartitionSetConfigurationException(set.Table, $"The configuration of '{set.Table}' says in 'part_config_sub' that its partitions are partitioned by a column that there is not.", "Correct the row in part_config_sub.");
        using var columns = JsonDocument.Parse(row);
        return Read(row, options, set.Table, type, server) with
        {
            TimeZone = set.TimeZone,
            NamePrefix = set.NamePrefix,
            ControlType = type,
            HasDefault = !columns.RootElement.TryGetProperty("default_table", out var value) || value.ValueKind != JsonValueKind.False,
        };
    }

    private static PartitionKeyKind Kind(QualifiedName table, string type, string epoch, string? stored)
    {
        PartitionKeyKind? kind = (epoch, type) switch
        {
            ("seconds", _) => PartitionKeyKind.EpochSeconds,
            ("milliseconds", _) => PartitionKeyKind.EpochMilliseconds,
            ("microseconds", _) => PartitionKeyKind.EpochMicroseconds,
            ("nanoseconds", _) => PartitionKeyKind.EpochNanoseconds,
            ("none", _) when stored is null => PartitionKey.KindsOf(type) is [var usual, ..] ? usual : null,
            ("none", _) => Enum.TryParse<PartitionKeyKind>(stored, out var named) ? named : null,
            _ => null,
        };
        return kind is { } known && PartitionKey.KindsOf(type).Contains(known)
            ? known
            : throw new PartitionSetConfigurationException(table, $"The configuration of '{table}' says epoch '{epoch}' for a control column of type '{type}', which is no key that can be counted.");
    }

    private static PgInterval Interval(QualifiedName table, string column, string? text) =>
        PgInterval.TryParse(text, null, out var interval) && interval.Estimate >= TimeSpan.FromSeconds(1) ? interval : throw Wrong(table, column, text, "an interval of at least a second");

    private static long Id(QualifiedName table, string column, string? text, string where = "part_config") =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id) && id > 0 ? id : throw Wrong(table, column, text, "a whole positive number", where);

    // The configuration joins raw names with one dot; where a part has a dot itself, nobody can tell.
    private static QualifiedName Name(QualifiedName table, string column, string text) => text.Split('.') is [var schema, var name]
        ? QualifiedName.Create(schema, name)
        : throw Wrong(table, column, text, "schema and name with one dot");

    private static PartitionSetConfigurationException Wrong(QualifiedName table, string column, string? text, string wanted, string where = "part_config") =>
        new(table, $"The configuration of '{table}' says '{text}' in {(where == "part_config" ? "column" : "option")} '{column}', where {wanted} belongs.", $"Correct the row in {where}.");
}
