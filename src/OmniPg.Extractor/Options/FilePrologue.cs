namespace OmniPg.Extractor;

/// <summary>What stands at the top of each file, above the first entry. A replay ignores it.</summary>
public enum FilePrologue
{
    /// <summary>Nothing; the default.</summary>
    None,

    /// <summary>The session settings of pg_dump, so that psql can run each file alone, as with the original.</summary>
    Full,
}
