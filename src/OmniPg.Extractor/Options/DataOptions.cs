namespace OmniPg.Extractor;

/// <summary>Which data an extraction writes beside the definitions. Rows go to <c>data/</c>, sequence values and refreshes to their object's file.</summary>
public sealed record DataOptions
{
    /// <summary>COPY or INSERT. Default COPY. Concerns dumps only: an existing archive holds what it holds.</summary>
    public DataFormat Format { get; init; }

    /// <summary>Rows per INSERT statement, at least 1; null (default) for one.</summary>
    public int? RowsPerInsert { get; init; }

    /// <summary>Whether INSERT statements skip rows that exist. Default false.</summary>
    public bool OnConflictDoNothing { get; init; }

    /// <summary>Whether large objects are written, with their contents. Default false.</summary>
    public bool IncludeLargeObjects { get; init; }
}
