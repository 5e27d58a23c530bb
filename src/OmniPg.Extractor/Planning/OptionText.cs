using System.Globalization;
using System.Text;

namespace OmniPg.Extractor;

/// <summary>The options that decide about a tree's content, as text for the manifest and back: a drift check extracts with the same ones.</summary>
internal static class OptionText
{
    public static SortedDictionary<string, string> Write(ExtractionOptions options)
    {
        var text = new SortedDictionary<string, string>(StringComparer.Ordinal);
        void Add(string name, bool set, string value = "true")
        {
            if (set)
                text[name] = value;
        }
        Add("kinds", options.Kinds != ObjectKinds.All, options.Kinds.ToString());
        Add("copies", options.Copies != FileCopies.None, options.Copies.ToString());
        Add("no_owner", options.NoOwner);
        Add("no_privileges", options.NoPrivileges);
        Add("or_replace", options.OrReplace);
        Add("clean", options.Clean, options.CleanIfExists ? "if exists" : "true");
        Add("secrets", options.IncludeSecrets);
        Add("roles", options.Roles, options.RoleFiles ? "per role" : "true");
        Add("statistics_data", options.StatisticsData);
        Add("prologue", options.Prologue, "Full");
        Add("psql_driver", options.PsqlDriver);
        Add("partitions", options.Partitions != PartitionFiles.Own, options.Partitions.ToString());
        Add("transforms", options.Transforms.Count > 0, options.Transforms.Count.ToString(CultureInfo.InvariantCulture));
        Add("data", options.Data is not null, options.Data?.Format.ToString() ?? "");
        // As with data, a comparison is about definitions, so this is not read back.
        Add("reference_data", options.ReferenceTables.Count > 0, string.Join('\n', options.ReferenceTables.Order(StringComparer.Ordinal)));
        Add("large_objects", options.Data is { IncludeLargeObjects: true });
        Add("layout", options.Layout.Preset != LayoutPreset.PerKind, options.Layout.Preset.ToString());
        Add("schema_directories", options.Layout.SchemaDirectories);
        Add("routines", options.Layout.FilePerSignature, "PerSignature");
        foreach (var (kind, folder) in options.Layout.Folders)
            text["folder " + kind] = folder;
        var filter = FilterText.Write(options.Filter);
        Add("filter", filter.Length > 0, filter);
        return text;
    }

    public static ExtractionOptions Read(IReadOnlyDictionary<string, string> text)
    {
        var clean = text.GetValueOrDefault("clean");
        var options = new ExtractionOptions
        {
            Kinds = Value(text, "kinds", ObjectKinds.All),
            Copies = Value(text, "copies", FileCopies.None),
            NoOwner = text.ContainsKey("no_owner"),
            NoPrivileges = text.ContainsKey("no_privileges"),
            OrReplace = text.ContainsKey("or_replace"),
            Clean = clean is not null,
            CleanIfExists = clean == "if exists",
            IncludeSecrets = text.ContainsKey("secrets"),
            StatisticsData = text.ContainsKey("statistics_data"),
            Prologue = text.GetValueOrDefault("prologue") == "Full",
            PsqlDriver = text.ContainsKey("psql_driver"),
            Partitions = Value(text, "partitions", PartitionFiles.Own),
        };
        options.Layout.Preset = Value(text, "layout", LayoutPreset.PerKind);
        options.Layout.SchemaDirectories = text.ContainsKey("schema_directories");
        options.Layout.FilePerSignature = text.GetValueOrDefault("routines") == "PerSignature";
        foreach (var (name, folder) in text.Where(static p => p.Key.StartsWith("folder ", StringComparison.Ordinal)))
            options.Layout.Folders[name["folder ".Length..]] = folder;
        FilterText.Read(text.GetValueOrDefault("filter", ""), options.Filter);
        return options;
    }

    private static T Value<T>(IReadOnlyDictionary<string, string> text, string name, T otherwise)
        where T : struct, Enum =>
        text.TryGetValue(name, out var word) && Enum.TryParse<T>(word, out var value) ? value : otherwise;

    /// <summary>
    /// A filter as text: one item per line, <c>+schema app</c> includes, <c>-table~ ^tmp</c> excludes by expression, <c>-table~* …</c> with children.
    /// </summary>
    private static class FilterText
    {
        public static string Write(ExtractionFilter filter)
        {
            var text = new StringBuilder();
            foreach (var names in filter.All)
            {
                foreach (var (item, isIncluded) in names.Items)
                {
                    text.Append(isIncluded ? '+' : '-').Append(names.Name).Append(item.IsExpression ? "~" : "").Append(item.WithChildren ? "* " : " ")
                        .Append(item.Text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)).Append('\n');
                }
            }
            return text.ToString().TrimEnd('\n');
        }

        public static void Read(string text, ExtractionFilter filter)
        {
            foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                var space = line.IndexOf(' ', StringComparison.Ordinal);
                if (space < 2)
                    continue;
                var name = line[1..space];
                var names = filter.All.FirstOrDefault(f => f.Name == name.TrimEnd('~', '*'));
                var item = Unescape(line[(space + 1)..]);
                // What is read here extracts definitions for a comparison: filters on rows would have nothing to work on.
                if (names == filter.TableData || names == filter.ForeignData)
                    continue;
                _ = (line[0], name.Contains('~', StringComparison.Ordinal)) switch
                {
                    ('+', false) => names?.Include(item),
                    ('-', false) => names?.Exclude(item),
                    _ => names?.AddRegex(line[0] == '+', item, name.EndsWith('*')),
                };
            }
        }

        private static string Unescape(string text)
        {
            var result = new StringBuilder(text.Length);
            for (var at = 0; at < text.Length; at++)
            {
                var escaped = text[at] == '\\' && at + 1 < text.Length;
                if (escaped)
                    at++;
                result.Append(escaped && text[at] == 'n' ? '\n' : text[at]);
            }
            return result.ToString();
        }
    }
}
