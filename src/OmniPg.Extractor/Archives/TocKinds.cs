using System.Collections.Frozen;

namespace OmniPg.Extractor;

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
