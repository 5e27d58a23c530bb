using Npgsql;

namespace OmniPg.Shared;

/// <summary>Columns of a row that may be null.</summary>
internal static class PgRow
{
    public static string? Text(this NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    public static int? Integer(this NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetInt32(column);

    public static long? BigInt(this NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetInt64(column);

    public static double? Double(this NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetDouble(column);

    /// <summary>True only where the column is; null counts as false.</summary>
    public static bool IsTrue(this NpgsqlDataReader row, int column) => !row.IsDBNull(column) && row.GetBoolean(column);

    /// <summary>A <c>timestamptz</c>, in UTC.</summary>
    public static DateTimeOffset? Instant(this NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetFieldValue<DateTimeOffset>(column);

    /// <summary>An <c>interval</c>, months included.</summary>
    public static PgInterval? Interval(this NpgsqlDataReader row, int column) =>
        row.IsDBNull(column) ? (PgInterval?)null : PgInterval.FromNpgsqlInterval(row.GetFieldValue<NpgsqlTypes.NpgsqlInterval>(column));
}
