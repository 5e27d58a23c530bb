using System.Globalization;
using System.Text.Json;

namespace OmniPg.Partman;

/// <summary>Writes down how a set is defined, for another database: the options that would make it, with all levels below it.</summary>
internal static class SetExport
{
    // $1 the set: whether its column may be null.
    private const string Nullable =
        "SELECT NOT a.attnotnull FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attname = $2 AND a.attnum > 0";

    public static async Task<string> TextAsync(PgSession session, PartmanServer server, QualifiedName table, DefinitionFormat format)
    {
        var state = await SetReader.StateAsync(session, server, table).ConfigureAwait(false);
        var set = (await SubPartitioner.OfAsync(session, server, state, 1).ConfigureAwait(false))?.Set ?? state.Set;
        var options = Options(set);
        options.DefaultPartition = state.Default is not null;
        options.AllowNull = await session.ScalarAsync(Nullable, PgParameter.Of(state.Oid, NpgsqlTypes.NpgsqlDbType.Oid), PgParameter.Text(set.Control)).ConfigureAwait(false) is true;
        await BeginAsync(session, state, options).ConfigureAwait(false);
        return format switch
        {
            DefinitionFormat.Json => Json(table, options),
            DefinitionFormat.CSharp => CSharp(table, options),
            _ => ExtensionSql(server, state, set, options),
        };
    }

    private static PartitionSetOptions Options(PartitionSet set) => new()
    {
        Control = set.Control,
        Kind = PartitionKey.KindsOf("int8").Contains(set.Kind) && set.Kind != PartitionKeyKind.Id ? set.Kind : null,
        Interval = set.Interval,
        IdInterval = set.IdInterval,
        TimeZone = set.Interval is null ? null : set.TimeZone,
        Premake = set.Premake,
        Basis = set.Interval is null ? PremakeBasis.Clock : set.Basis,
        DefaultPartition = set.HasDefault,
        Template = set.Template,
        HashColumn = set.HashColumn,
        HashPartitions = set.HashPartitions,
        Retention = set.Retention,
        IdRetention = set.IdRetention,
        RetentionCount = set.RetentionCount,
        RetentionBytes = set.RetentionBytes,
        WhenExpired = set.WhenExpired,
        RetentionSchema = set.RetentionSchema,
        KeepIndexes = set.KeepIndexes,
        KeepInPublications = set.KeepInPublications,
        InheritPrivileges = set.InheritPrivileges,
        AutomaticMaintenance = set.AutomaticMaintenance,
        MaintenanceOrder = set.MaintenanceOrder,
        SubPartitions = set.SubPartitions is { } sub ? Below(Options(sub)) : null,
    };

    private static PartitionSetOptions Below(PartitionSetOptions options)
    {
        (options.TimeZone, options.Template) = (null, null);
        return options;
    }

    // Where boundaries are not those that a new set would have by itself, they are counted from the one that this set counts from.
    private static async Task BeginAsync(PgSession session, SetState state, PartitionSetOptions options)
    {
        if (state.Set.Anchor is not { } text)
            return;
        if (state.Set.IdInterval is { } step)
        {
            var rest = long.Parse(text, CultureInfo.InvariantCulture) % step;
            options.IdOffset = rest < 0 ? rest + step : rest;
            return;
        }
        var (anchor, interval) = (NewRanges.AnchorOf(text), state.Set.Interval!.Value);
        var isWeeks = interval is { Months: 0, Microseconds: 0 } && interval.Days % 7 == 0;
        if (anchor == (isWeeks ? TimeSteps.OnWeekday(anchor, DayOfWeek.Monday) : TimeSteps.Truncate(anchor, interval)))
            return;
        var zone = state.Key.IsWallClock || TimeSteps.FollowsCalendar(interval) ? state.Set.TimeZone : "UTC";
        (options.Start, options.StartExactly) = ((await ZoneClock.MomentsAsync(session, zone, [anchor]).ConfigureAwait(false))[0], true);
    }

