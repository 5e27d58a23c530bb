using System.Globalization;

namespace OmniPg.Extractor;

/// <summary>What pg_dump dumps and how it connects; the format is always custom, without compression, into a pipe.</summary>
public sealed class PgDumpOptions : ICheckedOptions
{
    /// <summary>Definitions only (<c>--schema-only</c>). Default false.</summary>
    public bool SchemaOnly { get; set; }

    /// <summary>How rows are written. Default <see cref="DataFormat.Copy"/>.</summary>
    public DataFormat DataFormat { get; set; }

    /// <summary>Rows per INSERT statement (<c>--rows-per-insert</c>); null, the default, means one. At least 1; needs an INSERT format.</summary>
    public int? RowsPerInsert { get; set; }

    /// <summary>Adds ON CONFLICT DO NOTHING to INSERT statements; needs an INSERT format. Default false.</summary>
    public bool OnConflictDoNothing { get; set; }

    /// <summary>Schemas to dump, as psql patterns (<c>--schema</c>). Empty, the default: all. Suppresses everything that is in no schema.</summary>
    public IReadOnlyList<string> Schemas { get; set; } = [];

    /// <summary>Schemas to leave out (<c>--exclude-schema</c>).</summary>
    public IReadOnlyList<string> ExcludedSchemas { get; set; } = [];

    /// <summary>Tables, views and sequences to dump, as psql patterns (<c>--table</c>). Suppresses every other kind.</summary>
    public IReadOnlyList<string> Tables { get; set; } = [];

    /// <summary>Tables to leave out (<c>--exclude-table</c>).</summary>
    public IReadOnlyList<string> ExcludedTables { get; set; } = [];

    /// <summary>Tables whose rows are left out (<c>--exclude-table-data</c>).</summary>
    public IReadOnlyList<string> ExcludedTableData { get; set; } = [];

    /// <summary>Contents of large objects; null, the default, leaves it to pg_dump: yes with data and without patterns.</summary>
    public bool? LargeObjects { get; set; }

    /// <summary>Snapshot exported by another session (<c>--snapshot</c>); null, the default, takes a new one.</summary>
    public string? Snapshot { get; set; }

    /// <summary>Longest wait for a table lock. Default 30 s; <see cref="Timeout.InfiniteTimeSpan"/> waits for ever; else at least 1 ms.</summary>
    public TimeSpan LockTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Encoding of the archive, as PostgreSQL names it. Default <c>UTF8</c>; null takes that of the database.</summary>
    public string? Encoding { get; set; } = "UTF8";

    /// <summary>Service of the connection service file (<c>PGSERVICE</c>); null, the default, for none.</summary>
    public string? Service { get; set; }

    /// <summary>Password file (<c>PGPASSFILE</c>); null, the default, leaves libpq's own.</summary>
    public string? PassFile { get; set; }

    /// <summary>How often a dump is started again that lost a race with concurrent DDL before it gave any output. Default 1; at least 0.</summary>
    public int Retries { get; set; } = 1;

    /// <summary>Foreign servers, as psql patterns, whose foreign tables' rows are dumped too (<c>--include-foreign-data</c>). Default none.</summary>
    public IReadOnlyList<string> ForeignData { get; set; } = [];

    /// <summary>Bytes of output to take in a second; null, the default, takes them as they come. At least 1.</summary>
    public long? MaxBytesPerSecond { get; set; }

    /// <summary>Further arguments, handed to pg_dump as they stand. Default none. Never put a secret here.</summary>
    public IReadOnlyList<string> ExtraArguments { get; set; } = [];

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.AtLeast<int>(Retries, 0);
        check.That(LockTimeout == Timeout.InfiniteTimeSpan || LockTimeout >= TimeSpan.FromMilliseconds(1), $"LockTimeout is '{LockTimeout}', it must be at least 1 ms.");
        check.AtLeast(MaxBytesPerSecond, 1);
        check.AtLeast(RowsPerInsert, 1);
        check.That(DataFormat != DataFormat.Copy || (RowsPerInsert is null && !OnConflictDoNothing),
            "RowsPerInsert and OnConflictDoNothing need rows as INSERT statements: set DataFormat to Inserts or ColumnInserts.");
        check.That(!SchemaOnly || DataFormat == DataFormat.Copy, $"DataFormat '{DataFormat}' has no meaning with SchemaOnly: leave one of the two out.");
    }

    /// <summary>The command line of pg_dump. Long options with their value in one argument: no pattern can be taken for an option.</summary>
    internal IReadOnlyList<string> ToArguments()
    {
        List<string> arguments = ["--format=custom", "--compress=0", "--no-password"];
        if (LockTimeout != Timeout.InfiniteTimeSpan)
            arguments.Add("--lock-wait-timeout=" + Math.Ceiling(LockTimeout.TotalMilliseconds).ToString(CultureInfo.InvariantCulture));
        Add(arguments, "--encoding", Encoding);
        Add(arguments, "--snapshot", Snapshot);
        AddAll(arguments, "--schema", Schemas);
        AddAll(arguments, "--exclude-schema", ExcludedSchemas);
        AddAll(arguments, "--table", Tables);
        AddAll(arguments, "--exclude-table", ExcludedTables);
        AddData(arguments);
        arguments.AddRange(ExtraArguments);
        return arguments;
    }

    private void AddData(List<string> arguments)
    {
        if (SchemaOnly)
            arguments.Add("--schema-only");
        if (DataFormat != DataFormat.Copy)
            arguments.Add(DataFormat == DataFormat.Inserts ? "--inserts" : "--column-inserts");
        Add(arguments, "--rows-per-insert", RowsPerInsert?.ToString(CultureInfo.InvariantCulture));
        if (OnConflictDoNothing)
            arguments.Add("--on-conflict-do-nothing");
        // The names before 16; newer ones accept them still.
        if (LargeObjects is { } wanted)
            arguments.Add(wanted ? "--blobs" : "--no-blobs");
        AddAll(arguments, "--exclude-table-data", ExcludedTableData);
        AddAll(arguments, "--include-foreign-data", ForeignData);
    }

    private static void Add(List<string> arguments, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
            arguments.Add($"{name}={value}");
    }

    private static void AddAll(List<string> arguments, string name, IReadOnlyList<string> values)
    {
        foreach (var value in values)
            arguments.Add($"{name}={value}");
    }
}

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
