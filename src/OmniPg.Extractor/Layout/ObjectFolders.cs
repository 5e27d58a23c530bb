namespace OmniPg.Extractor.Layout;

/// <summary>Folder of each kind of object: of the original where it knew the kind, and of the Ssdt preset.</summary>
internal static class ObjectFolders
{
    private static readonly Dictionary<string, (string Original, string Ssdt)> Names = new(StringComparer.Ordinal)
    {
        ["TABLE"] = ("tables", "Tables"),
        ["FOREIGN TABLE"] = ("tables", "Tables"),
        ["VIEW"] = ("views", "Views"),
        ["MATERIALIZED VIEW"] = ("views", "Views"),
        ["SEQUENCE"] = ("sequences", "Sequences"),
        ["FUNCTION"] = ("functions", "Functions"),
        ["PROCEDURE"] = ("procedures", "Stored Procedures"),
        ["AGGREGATE"] = ("aggregates", "Functions/Aggregates"),
        ["TYPE"] = ("types", "Types"),
        ["DOMAIN"] = ("types", "Types"),
        ["SCHEMA"] = ("schemata", "Security/Schemas"),
        ["EXTENSION"] = ("extensions", "Extensions"),
        ["SERVER"] = ("servers", "External Resources/Servers"),
        ["USER MAPPING"] = ("user_mappings", "Security/User Mappings"),
        ["FOREIGN DATA WRAPPER"] = ("foreign_data_wrappers", "External Resources/Wrappers"),
        ["DEFAULT PRIVILEGES"] = ("default_privileges", "Security/Default Privileges"),
        ["GRANT"] = ("grants", "Security/Grants"),
        ["COLLATION"] = ("collations", "Collations"),
        ["CONVERSION"] = ("conversions", "Conversions"),
        ["OPERATOR"] = ("operators", "Operators"),
        ["OPERATOR FAMILY"] = ("operator_families", "Operators/Families"),
        ["OPERATOR CLASS"] = ("operator_classes", "Operators/Classes"),
        ["TEXT SEARCH PARSER"] = ("text_search/parsers", "Text Search/Parsers"),
        ["TEXT SEARCH TEMPLATE"] = ("text_search/templates", "Text Search/Templates"),
        ["TEXT SEARCH DICTIONARY"] = ("text_search/dictionaries", "Text Search/Dictionaries"),
        ["TEXT SEARCH CONFIGURATION"] = ("text_search/configurations", "Text Search/Configurations"),
        ["CAST"] = ("casts", "Casts"),
        ["TRANSFORM"] = ("transforms", "Transforms"),
        ["PROCEDURAL LANGUAGE"] = ("languages", "Languages"),
        ["ACCESS METHOD"] = ("access_methods", "Access Methods"),
        ["EVENT TRIGGER"] = ("event_triggers", "Event Triggers"),
        ["PUBLICATION"] = ("publications", "Replication/Publications"),
        ["SUBSCRIPTION"] = ("subscriptions", "Replication/Subscriptions"),
        ["LARGE OBJECT"] = ("large_objects", "Large Objects"),
        ["DATABASE"] = ("", ""),
        ["ROLE"] = ("roles", "Security/Roles"),
        ["DATA"] = ("data", "Data"),
        ["TRIGGER"] = ("triggers", "Triggers"),
        ["RULE"] = ("rules", "Rules"),
        ["STATISTICS DATA"] = ("statistics", "Statistics"),
    };

    public static string Of(string kind, LayoutOptions layout)
    {
        if (layout.Folders.TryGetValue(kind, out var own))
            return own;
        if (!Names.TryGetValue(kind, out var names))
            names = ("other/" + Encoded(kind), "Other/" + Encoded(kind));
        return layout.Preset == LayoutPreset.Ssdt ? names.Ssdt : names.Original;
    }

    private static string Encoded(string kind) => FileNameEncoder.Encode(kind.Replace(' ', '_').ToLowerInvariant());
}
