using System.Diagnostics.CodeAnalysis;
using NpgsqlTypes;

namespace OmniPg;

/// <summary>A PostgreSQL interval: months, days and microseconds kept apart, because a month has no fixed number of days and a day none of hours.</summary>
/// <remarks>
/// <para>Text goes in as the server reads it (<c>1 mon 2 days 03:04:05</c>, <c>26 hours</c>, <c>P1M2DT3H</c>, <c>3 days ago</c>) and comes out as the
/// server writes it with <c>IntervalStyle = postgres</c>. A <see cref="TimeSpan"/> converts by itself; its whole days become days.</para>
/// <para>Two intervals are equal when all three fields are: <c>1 mon</c> is not <c>30 days</c>, which the server's <c>=</c> would say.
/// <see cref="Estimate"/> gives the server's measure.</para>
/// </remarks>
/// <param name="Months">Months; 12 for each year.</param>
/// <param name="Days">Days of the calendar; 7 for each week.</param>
/// <param name="Microseconds">The time part.</param>
public readonly record struct PgInterval(int Months, int Days, long Microseconds) : ISpanParsable<PgInterval>
{
    private const long MicrosecondsPerDay = 86_400_000_000;
    private const int DaysPerMonth = 30;

    /// <summary>The interval of no length.</summary>
    public static PgInterval Zero => default;

    /// <summary>Whether every field is zero.</summary>
    public bool IsZero => this == default;

    /// <summary>
    /// How long the interval is when a month counts as 30 days and a day as 24 hours, by which the server orders intervals
    /// (<c>interval_cmp_value</c>, src/backend/utils/adt/timestamp.c).
    /// </summary>
    public TimeSpan Estimate => TimeSpan.FromTicks(checked(
        (((((long)Months * DaysPerMonth) + Days) * MicrosecondsPerDay) + Microseconds) * TimeSpan.TicksPerMicrosecond));

    /// <summary>An interval of months.</summary>
    /// <param name="months">Number of months; 12 make a year.</param>
    /// <returns>The interval.</returns>
    public static PgInterval OfMonths(int months) => new(months, 0, 0);

    /// <summary>An interval of calendar days, which last 23 or 25 hours when clocks change.</summary>
    /// <param name="days">Number of days.</param>
    /// <returns>The interval.</returns>
    public static PgInterval OfDays(int days) => new(0, days, 0);

    /// <summary>Takes over a time span as the driver does: whole days become days, the rest time. Less than a microsecond is cut off.</summary>
    /// <param name="span">The time span.</param>
    /// <returns>The interval.</returns>
    public static PgInterval FromTimeSpan(TimeSpan span) =>
        new(0, span.Days, (span - TimeSpan.FromDays(span.Days)).Ticks / TimeSpan.TicksPerMicrosecond);

    /// <summary>Takes over the driver's interval.</summary>
    /// <param name="interval">The interval.</param>
    /// <returns>The same interval.</returns>
    public static PgInterval FromNpgsqlInterval(NpgsqlInterval interval) => new(interval.Months, interval.Days, interval.Time);

    /// <summary>Takes over a time span.</summary>
    /// <param name="span">The time span.</param>
    public static implicit operator PgInterval(TimeSpan span) => FromTimeSpan(span);

    /// <summary>Reads an interval's text.</summary>
    /// <param name="text">Text as the server reads it.</param>
    /// <exception cref="FormatException">The text is no interval.</exception>
    public static implicit operator PgInterval(string text) => Parse(text);

    /// <summary>The driver's interval, for a parameter.</summary>
    /// <returns>The same interval.</returns>
    public NpgsqlInterval ToNpgsqlInterval() => new(Months, Days, Microseconds);

    /// <summary>The interval as a time span, a day being 24 hours.</summary>
    /// <returns>The time span.</returns>
    /// <exception cref="InvalidOperationException">The interval has months, whose length depends on where they begin.</exception>
    /// <exception cref="OverflowException">The interval is longer than a time span can be.</exception>
    public TimeSpan ToTimeSpan() => Months == 0
        ? Estimate
        : throw new InvalidOperationException($"The interval '{this}' has months, which are no fixed time. Use days, or Estimate for 30 days a month.");

    /// <summary>The interval several times.</summary>
    /// <param name="factor">How often; negative goes backwards.</param>
    /// <returns>Each field multiplied.</returns>
    /// <exception cref="OverflowException">A field does not fit any more.</exception>
    public PgInterval Multiply(int factor) => checked(new PgInterval(Months * factor, Days * factor, Microseconds * factor));

    /// <summary>The interval in the other direction.</summary>
    /// <returns>Each field negated.</returns>
    /// <exception cref="OverflowException">A field does not fit any more.</exception>
    public PgInterval Negate() => Multiply(-1);

    /// <summary>Adds the interval to a local time, as the server adds to a <c>timestamp</c>: months first, cut to the month's last day, then days, then time.</summary>
    /// <param name="start">The local time.</param>
    /// <returns>The local time after the interval.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The result is outside the years 1 to 9999.</exception>
    public DateTime AddTo(DateTime start) => start.AddMonths(Months).AddDays(Days).AddTicks(Microseconds * TimeSpan.TicksPerMicrosecond);

    /// <summary>
    /// Adds the interval to a moment, as the server adds to a <c>timestamptz</c> under that <c>TimeZone</c>: months and days on the clock of the zone,
    /// then the time part on the time line.
    /// </summary>
    /// <param name="start">The moment; its own offset does not matter.</param>
    /// <param name="zone">The time zone whose calendar counts.</param>
    /// <returns>The moment after the interval, with the zone's offset at that moment.</returns>
    /// <remarks>
    /// A local time that a change of clocks skips or repeats is taken with the smaller of both offsets
    /// (<c>DetermineTimeZoneOffset</c>, src/backend/utils/adt/datetime.c).
    /// </remarks>
    /// <exception cref="ArgumentOutOfRangeException">The result is outside the years 1 to 9999.</exception>
    public DateTimeOffset AddTo(DateTimeOffset start, TimeZoneInfo zone)
    {
        ArgumentNullException.ThrowIfNull(zone);
        var moment = start;
        if (Months != 0 || Days != 0)
        {
            var local = TimeZoneInfo.ConvertTime(start, zone).DateTime.AddMonths(Months).AddDays(Days);
            moment = new DateTimeOffset(local, OffsetOf(local, zone));
        }
        return TimeZoneInfo.ConvertTime(moment.AddTicks(Microseconds * TimeSpan.TicksPerMicrosecond), zone);
    }

    /// <summary>Reads an interval.</summary>
    /// <param name="s">Text as the server reads it; ISO 8601 with designators too.</param>
    /// <param name="provider">Ignored: intervals know no culture.</param>
    /// <returns>The interval.</returns>
    /// <exception cref="FormatException">The text is no interval, or does not fit into one.</exception>
    public static PgInterval Parse(ReadOnlySpan<char> s, IFormatProvider? provider = null) =>
        TryParse(s, provider, out var result) ? result : throw new FormatException($"'{s}' is not a PostgreSQL interval, such as '1 day', '26 hours' or 'P1M'.");

    /// <inheritdoc cref="Parse(ReadOnlySpan{char}, IFormatProvider?)"/>
    public static PgInterval Parse(string s, IFormatProvider? provider = null)
    {
        ArgumentNullException.ThrowIfNull(s);
        return Parse(s.AsSpan(), provider);
    }

    /// <summary>Reads an interval like <see cref="Parse(ReadOnlySpan{char}, IFormatProvider?)"/> without throwing.</summary>
    /// <param name="s">The text.</param>
    /// <param name="provider">Ignored.</param>
    /// <param name="result">The interval, or <see langword="default"/>.</param>
    /// <returns>Whether the text is an interval.</returns>
    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out PgInterval result) => PgIntervalText.TryRead(s, out result);

    /// <inheritdoc cref="TryParse(ReadOnlySpan{char}, IFormatProvider?, out PgInterval)"/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out PgInterval result) => TryParse(s.AsSpan(), provider, out result);

    /// <summary>The text that the server writes with <c>IntervalStyle = postgres</c>, such as <c>1 mon -2 days +03:00:00</c>; any style reads it back.</summary>
    /// <returns>The text.</returns>
    public override string ToString() => PgIntervalText.Write(this);

    private static TimeSpan OffsetOf(DateTime local, TimeZoneInfo zone)
    {
        var asUtc = DateTime.SpecifyKind(local, DateTimeKind.Utc);
        var before = zone.GetUtcOffset(asUtc.AddDays(-1));
        var after = zone.GetUtcOffset(asUtc.AddDays(1));
        if (before == after)
            return zone.GetUtcOffset(asUtc - before);
        var beforeHolds = zone.GetUtcOffset(asUtc - before) == before;
        var afterHolds = zone.GetUtcOffset(asUtc - after) == after;
        if (beforeHolds != afterHolds)
            return beforeHolds ? before : after;
        return before < after ? before : after;
    }
}
