using System.Collections.Frozen;

namespace OmniPg.Extractor;

/// <summary>What a table-of-contents entry is: one value per type text that pg_dump 9.0 to 18 writes.</summary>
public enum TocKind
{
    /// <summary>A type text unknown to this version; <see cref="TocEntry.Desc"/> holds it.</summary>
    Other,

    /// <summary><c>ACCESS METHOD</c>: an index or table access method.</summary>
    AccessMethod,

    /// <summary><c>ACL</c>: grants on an object.</summary>
    Acl,

    /// <summary><c>ACL LANGUAGE</c>: grants on a language, as PostgreSQL 7.4 wrote them.</summary>
    AclLanguage,

    /// <summary><c>AGGREGATE</c>: an aggregate function.</summary>
    Aggregate,

    /// <summary><c>BLOB</c>: creation of one large object (pg_dump 9.0 to 16).</summary>
    Blob,

    /// <summary><c>BLOB COMMENTS</c>: comments on large objects, as releases before 9.0 wrote them.</summary>
    BlobComments,

    /// <summary><c>BLOB METADATA</c>: creation of a group of large objects (pg_dump 17 and newer).</summary>
    BlobMetadata,

    /// <summary><c>BLOBS</c>: contents of large objects.</summary>
    Blobs,

    /// <summary><c>CAST</c>: a cast.</summary>
    Cast,

    /// <summary><c>CHECK CONSTRAINT</c>: a check constraint that is added after the table, for example because it is not validated.</summary>
    CheckConstraint,

    /// <summary><c>COLLATION</c>: a collation.</summary>
    Collation,

    /// <summary><c>COMMENT</c>: a comment on an object.</summary>
    Comment,

    /// <summary><c>CONSTRAINT</c>: a primary key, unique or exclusion constraint.</summary>
    Constraint,

    /// <summary><c>CONVERSION</c>: an encoding conversion.</summary>
    Conversion,

    /// <summary><c>DATABASE</c>: creation of the database.</summary>
    Database,

    /// <summary><c>DATABASE PROPERTIES</c>: settings of the database.</summary>
    DatabaseProperties,

    /// <summary><c>DEFAULT</c>: a column default that is set apart from the table.</summary>
    Default,

    /// <summary><c>DEFAULT ACL</c>: default privileges of a role.</summary>
    DefaultAcl,

    /// <summary><c>DOMAIN</c>: a domain.</summary>
    Domain,

    /// <summary><c>ENCODING</c>: the archive's encoding.</summary>
    Encoding,

    /// <summary><c>EVENT TRIGGER</c>: an event trigger.</summary>
    EventTrigger,

    /// <summary><c>EXTENSION</c>: an extension.</summary>
    Extension,

    /// <summary><c>FK CONSTRAINT</c>: a foreign key.</summary>
    ForeignKey,

    /// <summary><c>FOREIGN DATA WRAPPER</c>: a foreign-data wrapper.</summary>
    ForeignDataWrapper,

    /// <summary><c>FOREIGN TABLE</c>: a foreign table.</summary>
    ForeignTable,

    /// <summary><c>FUNCTION</c>: a function.</summary>
    Function,

    /// <summary><c>INDEX</c>: an index.</summary>
    Index,

    /// <summary><c>INDEX ATTACH</c>: attachment of an index to that of the partitioned table.</summary>
    IndexAttach,

    /// <summary><c>MATERIALIZED VIEW</c>: a materialized view.</summary>
    MaterializedView,

    /// <summary><c>MATERIALIZED VIEW DATA</c>: refresh of a materialized view.</summary>
    MaterializedViewData,

    /// <summary><c>OPERATOR</c>: an operator.</summary>
    Operator,

    /// <summary><c>OPERATOR CLASS</c>: an operator class.</summary>
    OperatorClass,

    /// <summary><c>OPERATOR FAMILY</c>: an operator family.</summary>
    OperatorFamily,

    /// <summary><c>pg_largeobject</c>: large-object catalogue data (upgrade mode).</summary>
    LargeObjectCatalog,

    /// <summary><c>POLICY</c>: a row-security policy.</summary>
    Policy,

    /// <summary><c>PROCEDURAL LANGUAGE</c>: a procedural language.</summary>
    ProceduralLanguage,

    /// <summary><c>PROCEDURE</c>: a procedure.</summary>
    Procedure,

    /// <summary><c>PUBLICATION</c>: a publication.</summary>
    Publication,

    /// <summary><c>PUBLICATION TABLE</c>: membership of a table in a publication.</summary>
    PublicationTable,

    /// <summary><c>PUBLICATION TABLES IN SCHEMA</c>: membership of a schema in a publication (server 15 and newer).</summary>
    PublicationTablesInSchema,

    /// <summary><c>ROW SECURITY</c>: row security switched on for a table.</summary>
    RowSecurity,

    /// <summary><c>RULE</c>: a rewrite rule.</summary>
    Rule,

