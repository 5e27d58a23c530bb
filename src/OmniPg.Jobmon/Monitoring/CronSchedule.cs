using System.Globalization;

namespace OmniPg.Jobmon;

/// <summary>
/// Cron schedule of five fields (minute, hour, day of month, month, day of week), evaluated in a time zone, answered in UTC. A local time
/// that the clock skips is due at the first instant after the gap; one that it shows twice is due the first time only.
/// </summary>
internal sealed class CronSchedule
{
    private static readonly string[] Months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
    private static readonly string[] Days = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

    // The longest wait of a satisfiable schedule: 29 February across a year that is no leap year, such as 2100.
    private const int SearchDays = 366 * 9;

    private readonly CronField _minute, _hour, _day, _month, _weekday;
    private readonly bool _lastDay, _bothDays;

    private CronSchedule(CronField minute, CronField hour, CronField day, CronField month, CronField weekday, bool lastDay, bool bothDays) =>
        (_minute, _hour, _day, _month, _weekday, _lastDay, _bothDays) = (minute, hour, day, month, weekday, lastDay, bothDays);

    public static CronSchedule Parse(string text)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(text);
        var fields = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length != 5)
            throw new FormatException($"A cron schedule has five fields; '{text}' has '{fields.Length}'.");
        return Parse(fields, CronField.Parse(fields[2], 1, 31, []));
    }

    /// <param name="fields">At least five fields, of which the third is not looked at.</param>
    /// <param name="day">The third one.</param>
    /// <param name="lastDay">Whether the last day of a month is due, too.</param>
    /// <param name="bothDays">Whether a day must match both day fields, where cron takes either when both are restricted.</param>
    public static CronSchedule Parse(string[] fields, CronField day, bool lastDay = false, bool bothDays = false)
    {
        var weekday = CronField.Parse(fields[4], 0, 7, Days);
        return new CronSchedule(
            CronField.Parse(fields[0], 0, 59, []), CronField.Parse(fields[1], 0, 23, []), day,
            CronField.Parse(fields[3], 1, 12, Months), weekday.Has(7) ? weekday with { Bits = weekday.Bits | 1 } : weekday,
            lastDay, bothDays);
    }

    /// <summary>The last due instant at or before <paramref name="instant"/>; <see langword="null"/> if the schedule never fires.</summary>
    public DateTimeOffset? Previous(DateTimeOffset instant, TimeZoneInfo zone)
    {
        // A gap moves a due time forward, so a local time after "now" can never be due before it; a day of margin covers every offset.
        var day = DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(instant, zone).DateTime).AddDays(1);
        for (var i = 0; i < SearchDays; i++, day = day.AddDays(-1))
        {
            if (!IsDue(day))
                continue;
            for (var minute = (24 * 60) - 1; minute >= 0; minute--)
            {
                if (_hour.Has(minute / 60) && _minute.Has(minute % 60) && ToInstant(day, minute, zone) is var due && due <= instant)
                    return due;
            }
        }
        return null;
    }

    public bool IsDue(TimeOnly time) => _hour.Has(time.Hour) && _minute.Has(time.Minute);

    // As in cron: when both day fields are restricted, either may match.
    public bool IsDue(DateOnly day)
    {
        if (!_month.Has(day.Month))
            return false;
        var dayOfMonth = _day.Has(day.Day) || (_lastDay && day.AddDays(1).Day == 1);
        var dayOfWeek = _weekday.Has((int)day.DayOfWeek);
        return _bothDays || _day.IsStar || _weekday.IsStar ? dayOfMonth && dayOfWeek : dayOfMonth || dayOfWeek;
    }

    private static DateTimeOffset ToInstant(DateOnly day, int minute, TimeZoneInfo zone)
    {
        var local = day.ToDateTime(TimeOnly.MinValue).AddMinutes(minute);
        if (zone.IsInvalidTime(local))
        {
            while (zone.IsInvalidTime(local))
                local = local.AddMinutes(1);
            return new DateTimeOffset(local, zone.GetUtcOffset(local)).ToUniversalTime();
        }
        // The first of two occurrences has the larger offset from UTC.
        var offset = zone.IsAmbiguousTime(local) ? zone.GetAmbiguousTimeOffsets(local).Max() : zone.GetUtcOffset(local);
        return new DateTimeOffset(local, offset).ToUniversalTime();
    }
}

/// <summary>One field of a cron schedule as a set of numbers below 64.</summary>
internal readonly record struct CronField(ulong Bits, bool IsStar)
{
    public bool Has(int value) => (Bits >> value & 1) != 0;

    /// <summary>Reads lists, ranges, steps and names (<c>1,10-20/5,*/15,MON-FRI</c>).</summary>
    public static CronField Parse(string text, int low, int high, string[] names)
    {
        ulong bits = 0;
        foreach (var part in text.Split(','))
        {
            var slash = part.IndexOf('/', StringComparison.Ordinal);
            var range = slash < 0 ? part : part[..slash];
            var step = slash < 0 ? 1 : Number(part[(slash + 1)..], 1, high, []);
            var dash = range.IndexOf('-', StringComparison.Ordinal);
            var (from, to) = range == "*" ? (low, high)
                : dash > 0 ? (Number(range[..dash], low, high, names), Number(range[(dash + 1)..], low, high, names))
                : (Number(range, low, high, names), slash < 0 ? Number(range, low, high, names) : high);
            if (to < from)
                throw new FormatException($"'{part}' counts backwards in a cron schedule.");
            for (var value = from; value <= to; value += step)
                bits |= 1UL << value;
        }
        return new CronField(bits, text.StartsWith('*'));
    }

    private static int Number(string text, int low, int high, string[] names)
    {
        var index = Array.FindIndex(names, n => n.Equals(text, StringComparison.OrdinalIgnoreCase));
        if (index >= 0)
            return index + low;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= low && value <= high
            ? value : throw new FormatException($"'{text}' is not a number from {low} to {high} in a cron schedule.");
    }
}
