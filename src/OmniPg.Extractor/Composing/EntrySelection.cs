namespace OmniPg.Extractor.Composing;

/// <summary>Which parts of an entry go into a script (_tocEntryRequired in pg_backup_archiver.c).</summary>
internal sealed class EntrySelection(ComposeOptions options)
{
    private const string LargeObjectPrefix = "LARGE OBJECT";

    public bool WantsDefinition(TocEntry entry) => IsWanted(entry) && !options.DataOnly && HasDefinition(entry) && !IsDataOnly(entry);

    public bool WantsData(TocEntry entry) => IsWanted(entry) && !options.SchemaOnly && (entry.HasData || IsDataOnly(entry));

    private bool IsWanted(TocEntry entry)
    {
        switch (entry.Kind)
        {
            case TocKind.Encoding or TocKind.StandardStrings or TocKind.SearchPath or TocKind.Database or TocKind.DatabaseProperties:
                return false;
            case TocKind.Acl or TocKind.AclLanguage or TocKind.DefaultAcl when options.NoPrivileges:
                return false;
            case TocKind.Comment when options.NoComments:
                return false;
            // Properties of the database belong to its creation.
            case TocKind.Acl or TocKind.Comment or TocKind.SecurityLabel when entry.Tag?.StartsWith("DATABASE ", StringComparison.Ordinal) == true:
                return false;
            default:
                return options.Include?.Invoke(entry) != false;
        }
    }

    private static bool HasDefinition(TocEntry entry) =>
        !string.IsNullOrEmpty(entry.Definition) && !entry.Definition.StartsWith("-- load via partition root ", StringComparison.Ordinal);

    // Entries without a data block whose statement belongs to the data: sequence values and all about large objects.
    private static bool IsDataOnly(TocEntry entry) => !entry.HasData && entry.Kind switch
    {
        TocKind.SequenceSet or TocKind.Blob or TocKind.BlobMetadata => true,
        TocKind.Acl or TocKind.Comment or TocKind.SecurityLabel => entry.Tag?.StartsWith(LargeObjectPrefix, StringComparison.Ordinal) == true,
        _ => false,
    };
}
