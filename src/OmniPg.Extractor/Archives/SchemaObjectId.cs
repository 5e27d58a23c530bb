namespace OmniPg.Extractor;

/// <summary>An object of a schema that has a file: a table with all that belongs to it, one routine, one type.</summary>
/// <param name="Kind">PostgreSQL's word for the kind, as in archives: <c>TABLE</c>, <c>FUNCTION</c>, <c>USER MAPPING</c> …</param>
/// <param name="Schema">Its schema, unquoted; <see langword="null"/> when it lives in none.</param>
/// <param name="Name">Its name, unquoted; for routines with the argument types: <c>total(integer, text)</c>.</param>
public sealed record SchemaObjectId(string Kind, string? Schema, string Name)
{
    internal const string DatabaseKind = "DATABASE";
    internal const string LargeObjectKind = "LARGE OBJECT";
    internal const string GrantKind = "GRANT";

    /// <summary><c>schema.name</c>, or the bare name outside schemas. Unquoted, so for display and filters rather than for SQL.</summary>
    public string Identity => Schema is null ? Name : $"{Schema}.{Name}";

    /// <summary>The kind of an extraction that the object belongs to.</summary>
    internal ObjectKinds Kinds => Kind switch
    {
        "SCHEMA" => ObjectKinds.Schemas,
        "EXTENSION" => ObjectKinds.Extensions,
        "TABLE" or "FOREIGN TABLE" => ObjectKinds.Tables,
        "VIEW" or "MATERIALIZED VIEW" => ObjectKinds.Views,
        "FUNCTION" or "PROCEDURE" or "AGGREGATE" => ObjectKinds.Routines,
        "TYPE" or "DOMAIN" => ObjectKinds.Types,
        "SEQUENCE" => ObjectKinds.Sequences,
        "SERVER" => ObjectKinds.Servers,
        "USER MAPPING" => ObjectKinds.UserMappings,
        "DEFAULT PRIVILEGES" => ObjectKinds.DefaultPrivileges,
        "FOREIGN DATA WRAPPER" => ObjectKinds.ForeignDataWrappers,
        "COLLATION" or "CONVERSION" => ObjectKinds.Collations,
        "OPERATOR" or "OPERATOR FAMILY" or "OPERATOR CLASS" => ObjectKinds.Operators,
        "TEXT SEARCH CONFIGURATION" or "TEXT SEARCH DICTIONARY" or "TEXT SEARCH PARSER" or "TEXT SEARCH TEMPLATE" => ObjectKinds.TextSearch,
        "CAST" or "TRANSFORM" => ObjectKinds.Casts,
        "PROCEDURAL LANGUAGE" => ObjectKinds.Languages,
        "ACCESS METHOD" => ObjectKinds.AccessMethods,
        "EVENT TRIGGER" => ObjectKinds.EventTriggers,
        "PUBLICATION" => ObjectKinds.Publications,
        "SUBSCRIPTION" => ObjectKinds.Subscriptions,
        "DATABASE" => ObjectKinds.Database,
        GrantKind => ObjectKinds.Grants,
        // Large objects are asked for with the data, not as a kind.
        LargeObjectKind => ObjectKinds.None,
        _ => ObjectKinds.Other,
    };

    /// <summary>Kind and identity.</summary>
    public override string ToString() => $"{Kind} {Identity}";
}
