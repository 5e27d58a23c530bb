namespace OmniPg.Extractor.Ordering;

/// <summary>pg_dump's order of kinds (pg_dump_sort.c, dbObjectTypePriority), which also covers dependencies that the archive does not record.</summary>
internal static class KindRank
{
    private static readonly Dictionary<TocKind, int> Ranks = Build(
    [
        [TocKind.Encoding], [TocKind.StandardStrings], [TocKind.SearchPath], [TocKind.Database], [TocKind.DatabaseProperties],
        [TocKind.Schema], [TocKind.ProceduralLanguage], [TocKind.Collation], [TocKind.Transform], [TocKind.Extension],
        [TocKind.ShellType, TocKind.Type, TocKind.Domain], [TocKind.Cast], [TocKind.Function, TocKind.Procedure], [TocKind.Aggregate],
        [TocKind.AccessMethod], [TocKind.Operator], [TocKind.OperatorFamily, TocKind.OperatorClass], [TocKind.Conversion],
        [TocKind.TextSearchParser], [TocKind.TextSearchTemplate], [TocKind.TextSearchDictionary], [TocKind.TextSearchConfiguration],
        [TocKind.ForeignDataWrapper], [TocKind.Server], [TocKind.UserMapping],
        [TocKind.Table, TocKind.ForeignTable, TocKind.View, TocKind.MaterializedView, TocKind.Sequence, TocKind.SequenceOwnedBy],
        [TocKind.TableAttach], [TocKind.Default], [TocKind.TableData], [TocKind.SequenceSet], [TocKind.Blob, TocKind.BlobMetadata], [TocKind.Blobs],
        [TocKind.StatisticsData], [TocKind.ExtendedStatisticsData], [TocKind.Constraint, TocKind.CheckConstraint], [TocKind.Index], [TocKind.IndexAttach], [TocKind.Statistics],
        [TocKind.Rule], [TocKind.Trigger], [TocKind.ForeignKey], [TocKind.RowSecurity, TocKind.Policy], [TocKind.Publication],
        [TocKind.PublicationTable], [TocKind.PublicationTablesInSchema], [TocKind.Subscription], [TocKind.SubscriptionTable], [TocKind.DefaultAcl],
        [TocKind.EventTrigger], [TocKind.MaterializedViewData],
    ]);

    /// <summary>Unknown kinds come last in their section.</summary>
    public static int Of(TocKind kind) => Ranks.GetValueOrDefault(kind, int.MaxValue);

    private static Dictionary<TocKind, int> Build(TocKind[][] order) =>
        order.SelectMany(static (kinds, rank) => kinds.Select(kind => (kind, rank))).ToDictionary(static p => p.kind, static p => p.rank);
}
