using System.Globalization;

namespace OmniPg.Jobmon;

/// <summary>When pg_cron starts a job: by the minutes of a cron schedule, some seconds after the start before, or with the server.</summary>
internal sealed class PgCronSchedule
{
    private readonly CronSchedule? _cron;
    private readonly TimeSpan? _interval;

    private PgCronSchedule(CronSchedule? cron, TimeSpan? interval) => (_cron, _interval) = (cron, interval);

    /// <exception cref="FormatException">pg_cron takes the text, but what it does by it is not what it says.</exception>
    public static PgCronSchedule Parse(string text, bool bothDays)
    {
        var words = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        if (words is [['@', ..] nickname, ..])
            return Nickname(nickname);
        if (words is [var number, var unit] && unit.ToUpperInvariant() is "SECOND" or "SECONDS"
            && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds))
            return new PgCronSchedule(null, TimeSpan.FromSeconds(seconds));
        // In a crontab a command follows the five fields, and so pg_cron reads no further.
        if (words.Length < 5)
            throw new FormatException($"A cron schedule has five fields; '{text}' has '{words.Length}'.");
        var lastDay = words[2] == "$";
        var cron = CronSchedule.Parse(words, lastDay ? default : CronField.Parse(words[2], 1, 31, []), lastDay, bothDays);
        return new PgCronSchedule(cron, null);
    }

    /// <summary>
    /// The newest due start at or before <paramref name="latest"/>, if it is after <paramref name="lastStart"/> and not before
    /// <paramref name="earliest"/>.
    /// </summary>
    public DateTimeOffset? Missed(DateTimeOffset latest, DateTimeOffset? lastStart, DateTimeOffset earliest, TimeZoneInfo zone)
    {
        if (_interval is { } interval)
        {
            var next = lastStart is { } start ? start + interval : earliest + interval;
            return next <= latest && next >= earliest ? next : null;
        }
        var floor = lastStart is { } last && last > earliest ? last : earliest;
        return _cron is null ? null : Previous(_cron, latest, floor, zone) is { } due && due != lastStart ? due : null;
    }

    // pg_cron looks at what a clock in its zone shows, minute by minute. So a time that the clock leaves out is no start, and one that it
    // shows twice is two; the walk goes the same minutes backwards.
    private static DateTimeOffset? Previous(CronSchedule cron, DateTimeOffset latest, DateTimeOffset floor, TimeZoneInfo zone)
    {
        var minute = latest.ToUniversalTime();
        minute = minute.AddTicks(-(minute.Ticks % TimeSpan.TicksPerMinute));
        while (minute >= floor)
        {
            var local = TimeZoneInfo.ConvertTime(minute, zone).DateTime;
            var day = DateOnly.FromDateTime(local);
            if (!cron.IsDue(day))
                minute = DayBefore(minute, day, zone);
            else if (cron.IsDue(TimeOnly.FromDateTime(local)))
                return minute;
            else
                minute = minute.AddMinutes(-1);
        }
        return null;
    }

    private static DateTimeOffset DayBefore(DateTimeOffset minute, DateOnly day, TimeZoneInfo zone)
    {
        var midnight = day.ToDateTime(TimeOnly.MinValue);
        if (zone.IsInvalidTime(midnight) || zone.IsAmbiguousTime(midnight))
            return minute.AddMinutes(-1);
        return new DateTimeOffset(midnight, zone.GetUtcOffset(midnight)).ToUniversalTime().AddMinutes(-1);
    }

    private static PgCronSchedule Nickname(string name) => name switch
    {
        "@reboot" or "@restart" => new PgCronSchedule(null, null),
        "@yearly" or "@annually" => Cron("0 0 1 1 *"),
        "@monthly" => Cron("0 0 1 * *"),
        "@weekly" => Cron("0 0 * * 0"),
        "@daily" or "@midnight" => Cron("0 0 * * *"),
        "@hourly" => Cron("0 * * * *"),
        _ => throw new FormatException($"'{name}' is no schedule of pg_cron."),
    };

    private static PgCronSchedule Cron(string text) => new(CronSchedule.Parse(text), null);
}
