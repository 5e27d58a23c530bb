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

    /// <summary>Adds them at the destination, in its transaction.</summary>
    /// <exception cref="ColumnDriftException">The destination does not know a type.</exception>
    public static async Task AddAsync(TableRun run, bool all)
    {
        var spec = run.Spec;
        if (spec.Drift != DriftPolicy.AddColumns || await RelationInfo.FindAsync(run.Destination, spec.Target).ConfigureAwait(false) is not { } table)
            return;
        var missing = run.Columns.Where(c => table.Columns.All(t => t.Name != c.Name)).ToArray();
        if (missing.Length > 0)
            await AddAsync(run, missing, all).ConfigureAwait(false);
        if (spec.KeepHistory)
            await DeletedHistory.AddColumnsAsync(run).ConfigureAwait(false);
    }

    private static async Task AddAsync(TableRun run, IReadOnlyList<ColumnInfo> missing, bool all)
    {
        var spec = run.Spec;
        try
        {
            await run.Destination.ExecuteAsync($"ALTER TABLE {spec.Target.Quoted} {string.Join(", ", missing.Select(c => $"ADD COLUMN {c.Name.Quoted} {c.Type}"))}").ConfigureAwait(false);
        }
        catch (PostgresException error) when (error.SqlState is PostgresErrorCodes.UndefinedObject or PostgresErrorCodes.InvalidSchemaName)
        {
            throw new ColumnDriftException(spec.Target, [.. missing.Select(c => $"'{c.Name.Value}' ({c.Type}) is missing at the destination and cannot be added: {error.MessageText}")], "Make the type at the destination.");
        }
        var names = string.Join("', '", missing.Select(c => c.Name.Value));
        run.Warnings.Add(all ? $"Column '{names}' was added to '{spec.Target}'."
            : $"Column '{names}' was added to '{spec.Target}': rows that were not changed since the source has it have no value there. Repull the table, unless they have none at the source.");
    }
}
