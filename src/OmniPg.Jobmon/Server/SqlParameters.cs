using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Jobmon;

/// <summary>Parameters whose type the server cannot guess from a null.</summary>
internal static class SqlParameters
{
    public static NpgsqlParameter Text(string? value) => Of(value, NpgsqlDbType.Text);

    public static NpgsqlParameter Instant(DateTimeOffset? value) => Of(value?.UtcDateTime, NpgsqlDbType.TimestampTz);

    public static NpgsqlParameter Interval(TimeSpan? value) => Of(value, NpgsqlDbType.Interval);

    public static NpgsqlParameter Integer(int? value) => Of(value, NpgsqlDbType.Integer);

    public static NpgsqlParameter Flag(bool? value) => Of(value, NpgsqlDbType.Boolean);

    private static NpgsqlParameter Of(object? value, NpgsqlDbType type) => new() { Value = value ?? DBNull.Value, NpgsqlDbType = type };
}
