namespace OmniPg.Partman;

/// <summary>
/// The boundaries of a set by time on one clock: <c>bound(n) = anchor + n × interval</c>, always counted from the anchor, so that a month that begins on the
/// 31st neither drifts nor leaves a gap. The clock is local time of the set's zone for intervals of a day and more, else UTC.
/// </summary>
/// <param name="Anchor">Bound 0, a clock reading.</param>
/// <param name="Interval">Length of a partition; at least a second.</param>
internal sealed record TimeSteps(DateTime Anchor, PgInterval Interval)
{
    private static readonly TimeSpan Year = PgInterval.OfMonths(12).Estimate;

    /// <summary>Whether boundaries follow the calendar of the set's zone; smaller steps run on UTC, where no hour is skipped or repeated.</summary>
    public static bool FollowsCalendar(PgInterval interval) => interval.Estimate >= TimeSpan.FromDays(1);

    /// <summary>The n-th boundary.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It lies outside the years 1 to 9999.</exception>
    public DateTime this[int n] => Interval.Multiply(n).AddTo(Anchor);

    /// <summary>The number of the boundary at or before a clock reading.</summary>
    public int IndexOf(DateTime reading)
    {
        // The estimate is at most a few steps off: a month is taken for 30 days, and may have 28 to 31.
        var n = (int)Math.Clamp((reading - Anchor).Ticks / (decimal)AverageTicks(Interval), int.MinValue / 2, int.MaxValue / 2);
        while (IsAtMost(n + 1, reading))
            n++;
        while (!IsAtMost(n, reading))
            n--;
        return n;
    }

    /// <summary>The boundary after a clock reading.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It lies behind the year 9999.</exception>
    public DateTime Above(DateTime reading) => this[IndexOf(reading) + 1];

    /// <summary>The clock reading that a first partition begins at, by the rule of the extension (<c>create_parent</c>): the larger the interval, the rounder.</summary>
    /// <param name="reading">Where it was asked to begin.</param>
    /// <param name="interval">Length of a partition.</param>
    /// <param name="unit">A field of <c>date_trunc</c> that replaces the rule; null for the rule.</param>
    /// <exception cref="ArgumentException">The field is none.</exception>
    public static DateTime Truncate(DateTime reading, PgInterval interval, string? unit = null)
    {
        var length = interval.Estimate;
        return (unit ?? (length >= Year * 1000 ? "millennium" : length >= Year * 100 ? "century" : length >= Year * 10 ? "decade" : length >= Year ? "year"
            : length >= PgInterval.OfMonths(1).Estimate ? "month" : length >= TimeSpan.FromDays(1) ? "day" : length >= TimeSpan.FromMinutes(1) ? "hour" : "minute")) switch
        {
            // Centuries begin with the year 1, decades with the year 0 (timestamp_trunc, src/backend/utils/adt/timestamp.c).
            "millennium" => new DateTime(((reading.Year - 1) / 1000 * 1000) + 1, 1, 1),
            "century" => new DateTime(((reading.Year - 1) / 100 * 100) + 1, 1, 1),
            "decade" => new DateTime(Math.Max(reading.Year / 10 * 10, 1), 1, 1),
            "year" => new DateTime(reading.Year, 1, 1),
            "quarter" => new DateTime(reading.Year, ((reading.Month - 1) / 3 * 3) + 1, 1),
            "month" => new DateTime(reading.Year, reading.Month, 1),
            "week" => OnWeekday(reading, DayOfWeek.Monday),
            "day" => reading.Date,
            "hour" => Floor(reading, TimeSpan.TicksPerHour),
            "minute" => Floor(reading, TimeSpan.TicksPerMinute),
            "second" => Floor(reading, TimeSpan.TicksPerSecond),
            _ => throw new ArgumentException($"'{unit}' is not a unit that a partition can begin with: 'second', 'minute', 'hour', 'day', 'week', 'month', 'quarter', 'year', 'decade', 'century' or 'millennium'.", nameof(unit)),
        };
    }

    /// <summary>Midnight of the last such weekday at or before a clock reading.</summary>
    public static DateTime OnWeekday(DateTime reading, DayOfWeek day) => reading.Date.AddDays(-((reading.DayOfWeek - day + 7) % 7));

    private bool IsAtMost(int n, DateTime reading)
    {
        try
        {
            return this[n] <= reading;
        }
        catch (Exception error) when (error is ArgumentOutOfRangeException or OverflowException)
        {
            // Beyond the calendar: below everything on one side, above it on the other.
            return n < 0;
        }
    }

    // The Gregorian year has 365.2425 days.
    private static long AverageTicks(PgInterval interval) =>
        (long)((interval.Months * 365.2425m / 12 * TimeSpan.TicksPerDay) + ((decimal)interval.Days * TimeSpan.TicksPerDay) + ((decimal)interval.Microseconds * TimeSpan.TicksPerMicrosecond));

    private static DateTime Floor(DateTime reading, long ticks) => reading.AddTicks(-(reading.Ticks % ticks));
}
