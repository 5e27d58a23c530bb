using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>Columns that the source has and the destination has not, as <see cref="DriftPolicy"/> says.</summary>
internal static class MissingColumns
{
    /// <summary>The columns to copy, without those that are to be ignored.</summary>
    public static async Task<IReadOnlyList<ColumnInfo>> LeaveOutAsync(PgSession destination, ReplicationSpec spec, IReadOnlyList<ColumnInfo> columns)
    {
        if (spec.Drift != DriftPolicy.Ignore || await RelationInfo.FindAsync(destination, spec.Target).ConfigureAwait(false) is not { } table)
            return columns;
        return [.. columns.Where(c => IsNamed(spec, c) || table.Columns.Any(t => t.Name == c.Name))];
    }

    /// <summary>Whether a column may not be left out.</summary>
    public static bool IsNamed(ReplicationSpec spec, ColumnInfo column) => spec.Columns.Contains(column.Name.Value) || spec.Key.Contains(column.Name.Value) || spec.Cursor?.Column == column.Name.Value;

    /// <summary>Adds them at the destination, and where it keeps older images of deleted rows, in its transaction.</summary>
    /// <exception cref="ColumnDriftException">The destination does not know a type.</exception>
    public static async Task AddAsync(TableRun run, bool all)
    {
        var spec = run.Spec;
        if (spec.Drift != DriftPolicy.AddColumns || await RelationInfo.FindAsync(run.Destination, spec.Target).ConfigureAwait(false) is not { } table)
            return;
        if (await AddAsync(run, table).ConfigureAwait(false) is { Length: > 0 } names)
        {
            run.Warnings.Add(all ? $"Column '{names}' was added to '{spec.Target}'."
                : $"Column '{names}' was added to '{spec.Target}': rows that were not changed since the source has it have no value there. Repull the table, unless they have none at the source.");
        }
        if (spec.KeepHistory)
            await AddAsync(run, await DeletedHistory.RequireAsync(run.Destination, spec.Target).ConfigureAwait(false)).ConfigureAwait(false);
    }

    /// <summary>Steps of <see cref="AddAsync(TableRun, bool)"/>.</summary>
    /// <returns>The destination as it is behind them.</returns>
    public static RelationInfo Plan(TableRun run, PlanSteps steps, RelationInfo table)
    {
        if (run.Spec.Drift != DriftPolicy.AddColumns || Of(run, table) is not { Length: > 0 } missing)
            return table;
        steps.Alone("column", "The source has columns that are new.", Statement(table, missing), table.Name);
        return table with { Columns = [.. table.Columns, .. missing] };
    }

    private static ColumnInfo[] Of(TableRun run, RelationInfo table) => [.. run.Columns.Where(c => table.Columns.All(t => t.Name != c.Name))];

    private static string Statement(RelationInfo table, IEnumerable<ColumnInfo> missing) => $"ALTER TABLE {table.Name.Quoted} {string.Join(", ", missing.Select(c => $"ADD COLUMN {c.Name.Quoted} {c.Type}"))}";

    // Their names.
    private static async Task<string> AddAsync(TableRun run, RelationInfo table)
    {
        var missing = Of(run, table);
        if (missing.Length == 0)
            return "";
        try
        {
            await run.Destination.ExecuteAsync(Statement(table, missing)).ConfigureAwait(false);
        }
        catch (PostgresException error) when (error.SqlState is PostgresErrorCodes.UndefinedObject or PostgresErrorCodes.InvalidSchemaName)
        {
            throw new ColumnDriftException(run.Spec.Target, [.. missing.Select(c => $"'{c.Name.Value}' ({c.Type}) is missing {(table.Name == run.Spec.Target ? "at the destination" : $"in '{table.Name}'")} and cannot be added: {error.MessageText}")], "Make the type at the destination.");
        }
        return string.Join("', '", missing.Select(c => c.Name.Value));
    }
}
