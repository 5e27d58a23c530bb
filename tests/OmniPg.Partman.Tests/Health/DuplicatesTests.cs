using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Health;

public sealed class DuplicatesTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    [Fact]
    public async Task Values_that_stand_in_several_partitions_are_found_with_their_places()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL, \"a, \"\"b\" text, c numeric) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(Events, Tens(), Token);
        await Run("INSERT INTO events VALUES (1, 'x', 1), (2, 'x', 1.0), (15, 'x', 1.00), (25, 'y', 2), (26, 'y', 2), (95, 'y', NULL), (96, 'y', NULL), (31, NULL, 3), (32, NULL, 3), (33, 'z', 3)");

        var found = await Partman.FindDuplicatesAsync(Events, ["a, \"b", "c"], Token);
        var one = await Partman.FindDuplicatesAsync(Events, ["a, \"b"], Token);
        var none = await Partman.FindDuplicatesAsync(Events, ["id"], Token);

        found.Keys.Should().Be(2);
        found.Rows.Should().Be(5);
        found.Worst.Select(k => $"{string.Join('|', k.Values)} {k.Rows} {string.Join(' ', k.Partitions)}").Should().Equal("x|1 3 public.events_p0 public.events_p10", "y|2 2 public.events_p20");
        one.Worst.Select(k => (k.Values[0], k.Rows)).Should().Equal(("y", 4L), ("x", 3L));
        one.Worst[0].Partitions.Should().Contain(QualifiedName.Parse("public.events_default"));
        none.Should().BeEquivalentTo(new DuplicatesResult(0, 0, []));
    }

    [Fact]
    public async Task Of_very_many_the_most_frequent_are_named_and_all_are_counted()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(), Token);
        await Run("INSERT INTO events SELECT n % 40, 'n' || n / 2 FROM generate_series(0, 2999) n; INSERT INTO events VALUES (1, 'n7')");

        var found = await Partman.FindDuplicatesAsync(Events, ["note"], Token);

        found.Should().BeEquivalentTo(new { Keys = 1500L, Rows = 3001L });
        found.Worst.Should().HaveCount(1000);
        found.Worst[0].Should().BeEquivalentTo(new { Values = new[] { "n7" }, Rows = 3L });
    }

    [Fact]
    public async Task A_column_that_there_is_not_is_told_and_a_policy_hides_nothing()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(), Token);
        var act = () => Partman.FindDuplicatesAsync(Events, ["note", "nothing", "no\"r"], Token);
        (await act.Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which.Reasons.Select(r => r.Text).Should().Equal("There is no column 'nothing'.", "There is no column 'no\"r'.");

        var empty = () => Partman.FindDuplicatesAsync(Events, [], Token);

        await empty.Should().ThrowAsync<ArgumentException>();
    }
}