    /// <summary><c>SCHEMA</c>: a schema.</summary>
    Schema,

    /// <summary><c>SEARCHPATH</c>: the archive's search path.</summary>
    SearchPath,

    /// <summary><c>SECURITY LABEL</c>: a security label of an object.</summary>
    SecurityLabel,

    /// <summary><c>SEQUENCE</c>: a sequence.</summary>
    Sequence,

    /// <summary><c>SEQUENCE OWNED BY</c>: ownership of a sequence by a column.</summary>
    SequenceOwnedBy,

    /// <summary><c>SEQUENCE SET</c>: current value of a sequence.</summary>
    SequenceSet,

    /// <summary><c>SERVER</c>: a foreign server.</summary>
    Server,

    /// <summary><c>SHELL TYPE</c>: a type declared ahead of its definition.</summary>
    ShellType,

    /// <summary><c>STATISTICS</c>: extended statistics.</summary>
    Statistics,

    /// <summary><c>STATISTICS DATA</c>: optimizer statistics (pg_dump 18).</summary>
    StatisticsData,

    /// <summary><c>STDSTRINGS</c>: the archive's string syntax.</summary>
    StandardStrings,

    /// <summary><c>SUBSCRIPTION</c>: a subscription.</summary>
    Subscription,

    /// <summary><c>SUBSCRIPTION TABLE</c>: state of a subscribed table (upgrade mode).</summary>
    SubscriptionTable,

    /// <summary><c>TABLE</c>: a table.</summary>
    Table,

    /// <summary><c>TABLE ATTACH</c>: attachment of a partition to its parent.</summary>
    TableAttach,

    /// <summary><c>TABLE DATA</c>: rows of a table.</summary>
    TableData,

    /// <summary><c>TEXT SEARCH CONFIGURATION</c>: a text search configuration.</summary>
    TextSearchConfiguration,

    /// <summary><c>TEXT SEARCH DICTIONARY</c>: a text search dictionary.</summary>
    TextSearchDictionary,

    /// <summary><c>TEXT SEARCH PARSER</c>: a text search parser.</summary>
    TextSearchParser,

    /// <summary><c>TEXT SEARCH TEMPLATE</c>: a text search template.</summary>
    TextSearchTemplate,

    /// <summary><c>TRANSFORM</c>: a transform between a type and a language.</summary>
    Transform,

    /// <summary><c>TRIGGER</c>: a trigger.</summary>
    Trigger,

    /// <summary><c>TYPE</c>: a type.</summary>
    Type,

    /// <summary><c>USER MAPPING</c>: a user mapping of a foreign server.</summary>
    UserMapping,

    /// <summary><c>VIEW</c>: a view.</summary>
    View,

    /// <summary><c>WARNING</c>: a warning that pg_dump left in the archive.</summary>
    Warning,

    /// <summary><c>EXTENDED STATISTICS DATA</c>: optimizer statistics of an extended statistics object, values of columns among them (pg_dump 19 and newer).</summary>
    ExtendedStatisticsData,
}

