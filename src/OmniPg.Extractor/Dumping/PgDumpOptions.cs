namespace OmniPg.Extractor;

/// <summary>What pg_dump dumps and how it connects; the format is always custom, without compression, into a pipe.</summary>
public sealed record PgDumpOptions
{
    /// <summary>Definitions only (<c>--schema-only</c>). Default false.</summary>
    public bool SchemaOnly { get; init; }

    /// <summary>How rows are written. Default <see cref="DataFormat.Copy"/>.</summary>
    public DataFormat DataFormat { get; init; }

    /// <summary>Rows per INSERT statement (<c>--rows-per-insert</c>); null, the default, means one. At least 1; needs an INSERT format.</summary>
    public int? RowsPerInsert { get; init; }

    /// <summary>Adds ON CONFLICT DO NOTHING to INSERT statements; needs an INSERT format. Default false.</summary>
    public bool OnConflictDoNothing { get; init; }

    /// <summary>Schemas to dump, as psql patterns (<c>--schema</c>). Empty, the default: all. Suppresses everything that is in no schema.</summary>
    public IReadOnlyList<string> Schemas { get; init; } = [];

    /// <summary>Schemas to leave out (<c>--exclude-schema</c>).</summary>
    public IReadOnlyList<string> ExcludedSchemas { get; init; } = [];

    /// <summary>Tables, views and sequences to dump, as psql patterns (<c>--table</c>). Suppresses every other kind.</summary>
    public IReadOnlyList<string> Tables { get; init; } = [];

    /// <summary>Tables to leave out (<c>--exclude-table</c>).</summary>
    public IReadOnlyList<string> ExcludedTables { get; init; } = [];

    /// <summary>Tables whose rows are left out (<c>--exclude-table-data</c>).</summary>
    public IReadOnlyList<string> ExcludedTableData { get; init; } = [];

    /// <summary>Contents of large objects; null, the default, leaves it to pg_dump: yes with data and without patterns.</summary>
    public bool? LargeObjects { get; init; }

    /// <summary>Snapshot exported by another session (<c>--snapshot</c>); null, the default, takes a new one.</summary>
    public string? Snapshot { get; init; }

    /// <summary>Longest wait for a table lock. Default 30 s; <see cref="Timeout.InfiniteTimeSpan"/> waits for ever; else at least 1 ms.</summary>
    public TimeSpan LockTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Encoding of the archive, as PostgreSQL names it. Default <c>UTF8</c>; null takes that of the database.</summary>
    public string? Encoding { get; init; } = "UTF8";

    /// <summary>Service of the connection service file (<c>PGSERVICE</c>); null, the default, for none.</summary>
    public string? Service { get; init; }

    /// <summary>Password file (<c>PGPASSFILE</c>); null, the default, leaves libpq's own.</summary>
    public string? PassFile { get; init; }

    /// <summary>How often a dump is started again that lost a race with concurrent DDL before it gave any output. Default 1; at least 0.</summary>
    public int Retries { get; init; } = 1;

    /// <summary>Foreign servers, as psql patterns, whose foreign tables' rows are dumped too (<c>--include-foreign-data</c>). Default none.</summary>
    public IReadOnlyList<string> ForeignData { get; init; } = [];

    /// <summary>Bytes of output to take in a second; null, the default, takes them as they come. At least 1.</summary>
    public long? MaxBytesPerSecond { get; init; }

    /// <summary>Further arguments, handed to pg_dump as they stand. Default none. Never put a secret here.</summary>
    public IReadOnlyList<string> ExtraArguments { get; init; } = [];

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(Retries);
        if (LockTimeout != Timeout.InfiniteTimeSpan)
            ArgumentOutOfRangeException.ThrowIfLessThan(LockTimeout, TimeSpan.FromMilliseconds(1));
        if (MaxBytesPerSecond is { } rate)
            ArgumentOutOfRangeException.ThrowIfLessThan(rate, 1, nameof(MaxBytesPerSecond));
        if (RowsPerInsert is { } rows)
            ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1, nameof(RowsPerInsert));
        if (DataFormat == DataFormat.Copy && (RowsPerInsert is not null || OnConflictDoNothing))
            throw new ExtractorOptionException(nameof(DataFormat), "RowsPerInsert and OnConflictDoNothing need rows as INSERT statements.", "Set DataFormat to Inserts or ColumnInserts.");
        if (SchemaOnly && DataFormat != DataFormat.Copy)
            throw new ExtractorOptionException(nameof(DataFormat), $"DataFormat '{DataFormat}' has no meaning with SchemaOnly.", "Leave one of the two out.");
    }
}
