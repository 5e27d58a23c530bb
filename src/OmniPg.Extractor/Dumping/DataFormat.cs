namespace OmniPg.Extractor;

/// <summary>How pg_dump writes rows.</summary>
public enum DataFormat
{
    /// <summary>COPY text: quickest to load.</summary>
    Copy,

    /// <summary>INSERT statements (<c>--inserts</c>).</summary>
    Inserts,

    /// <summary>INSERT statements with column names (<c>--column-inserts</c>).</summary>
    ColumnInserts,
}
