namespace OmniPg.Extractor.Archives.Reading;

/// <summary>Which entries pg_restore leaves for later (_tocEntryRestorePass in pg_backup_archiver.c).</summary>
internal static class TocPasses
{
    private const string EventTriggerPrefix = "EVENT TRIGGER ";

    public static TocPass Of(TocKind kind, string? tag, TocSection section) => kind switch
    {
        TocKind.Acl or TocKind.AclLanguage or TocKind.DefaultAcl => TocPass.Acl,
        TocKind.EventTrigger or TocKind.MaterializedViewData => TocPass.PostAcl,
        TocKind.StatisticsData or TocKind.ExtendedStatisticsData when section == TocSection.PostData => TocPass.PostAcl,
        TocKind.Comment or TocKind.SecurityLabel when tag?.StartsWith(EventTriggerPrefix, StringComparison.Ordinal) == true => TocPass.PostAcl,
        _ => TocPass.Main,
    };
}
