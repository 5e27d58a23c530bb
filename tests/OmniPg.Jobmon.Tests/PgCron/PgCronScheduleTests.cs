using System.Globalization;

namespace OmniPg.Jobmon.Tests.PgCron;

public sealed class PgCronScheduleTests
{
    private static readonly TimeZoneInfo Berlin = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");

    [Theory]
    [InlineData("30 2 * * *", "2026-03-28T01:30Z", "2026-03-29T12:00Z", null)]
    [InlineData("30 2 * * *", "2026-03-27T01:30Z", "2026-03-29T12:00Z", "2026-03-28T01:30Z")]
    [InlineData("30 2 * * *", "2026-10-25T00:30Z", "2026-10-25T12:00Z", "2026-10-25T01:30Z")]
    [InlineData("*/10 * * * *", "2026-10-25T00:50Z", "2026-10-25T01:15Z", "2026-10-25T01:10Z")]
    [InlineData("0 12 $ * *", "2026-01-31T11:00Z", "2026-03-15T00:00Z", "2026-02-28T11:00Z")]
    [InlineData("0 12 $ * *", "2026-02-28T11:00Z", "2026-03-15T00:00Z", null)]
    [InlineData("0 0 13 * FRI", "2026-11-12T23:00Z", "2026-11-26T12:00Z", "2026-11-19T23:00Z")]
    [InlineData("0 0 29 2 *", "2024-02-28T23:00Z", "2028-12-01T00:00Z", "2028-02-28T23:00Z")]
    [InlineData("0 0 1 1 * ignored words", "2025-12-30T00:00Z", "2026-06-01T00:00Z", "2025-12-31T23:00Z")]
    [InlineData("@hourly", "2026-06-01T10:00Z", "2026-06-01T11:30Z", "2026-06-01T11:00Z")]
    [InlineData("@daily", "2026-06-01T10:00Z", "2026-06-02T10:00Z", "2026-06-01T22:00Z")]
    [InlineData("@weekly", "2026-05-30T10:00Z", "2026-06-02T10:00Z", "2026-05-30T22:00Z")]
    [InlineData("@monthly", "2026-05-30T10:00Z", "2026-06-02T10:00Z", "2026-05-31T22:00Z")]
    [InlineData("@yearly", "2025-05-30T10:00Z", "2026-06-02T10:00Z", "2025-12-31T23:00Z")]
    [InlineData("@reboot", "2025-05-30T10:00Z", "2026-06-02T10:00Z", null)]
    [InlineData("20 seconds", "2026-06-01T10:00Z", "2026-06-01T10:00Z", null)]
    [InlineData(" 59 Second ", "2026-06-01T10:00Z", "2026-06-01T10:01Z", "2026-06-01T10:00:59Z")]
    public void The_newest_start_that_was_missed_is_that_of_pg_cron(string schedule, string lastStart, string latest, string? expected)
    {
        var missed = PgCronSchedule.Parse(schedule, bothDays: false).Missed(Instant(latest), Instant(lastStart), Instant("2000-01-01T00:00Z"), Berlin);

        missed.Should().Be(expected is null ? null : Instant(expected));
    }

    [Fact]
    public void Nothing_is_missed_before_a_job_is_known_to_have_been_there()
    {
        var schedule = PgCronSchedule.Parse("0 12 * * *", bothDays: false);

        var before = schedule.Missed(Instant("2026-06-02T09:59Z"), null, Instant("2026-06-01T10:01Z"), Berlin);
        var just = schedule.Missed(Instant("2026-06-02T09:59Z"), null, Instant("2026-06-01T10:00Z"), Berlin);

        before.Should().BeNull();
        just.Should().Be(Instant("2026-06-01T10:00Z"));
    }

    [Fact]
    public void Both_day_fields_must_match_where_pg_cron_is_set_so()
    {
        var missed = PgCronSchedule.Parse("0 0 13 * FRI", bothDays: true).Missed(
            Instant("2026-11-26T12:00Z"), Instant("2026-01-01T00:00Z"), Instant("2000-01-01T00:00Z"), Berlin);

        missed.Should().Be(Instant("2026-11-12T23:00Z"));
    }

    [Theory]
    [InlineData("0 12 * *", "*has '4'*")]
    [InlineData("@never", "'@never' is no schedule of pg_cron.")]
    [InlineData("0~10 1 * * *", "'0~10' is not a number from 0 to 59*")]
    public void What_means_something_else_than_it_reads_cannot_be_checked(string schedule, string message)
    {
        var act = () => PgCronSchedule.Parse(schedule, bothDays: false);

        act.Should().Throw<FormatException>().WithMessage(message);
    }

    private static DateTimeOffset Instant(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);
}
