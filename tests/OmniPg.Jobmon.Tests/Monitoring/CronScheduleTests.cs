using System.Globalization;

namespace OmniPg.Jobmon.Tests.Monitoring;

public sealed class CronScheduleTests
{
    private static readonly TimeZoneInfo Berlin = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");

    [Theory]
    [InlineData("30 2 * * *", "2026-03-28T12:00Z", "2026-03-31T00:00Z", "2026-03-29T01:00Z 2026-03-30T00:30Z")]
    [InlineData("30 2 * * *", "2026-10-24T12:00Z", "2026-10-27T00:00Z", "2026-10-25T00:30Z 2026-10-26T01:30Z")]
    [InlineData("*/30 2 * * *", "2026-03-28T12:00Z", "2026-03-29T12:00Z", "2026-03-29T01:00Z")]
    [InlineData("0 0 29 2 *", "2026-01-01T00:00Z", "2029-01-01T00:00Z", "2028-02-28T23:00Z")]
    [InlineData("0 12 13 * FRI", "2026-11-01T00:00Z", "2026-11-20T00:00Z", "2026-11-06T11:00Z 2026-11-13T11:00Z")]
    [InlineData("0 12 * * 7", "2026-11-01T00:00Z", "2026-11-10T00:00Z", "2026-11-01T11:00Z 2026-11-08T11:00Z")]
    [InlineData("0 9-17/4 * JAN,dec MON-WED", "2026-11-29T00:00Z", "2026-12-02T00:00Z", "2026-12-01T08:00Z 2026-12-01T12:00Z 2026-12-01T16:00Z")]
    public void Due_instants_are_those_of_the_wall_clock(string cron, string from, string to, string expected)
    {
        var schedule = CronSchedule.Parse(cron);
        var due = new List<DateTimeOffset>();

        for (var last = schedule.Previous(Instant(to), Berlin); last > Instant(from); last = schedule.Previous(due[0].AddTicks(-1), Berlin))
            due.Insert(0, last.Value);

        string.Join(' ', due.Select(d => d.UtcDateTime.ToString("yyyy-MM-ddTHH:mm'Z'", CultureInfo.InvariantCulture))).Should().Be(expected);
        foreach (var instant in due)
            schedule.Previous(instant.AddSeconds(30), Berlin).Should().Be(instant);
    }

    [Theory]
    [InlineData("* * * *", "*five fields*")]
    [InlineData("60 * * * *", "'60' is not a number from 0 to 59*")]
    [InlineData("* * 0 * *", "'0' is not a number from 1 to 31*")]
    [InlineData("5-1 * * * *", "'5-1' counts backwards*")]
    [InlineData("*/0 * * * *", "'0' is not a number from 1 to 59*")]
    [InlineData("* * * FOO *", "'FOO' is not a number from 1 to 12*")]
    public void A_wrong_schedule_is_refused_with_the_part_that_is_wrong(string cron, string message)
    {
        var act = () => CronSchedule.Parse(cron);

        act.Should().Throw<FormatException>().WithMessage(message);
    }

    [Fact]
    public void A_day_that_never_comes_is_never_due() =>
        CronSchedule.Parse("0 0 31 2 *").Previous(Instant("2026-01-01T00:00Z"), Berlin).Should().BeNull();

    private static DateTimeOffset Instant(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);
}
