namespace OmniPg.Extractor;

/// <summary>Kinds of objects that an extraction writes; combine them with <c>|</c>.</summary>
/// <remarks>An object brings along what belongs to it: a table its indexes, constraints, triggers, policies, owned sequences, comments and grants.</remarks>
[Flags]
public enum ObjectKinds
{
    /// <summary>No kind; refused by an extraction (<see cref="ExtractorOptionException"/>).</summary>
    None = 0,

    /// <summary>Schemas (<c>--getschemata</c>).</summary>
    Schemas = 1 << 0,

    /// <summary>Extensions (<c>--getextensions</c>).</summary>
    Extensions = 1 << 1,

    /// <summary>Tables and foreign tables with everything that hangs on them (<c>--gettables</c>).</summary>
    Tables = 1 << 2,

    /// <summary>Views and materialized views (<c>--getviews</c>).</summary>
    Views = 1 << 3,

    /// <summary>Functions, procedures and aggregates (<c>--getfuncs</c>).</summary>
    Routines = 1 << 4,

    /// <summary>Types and domains (<c>--gettypes</c>).</summary>
    Types = 1 << 5,

    /// <summary>Sequences that no table owns (<c>--getsequences</c>); see <see cref="FileCopies.OwnedSequences"/> for the owned ones.</summary>
    Sequences = 1 << 6,

    /// <summary>Foreign servers (<c>--getservers</c>).</summary>
    Servers = 1 << 7,

    /// <summary>User mappings (<c>--getusermappings</c>); their passwords are redacted unless asked for.</summary>
    UserMappings = 1 << 8,

    /// <summary>Default privileges (<c>--getdefaultprivs</c>).</summary>
    DefaultPrivileges = 1 << 9,

    /// <summary>Foreign-data wrappers.</summary>
    ForeignDataWrappers = 1 << 10,

    /// <summary>Collations and encoding conversions.</summary>
    Collations = 1 << 11,

    /// <summary>Operators, operator families and operator classes.</summary>
    Operators = 1 << 12,

    /// <summary>Text search parsers, templates, dictionaries and configurations.</summary>
    TextSearch = 1 << 13,

    /// <summary>Casts and transforms.</summary>
    Casts = 1 << 14,

    /// <summary>Procedural languages.</summary>
    Languages = 1 << 15,

    /// <summary>Access methods.</summary>
    AccessMethods = 1 << 16,

    /// <summary>Event triggers.</summary>
    EventTriggers = 1 << 17,

    /// <summary>Publications and their members.</summary>
    Publications = 1 << 18,

    /// <summary>Subscriptions; passwords in their connection strings are redacted unless asked for.</summary>
    Subscriptions = 1 << 19,

    /// <summary>The database itself: its comment, grants and settings, in <c>database.sql</c>.</summary>
    Database = 1 << 20,

    /// <summary>Grants, comments and labels on objects that the dump does not define: built-in functions, members of extensions.</summary>
    Grants = 1 << 21,

    /// <summary>Kinds unknown to this version, in <c>other/</c>.</summary>
    Other = 1 << 22,

    /// <summary>What <c>--getall</c> of PG Extractor 2.x covers, roles left aside: those are asked for with <c>Roles()</c>.</summary>
    OriginalAll = Schemas | Tables | Views | Routines | Types | DefaultPrivileges | Extensions | Servers | UserMappings,

    /// <summary>Every kind. The default of an extraction.</summary>
    All = (1 << 23) - 1,
}
