namespace OmniPg.Partman.Tests.Unit;

public sealed class PartitionNameTests
{
    [Fact]
    public void A_day_is_named_by_its_date_and_an_hour_by_its_time_too()
    {
        var table = PgIdentifier.Create("events");

        PartitionName.OfTime(table, "_p", new DateTime(2024, 1, 5, 13, 0, 0), withTime: false).Value.Should().Be("events_p20240105");
        PartitionName.OfTime(table, "_p", new DateTime(2024, 1, 5, 13, 0, 0), withTime: true).Value.Should().Be("events_p20240105_130000");
        PartitionName.OfId(table, "_p", -10).Value.Should().Be("events_p-10");
        PartitionName.OfDefault(table).Value.Should().Be("events_default");
    }

    [Fact]
    public void A_long_table_is_cut_so_that_the_suffix_survives_within_63_bytes()
    {
        var a = PgIdentifier.Create(new string('a', 63));

        PartitionName.OfTime(a, "_p", new DateTime(2024, 1, 1), withTime: false).Value.Should().Be(new string('a', 53) + "_p20240101");
        PartitionName.OfDefault(PgIdentifier.Create("time_taptest_table_1234567890123456789012345678901234567890"))
            .Value.Should().Be("time_taptest_table_123456789012345678901234567890123456_default");
        PartitionName.OfTime(PgIdentifier.Create("time_taptest_table_1234567890123456789012345678901234567890"), "_p", new DateTime(2024, 1, 1, 1, 0, 0), withTime: true)
            .Value.Should().Be("time_taptest_table_123456789012345678901234567_p20240101_010000");
    }

    [Fact]
    public void A_cut_stands_between_characters_not_inside_one()
    {
        var name = PartitionName.OfTime(PgIdentifier.Create(string.Concat(Enumerable.Repeat("é", 30)) + "zz"), "_p", new DateTime(2024, 1, 1, 13, 0, 0), withTime: true);

        name.Value.Should().Be(string.Concat(Enumerable.Repeat("é", 23)) + "_p20240101_130000");
        System.Text.Encoding.UTF8.GetByteCount(name.Value).Should().Be(63);
        PartitionName.OfDefault(PgIdentifier.Create(string.Concat(Enumerable.Repeat("🐘", 15)))).Value.Should().Be(string.Concat(Enumerable.Repeat("🐘", 13)) + "_default");
    }

    [Theory]
    [InlineData("events_p20240101", true, true)]
    [InlineData("events_p20240101_120000", true, true)]
    [InlineData("events_default", true, true)]
    [InlineData("events_p1", true, false)]
    [InlineData("events_p-10", false, true)]
    [InlineData("events_px", false, false)]
    [InlineData("other_p20240101", true, false)]
    [InlineData("events", true, false)]
    public void A_name_is_recognised_by_table_prefix_and_suffix(string name, bool isTime, bool isLike) =>
        PartitionName.IsLike(PgIdentifier.Create(name), PgIdentifier.Create("events"), "_p", isTime).Should().Be(isLike);
}
