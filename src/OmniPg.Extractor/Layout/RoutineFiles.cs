namespace OmniPg.Extractor;

/// <summary>How overloaded routines are spread over files.</summary>
public enum RoutineFiles
{
    /// <summary>All routines of one name in one file, as the original. The default.</summary>
    PerName,

    /// <summary>A file per signature.</summary>
    PerSignature,
}