    /// <summary>The properties that are not as by default, as texts that <see cref="PartitionSetOptions.Parse"/> reads; those of the level below in a list of their own.</summary>
    private static IEnumerable<(string Name, object Value)> Told(PartitionSetOptions options)
    {
        var usual = new PartitionSetOptions();
        (string Name, object? Value, object? Usual)[] all =
        [
            (nameof(options.Control), options.Control, null), (nameof(options.Kind), options.Kind, null), (nameof(options.Interval), options.Interval, null), (nameof(options.IdInterval), options.IdInterval, null),
            (nameof(options.TimeZone), options.TimeZone, null), (nameof(options.Premake), options.Premake, usual.Premake), (nameof(options.Basis), options.Basis, usual.Basis),
            (nameof(options.Start), options.Start, null), (nameof(options.StartExactly), options.StartExactly, false), (nameof(options.IdOffset), options.IdOffset, usual.IdOffset),
            (nameof(options.DefaultPartition), options.DefaultPartition, true), (nameof(options.AllowNull), options.AllowNull, false), (nameof(options.Template), options.Template, null),
            (nameof(options.HashColumn), options.HashColumn, null), (nameof(options.HashPartitions), options.HashPartitions, null), (nameof(options.Retention), options.Retention, null), (nameof(options.IdRetention), options.IdRetention, null), (nameof(options.RetentionCount), options.RetentionCount, null),
            (nameof(options.RetentionBytes), options.RetentionBytes, null), (nameof(options.WhenExpired), options.WhenExpired, usual.WhenExpired), (nameof(options.RetentionSchema), options.RetentionSchema, null),
            (nameof(options.KeepIndexes), options.KeepIndexes, true), (nameof(options.KeepInPublications), options.KeepInPublications, false), (nameof(options.InheritPrivileges), options.InheritPrivileges, false),
            (nameof(options.AutomaticMaintenance), options.AutomaticMaintenance, true), (nameof(options.MaintenanceOrder), options.MaintenanceOrder, null), (nameof(options.SubPartitions), options.SubPartitions, null),
        ];
        return all.Where(p => p.Value is not null && !Equals(p.Value, p.Usual)).Select(p => (p.Name, p.Value!));
    }

