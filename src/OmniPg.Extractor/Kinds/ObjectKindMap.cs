namespace OmniPg.Extractor.Kinds;

/// <summary>To which user-visible kind a root object belongs.</summary>
internal static class ObjectKindMap
{
    /// <summary>Kind of an object by PostgreSQL's word for it, as in <see cref="SchemaObjectId.Kind"/>.</summary>
    public static ObjectKinds OfObject(string kind) => kind switch
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
        RootResolver.GrantKind => ObjectKinds.Grants,
        // Large objects are asked for with the data, not as a kind.
        RootResolver.LargeObjectKind => ObjectKinds.None,
        _ => ObjectKinds.Other,
    };
}
