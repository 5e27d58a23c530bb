using FsCheck;
using FsCheck.Fluent;

namespace OmniPg.Partman.Tests.Unit;

public sealed class StepsTests
{
    private static readonly DateTime Reading = new(2024, 5, 17, 13, 45, 30);

    [Theory]
    [InlineData("1000 years", "2001-01-01 00:00:00")]
    [InlineData("100 years", "2001-01-01 00:00:00")]
    [InlineData("10 years", "2020-01-01 00:00:00")]
    [InlineData("1 year", "2024-01-01 00:00:00")]
    [InlineData("360 days", "2024-01-01 00:00:00")]
    [InlineData("3 mons", "2024-05-01 00:00:00")]
    [InlineData("1 mon", "2024-05-01 00:00:00")]
    [InlineData("30 days", "2024-05-01 00:00:00")]
    [InlineData("63 days", "2024-05-01 00:00:00")]
    [InlineData("7 days", "2024-05-17 00:00:00")]
    [InlineData("1 day", "2024-05-17 00:00:00")]
    [InlineData("24:00:00", "2024-05-17 00:00:00")]
    [InlineData("01:00:00", "2024-05-17 13:00:00")]
    [InlineData("00:15:00", "2024-05-17 13:00:00")]
    [InlineData("00:01:30", "2024-05-17 13:00:00")]
    [InlineData("00:01:00", "2024-05-17 13:00:00")]
    [InlineData("00:00:10", "2024-05-17 13:45:00")]
    public void A_first_partition_begins_as_the_extension_begins_it(string interval, string start) =>
        TimeSteps.Truncate(Reading, PgInterval.Parse(interval)).ToString("yyyy-MM-dd HH:mm:ss").Should().Be(start);

    [Theory]
    [InlineData("week", "2024-05-13 00:00:00")]
    [InlineData("quarter", "2024-04-01 00:00:00")]
    [InlineData("second", "2024-05-17 13:45:30")]
    public void A_unit_replaces_the_rule(string unit, string start) =>
        TimeSteps.Truncate(Reading, PgInterval.OfDays(7), unit).ToString("yyyy-MM-dd HH:mm:ss").Should().Be(start);

    [Fact]
    public void Months_from_the_31st_touch_and_do_not_drift()
    {
        var steps = new TimeSteps(new DateTime(2024, 1, 31), PgInterval.OfMonths(1));

        Enumerable.Range(0, 5).Select(n => steps[n].ToString("MM-dd")).Should().Equal("01-31", "02-29", "03-31", "04-30", "05-31");
        steps.IndexOf(new DateTime(2024, 3, 30)).Should().Be(1);
        steps.IndexOf(new DateTime(2024, 3, 31)).Should().Be(2);
        steps.IndexOf(new DateTime(2024, 1, 30)).Should().Be(-1);
    }

    [Fact]
    public void Every_reading_lies_between_its_boundary_and_the_next()
    {
        string[] intervals = ["1 day", "7 days", "30 days", "63 days", "1 mon", "3 mons", "1 year", "100 years", "1 mon 1 day", "36:00:00", "00:00:07", "00:15:00"];
        var readings = Gen.Choose(0, 1_500_000_000).Select(s => new DateTime(1990, 1, 1).AddSeconds(s)).ToArbitrary();

        Prop.ForAll(Gen.Elements(intervals).ToArbitrary(), readings, readings, (text, anchor, reading) =>
        {
            var steps = new TimeSteps(anchor, PgInterval.Parse(text));
            var n = steps.IndexOf(reading);
            return steps[n] <= reading && reading < steps[n + 1];
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void The_calendar_ends_without_a_failure()
    {
        var steps = new TimeSteps(new DateTime(2001, 1, 1), PgInterval.OfMonths(12_000));

        steps.IndexOf(DateTime.MaxValue).Should().Be(7);
        steps.IndexOf(DateTime.MinValue.AddYears(1)).Should().Be(-2);
    }

    [Theory]
    [InlineData(0, 10, 25, 20, 30)]
    [InlineData(0, 10, -5, -10, 0)]
    [InlineData(0, 10, -10, -10, 0)]
    [InlineData(3, 10, 2, -7, 3)]
    [InlineData(0, 1, 7, 7, 8)]
    public void Ids_are_cut_downwards_below_zero_too(long anchor, long step, long id, long lower, long upper)
    {
        new IdSteps(anchor, step).AtOrBelow(id).Should().Be(lower);
        new IdSteps(anchor, step).Above(id).Should().Be(upper);
    }

    [Fact]
    public void Ids_at_the_end_of_bigint_are_counted_or_refused_but_never_wrapped()
    {
        new IdSteps(long.MinValue, 1000).AtOrBelow(long.MaxValue).Should().Be(long.MaxValue - ((Int128)long.MaxValue - long.MinValue) % 1000 is var expected ? (long)expected : 0);
        FluentActions.Invoking(() => new IdSteps(0, 1000).Above(long.MaxValue)).Should().Throw<OverflowException>();
        FluentActions.Invoking(() => new IdSteps(0, 1000).AtOrBelow(long.MinValue)).Should().Throw<OverflowException>();
    }
}