    private static string Json(QualifiedName table, PartitionSetOptions options)
    {
        using var text = new MemoryStream();
        using (var json = new Utf8JsonWriter(text, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WritePropertyName(table.ToString());
            Write(json, options);
            json.WriteEndObject();
        }
        return System.Text.Encoding.UTF8.GetString(text.ToArray()) + "\n";

        static void Write(Utf8JsonWriter json, PartitionSetOptions options)
        {
            json.WriteStartObject();
            foreach (var (name, value) in Told(options))
            {
                json.WritePropertyName(JsonNamingPolicy.CamelCase.ConvertName(name));
                switch (value)
                {
                    case PartitionSetOptions below: Write(json, below); break;
                    case bool flag: json.WriteBooleanValue(flag); break;
                    case int or long: json.WriteNumberValue(Convert.ToInt64(value, CultureInfo.InvariantCulture)); break;
                    case DateTimeOffset moment: json.WriteStringValue(moment.ToString("O", CultureInfo.InvariantCulture)); break;
                    case Enum word: json.WriteStringValue(JsonNamingPolicy.CamelCase.ConvertName(word.ToString())); break;
                    default: json.WriteStringValue(value.ToString()); break;
                }
            }
            json.WriteEndObject();
        }
    }

    private static string CSharp(QualifiedName table, PartitionSetOptions options)
    {
        return $"await partman.CreateAsync(QualifiedName.Parse({Literal(table.ToString())}), {New(options, "")});\n";

        static string New(PartitionSetOptions options, string indent)
        {
            var lines = Told(options).Select(p => $"{indent}    {p.Name} = {Of(p.Value, indent + "    ")},\n");
            return $"new PartitionSetOptions\n{indent}{{\n{string.Concat(lines)}{indent}}}";
        }

        static string Of(object value, string indent) => value switch
        {
            PartitionSetOptions below => New(below, indent),
            bool flag => flag ? "true" : "false",
            int or long => Convert.ToString(value, CultureInfo.InvariantCulture)!,
            Enum word => $"{word.GetType().Name}.{word}",
            PgInterval interval => $"PgInterval.Parse({Literal(interval.ToString())})",
            QualifiedName name => $"QualifiedName.Parse({Literal(name.ToString())})",
            DateTimeOffset moment => $"DateTimeOffset.Parse({Literal(moment.ToString("O", CultureInfo.InvariantCulture))}, CultureInfo.InvariantCulture)",
            _ => Literal(value.ToString()!),
        };

        // As a JSON string is written: all that is not plain stands as an escape, which C# reads alike.
        static string Literal(string text) => $"\"{JsonEncodedText.Encode(text)}\"";
    }

    /// <summary>Calls of the extension (<c>create_parent</c>, <c>create_sub_parent</c>), and what it has no argument for as an update of its row.</summary>
    private static string ExtensionSql(PartmanServer server, SetState state, PartitionSet set, PartitionSetOptions options)
    {
        if (set.Template is { } named && (named.Schema!.Value.Value + named.Name.Value).Contains('.', StringComparison.Ordinal))
            throw new PartitionSetConfigurationException(set.Table, $"The extension cannot name the template '{named}', which has a dot in its name.", "Export it as JSON.");
        if ((set.Table.Schema!.Value.Value + set.Table.Name.Value).Contains('.', StringComparison.Ordinal))
            throw new PartitionSetConfigurationException(set.Table, $"The extension cannot manage '{set.Table}', which has a dot in its name.", "Export it as JSON.");
        var schema = (server.ExtensionSchema ?? PgIdentifier.Create("partman")).Quoted;
        var text = new System.Text.StringBuilder();
        for (var (level, sub) = (set, 0); level is not null; (level, sub) = (level.SubPartitions!, sub + 1))
        {
            List<(string Name, string Value)> arguments =
            [
                (sub == 0 ? "p_parent_table" : "p_top_parent", PgLiteral.Quote(set.ConfigKey)), ("p_control", PgLiteral.Quote(level.Control)),
                ("p_interval", PgLiteral.Quote(level.Interval?.ToString() ?? level.IdInterval!.Value.ToString(CultureInfo.InvariantCulture))), ("p_type", level.IsList ? "'list'" : "'range'"),
                ("p_epoch", PgLiteral.Quote(SetConfiguration.Epoch(level.Kind))), ("p_premake", level.Premake.ToString(CultureInfo.InvariantCulture)),
                ("p_default_table", (sub == 0 ? state.Default is not null : level.HasDefault) ? "true" : "false"),
            ];
            if (sub == 0)
                arguments.AddRange([("p_automatic_maintenance", level.AutomaticMaintenance ? "'on'" : "'off'"), ("p_template_table", level.Template is { } t ? PgLiteral.Quote($"{t.Schema!.Value.Value}.{t.Name.Value}") : "'false'")]);
            else
                arguments.Add(("p_declarative_check", "'yes'"));
            if (options.Start is { } start && sub == 0)
                arguments.Add(("p_start_partition", PgLiteral.Quote(start.ToString("O", CultureInfo.InvariantCulture))));
            if (sub == 0 && options.AllowNull)
                arguments.Add(("p_control_not_null", "false"));
            if (level.Kind == PartitionKeyKind.UuidV7)
                arguments.AddRange([("p_time_encoder", PgLiteral.Quote($"{schema}.uuid7_time_encoder")), ("p_time_decoder", PgLiteral.Quote($"{schema}.uuid7_time_decoder"))]);
            text.Append(CultureInfo.InvariantCulture, $"SELECT {schema}.{(sub == 0 ? "create_parent" : "create_sub_parent")}({string.Join(", ", arguments.Select(a => $"{a.Name} := {a.Value}"))});\n");
            var (prefix, of) = sub == 0 ? ("", $"part_config SET {{0}} WHERE parent_table = {PgLiteral.Quote(set.ConfigKey)}") : ("sub_", $"part_config_sub SET {{0}} WHERE sub_parent = {PgLiteral.Quote(set.ConfigKey)}");
            var values = SetConfiguration.OfExtension(server, level).Select(v => $"{prefix}{v.Column} = {v.Value}").ToList();
            text.Append("UPDATE ").Append(schema).Append('.').Append(of.Replace("{0}", string.Join(", ", values), StringComparison.Ordinal)).Append(";\n");
            foreach (var lost in Lost(level))
                text.Append("-- ").Append(lost.ReplaceLineEndings("\n-- ")).Append('\n');
        }
        return text.ToString();
    }

    private static IEnumerable<string> Lost(PartitionSet set)
    {
        if (set.Interval is not null && set.TimeZone != "UTC")
            yield return $"The extension works in the time zone of its session: run it with TimeZone '{set.TimeZone}'.";
        if (set.HashColumn is not null)
            yield return "The extension splits no partition by a hash: they are plain tables.";
        if (set.RetentionCount is not null || set.RetentionBytes is not null)
            yield return "Retention by number and by size is none that the extension knows.";
        if (set.WhenExpired == ExpiredAction.Archive)
            yield return "The extension archives nothing: partitions stay as tables.";
    }
}
