namespace OmniPg.Extractor.Kinds;

/// <summary>To which user-visible kind a root object belongs.</summary>
internal static class ObjectKindMap
{
    public static ObjectKinds Of(TocKind kind) => kind switch
    {
        TocKind.Schema => ObjectKinds.Schemas,
        TocKind.Extension => ObjectKinds.Extensions,
        TocKind.Table or TocKind.ForeignTable => ObjectKinds.Tables,
        TocKind.View or TocKind.MaterializedView => ObjectKinds.Views,
        TocKind.Function or TocKind.Procedure or TocKind.Aggregate => ObjectKinds.Routines,
        TocKind.Type or TocKind.ShellType or TocKind.Domain => ObjectKinds.Types,
        TocKind.Sequence => ObjectKinds.Sequences,
        TocKind.Server => ObjectKinds.Servers,
        TocKind.UserMapping => ObjectKinds.UserMappings,
        TocKind.DefaultAcl => ObjectKinds.DefaultPrivileges,
        TocKind.ForeignDataWrapper => ObjectKinds.ForeignDataWrappers,
        TocKind.Collation or TocKind.Conversion => ObjectKinds.Collations,
        TocKind.Operator or TocKind.OperatorFamily or TocKind.OperatorClass => ObjectKinds.Operators,
        TocKind.TextSearchConfiguration or TocKind.TextSearchDictionary or TocKind.TextSearchParser or TocKind.TextSearchTemplate
            => ObjectKinds.TextSearch,
        TocKind.Cast or TocKind.Transform => ObjectKinds.Casts,
        TocKind.ProceduralLanguage => ObjectKinds.Languages,
        TocKind.AccessMethod => ObjectKinds.AccessMethods,
        TocKind.EventTrigger => ObjectKinds.EventTriggers,
        TocKind.Publication => ObjectKinds.Publications,
        TocKind.Subscription => ObjectKinds.Subscriptions,
        TocKind.Database or TocKind.DatabaseProperties => ObjectKinds.Database,
        TocKind.Acl or TocKind.AclLanguage or TocKind.Comment or TocKind.SecurityLabel => ObjectKinds.Grants,
        _ => ObjectKinds.Other,
    };
}
