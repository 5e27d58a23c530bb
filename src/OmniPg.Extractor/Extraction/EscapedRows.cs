namespace OmniPg.Extractor.Extraction;

/// <summary>Rows as INSERT statements: the only SQL that passes into a tree without being read.</summary>
internal static class EscapedRows
{
    public static bool Holds(PlannedEntry planned) =>
        planned.HasData && planned.Entry.Kind == TocKind.TableData && string.IsNullOrEmpty(planned.Entry.CopyStatement);
}