/// <summary>Type texts of the archive and the kinds they stand for.</summary>
internal static class TocKinds
{
    private static readonly FrozenDictionary<string, TocKind> ByDesc = new Dictionary<string, TocKind>(StringComparer.Ordinal)
    {
        ["ACCESS METHOD"] = TocKind.AccessMethod,
        ["ACL"] = TocKind.Acl,
        ["ACL LANGUAGE"] = TocKind.AclLanguage,
        ["AGGREGATE"] = TocKind.Aggregate,
        ["BLOB"] = TocKind.Blob,
        ["BLOB COMMENTS"] = TocKind.BlobComments,
        ["BLOB METADATA"] = TocKind.BlobMetadata,
        ["BLOBS"] = TocKind.Blobs,
        ["CAST"] = TocKind.Cast,
        ["CHECK CONSTRAINT"] = TocKind.CheckConstraint,
        ["COLLATION"] = TocKind.Collation,
        ["COMMENT"] = TocKind.Comment,
        ["CONSTRAINT"] = TocKind.Constraint,
        ["CONVERSION"] = TocKind.Conversion,
        ["DATABASE"] = TocKind.Database,
        ["DATABASE PROPERTIES"] = TocKind.DatabaseProperties,
        ["DEFAULT"] = TocKind.Default,
        ["DEFAULT ACL"] = TocKind.DefaultAcl,
        ["DOMAIN"] = TocKind.Domain,
        ["ENCODING"] = TocKind.Encoding,
        ["EVENT TRIGGER"] = TocKind.EventTrigger,
        ["EXTENDED STATISTICS DATA"] = TocKind.ExtendedStatisticsData,
        ["EXTENSION"] = TocKind.Extension,
        ["FK CONSTRAINT"] = TocKind.ForeignKey,
        ["FOREIGN DATA WRAPPER"] = TocKind.ForeignDataWrapper,
        ["FOREIGN TABLE"] = TocKind.ForeignTable,
        ["FUNCTION"] = TocKind.Function,
        ["INDEX"] = TocKind.Index,
        ["INDEX ATTACH"] = TocKind.IndexAttach,
        ["MATERIALIZED VIEW"] = TocKind.MaterializedView,
        ["MATERIALIZED VIEW DATA"] = TocKind.MaterializedViewData,
        ["OPERATOR"] = TocKind.Operator,
        ["OPERATOR CLASS"] = TocKind.OperatorClass,
        ["OPERATOR FAMILY"] = TocKind.OperatorFamily,
        ["pg_largeobject"] = TocKind.LargeObjectCatalog,
        ["POLICY"] = TocKind.Policy,
        ["PROCEDURAL LANGUAGE"] = TocKind.ProceduralLanguage,
        ["PROCEDURE"] = TocKind.Procedure,
        ["PUBLICATION"] = TocKind.Publication,
        ["PUBLICATION TABLE"] = TocKind.PublicationTable,
        ["PUBLICATION TABLES IN SCHEMA"] = TocKind.PublicationTablesInSchema,
        ["ROW SECURITY"] = TocKind.RowSecurity,
        ["RULE"] = TocKind.Rule,
        ["SCHEMA"] = TocKind.Schema,
        ["SEARCHPATH"] = TocKind.SearchPath,
        ["SECURITY LABEL"] = TocKind.SecurityLabel,
        ["SEQUENCE"] = TocKind.Sequence,
        ["SEQUENCE OWNED BY"] = TocKind.SequenceOwnedBy,
        ["SEQUENCE SET"] = TocKind.SequenceSet,
        ["SERVER"] = TocKind.Server,
        ["SHELL TYPE"] = TocKind.ShellType,
        ["STATISTICS"] = TocKind.Statistics,
        ["STATISTICS DATA"] = TocKind.StatisticsData,
        ["STDSTRINGS"] = TocKind.StandardStrings,
        ["SUBSCRIPTION"] = TocKind.Subscription,
        ["SUBSCRIPTION TABLE"] = TocKind.SubscriptionTable,
        ["TABLE"] = TocKind.Table,
        ["TABLE ATTACH"] = TocKind.TableAttach,
        ["TABLE DATA"] = TocKind.TableData,
        ["TEXT SEARCH CONFIGURATION"] = TocKind.TextSearchConfiguration,
        ["TEXT SEARCH DICTIONARY"] = TocKind.TextSearchDictionary,
        ["TEXT SEARCH PARSER"] = TocKind.TextSearchParser,
        ["TEXT SEARCH TEMPLATE"] = TocKind.TextSearchTemplate,
        ["TRANSFORM"] = TocKind.Transform,
        ["TRIGGER"] = TocKind.Trigger,
        ["TYPE"] = TocKind.Type,
        ["USER MAPPING"] = TocKind.UserMapping,
        ["VIEW"] = TocKind.View,
        ["WARNING"] = TocKind.Warning,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    public static TocKind Of(string desc) => ByDesc.GetValueOrDefault(desc, TocKind.Other);

    /// <summary>Which entries pg_restore leaves for later (_tocEntryRestorePass in pg_backup_archiver.c).</summary>
    public static TocPass PassOf(TocKind kind, string? tag, TocSection section) => kind switch
    {
        TocKind.Acl or TocKind.AclLanguage or TocKind.DefaultAcl => TocPass.Acl,
        TocKind.EventTrigger or TocKind.MaterializedViewData => TocPass.PostAcl,
        TocKind.StatisticsData or TocKind.ExtendedStatisticsData when section == TocSection.PostData => TocPass.PostAcl,
        TocKind.Comment or TocKind.SecurityLabel when tag?.StartsWith("EVENT TRIGGER ", StringComparison.Ordinal) == true => TocPass.PostAcl,
        _ => TocPass.Main,
    };
}

/// <summary>Part of a restore to which an entry belongs (<c>pg_restore --section</c>).</summary>
public enum TocSection
{
    /// <summary>None: comments, security labels and grants, which go with their object.</summary>
    None = 1,

    /// <summary>Definitions that must exist before data is loaded.</summary>
    PreData = 2,

    /// <summary>Table data, large objects, sequence values.</summary>
    Data = 3,

    /// <summary>Indexes, constraints, triggers, rules and what else comes after the data.</summary>
    PostData = 4,
}

/// <summary>The three passes in which pg_restore walks the table of contents; archive order holds within each.</summary>
public enum TocPass
{
    /// <summary>Everything else.</summary>
    Main,

    /// <summary><c>ACL</c> and <c>DEFAULT ACL</c>: grants come when every object exists.</summary>
    Acl,

    /// <summary>Event triggers with their comments, refreshes of materialized views, and statistics of post-data objects.</summary>
    PostAcl,
}
