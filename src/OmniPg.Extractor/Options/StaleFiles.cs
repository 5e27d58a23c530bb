namespace OmniPg.Extractor;

/// <summary>What happens to files whose objects are gone. Names that start with a dot and links are never touched.</summary>
public enum StaleFiles
{
    /// <summary>They stay and are reported; the tree no longer counts them as part of the schema. The default.</summary>
    Keep,

    /// <summary>Deleted when an earlier run wrote them: named by the manifest, or carrying the header comment of an entry.</summary>
    Delete,

    /// <summary>Every <c>.sql</c> file below the tree that this run did not write is deleted, as with <c>--delete</c> of the original.</summary>
    DeleteAllSql,
}
