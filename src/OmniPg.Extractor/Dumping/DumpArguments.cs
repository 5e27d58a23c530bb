using System.Globalization;

namespace OmniPg.Extractor.Dumping;

/// <summary>The command line of pg_dump. Long options with their value in one argument: no pattern can be taken for an option.</summary>
internal static class DumpArguments
{
    public static IReadOnlyList<string> Of(PgDumpOptions options)
    {
        List<string> arguments = ["--format=custom", "--compress=0", "--no-password"];
        if (options.LockTimeout != Timeout.InfiniteTimeSpan)
            arguments.Add("--lock-wait-timeout=" + Math.Ceiling(options.LockTimeout.TotalMilliseconds).ToString(CultureInfo.InvariantCulture));
        Add(arguments, "--encoding", options.Encoding);
        Add(arguments, "--snapshot", options.Snapshot);
        AddAll(arguments, "--schema", options.Schemas);
        AddAll(arguments, "--exclude-schema", options.ExcludedSchemas);
        AddAll(arguments, "--table", options.Tables);
        AddAll(arguments, "--exclude-table", options.ExcludedTables);
        AddData(arguments, options);
        arguments.AddRange(options.ExtraArguments);
        return arguments;
    }

    private static void AddData(List<string> arguments, PgDumpOptions options)
    {
        if (options.SchemaOnly)
            arguments.Add("--schema-only");
        if (options.DataFormat != DataFormat.Copy)
            arguments.Add(options.DataFormat == DataFormat.Inserts ? "--inserts" : "--column-inserts");
        Add(arguments, "--rows-per-insert", options.RowsPerInsert?.ToString(CultureInfo.InvariantCulture));
        if (options.OnConflictDoNothing)
            arguments.Add("--on-conflict-do-nothing");
        // The names before 16; newer ones accept them still.
        if (options.LargeObjects is { } wanted)
            arguments.Add(wanted ? "--blobs" : "--no-blobs");
        AddAll(arguments, "--exclude-table-data", options.ExcludedTableData);
        AddAll(arguments, "--include-foreign-data", options.ForeignData);
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
