using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Shared;

/// <summary>Positional parameters with their type, which the server cannot guess from a null.</summary>
internal static class PgParameter
{
    public static NpgsqlParameter Text(string? value) => Of(value, NpgsqlDbType.Text);

    public static NpgsqlParameter Texts(IEnumerable<string?> values) => Of(values.ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text);

    public static NpgsqlParameter Integer(int? value) => Of(value, NpgsqlDbType.Integer);

    public static NpgsqlParameter BigInt(long? value) => Of(value, NpgsqlDbType.Bigint);

    public static NpgsqlParameter BigInts(IEnumerable<long>? values) => Of(values?.ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Bigint);

    public static NpgsqlParameter Double(double? value) => Of(value, NpgsqlDbType.Double);

    public static NpgsqlParameter Flag(bool? value) => Of(value, NpgsqlDbType.Boolean);

    public static NpgsqlParameter Uuid(Guid? value) => Of(value, NpgsqlDbType.Uuid);

    public static NpgsqlParameter Instant(DateTimeOffset? value) => Of(value?.UtcDateTime, NpgsqlDbType.TimestampTz);

    public static NpgsqlParameter Interval(PgInterval? value) => Of(value?.ToNpgsqlInterval(), NpgsqlDbType.Interval);

    /// <summary>A value of any other type; null is SQL's NULL of it.</summary>
    public static NpgsqlParameter Of(object? value, NpgsqlDbType type) => new() { Value = value ?? DBNull.Value, NpgsqlDbType = type };
}
