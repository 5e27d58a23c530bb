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
