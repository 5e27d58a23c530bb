using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>Conversions between the clock of a set's zone and the time line. The server does them: its rules of time zones are the ones that count.</summary>
internal static class ZoneClock
{
    /// <summary>What the clock of the set shows at some moments.</summary>
    public static async Task<IReadOnlyList<DateTime>> LocalAsync(PgSession session, string zone, IReadOnlyList<DateTimeOffset> moments) => zone == "UTC" || moments.Count == 0
        ? [.. moments.Select(m => DateTime.SpecifyKind(m.UtcDateTime, DateTimeKind.Unspecified))]
        : await session.RowsAsync(
            "SELECT pg_catalog.timezone($1, m.m) FROM unnest($2) WITH ORDINALITY AS m (m, place) ORDER BY m.place", row => row.GetDateTime(0),
            PgParameter.Text(zone), PgParameter.Of(moments.Select(m => m.UtcDateTime).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.TimestampTz)).ConfigureAwait(false);

    /// <summary>The moments at which the clock of the set shows some readings; one that is skipped or shown twice is taken as the server takes it.</summary>
    public static async Task<IReadOnlyList<DateTimeOffset>> MomentsAsync(PgSession session, string zone, IReadOnlyList<DateTime> readings) => zone == "UTC" || readings.Count == 0
        ? [.. readings.Select(r => new DateTimeOffset(r, TimeSpan.Zero))]
        : await session.RowsAsync(
            "SELECT pg_catalog.timezone($1, r.r) FROM unnest($2) WITH ORDINALITY AS r (r, place) ORDER BY r.place", row => row.GetFieldValue<DateTimeOffset>(0),
            PgParameter.Text(zone), PgParameter.Of(readings.ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Timestamp)).ConfigureAwait(false);
}
