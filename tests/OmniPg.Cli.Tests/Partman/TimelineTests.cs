using OmniPg.Partman;

namespace OmniPg.Cli.Tests.Partman;

public sealed class TimelineTests
{
    private static Partition Of(long lower, long upper, long bytes, PartitionFate fate = PartitionFate.Keep) =>
        new(QualifiedName.Create("public", $"events_p{lower}"), PartitionBound.Of(lower), PartitionBound.Of(upper)) { TotalBytes = bytes, Fate = fate };

    [Fact]
    public void Each_partition_has_a_cell_of_its_size_or_of_what_becomes_of_it_and_a_gap_is_seen()
    {
        Partition[] partitions =
        [
            Of(0, 10, 800, PartitionFate.Drop), Of(10, 20, 800), Of(20, 30, 400), Of(40, 50, 0), Of(50, 60, 0, PartitionFate.Create),
            new(QualifiedName.Parse("public.events_default"), default, default) { IsDefault = true, TotalBytes = 99_999 },
        ];

        Timeline.Lines(partitions, 80).Should().Equal("×█▄ ▁░", "0   60", "▁…█ up to 800 bytes   ░ to be created   × to be dropped");
    }

    [Fact]
    public void More_partitions_than_columns_share_cells()
    {
        var partitions = Enumerable.Range(0, 100).Select(n => Of(n * 1_000_000_000L, (n + 1) * 1_000_000_000L, 10, n == 99 ? PartitionFate.Archive : PartitionFate.Keep)).ToList();

        Timeline.Lines(partitions, 40).Should().Equal(new string('█', 33) + "▣", "0" + new string(' ', 34 - 13) + "100000000000", "▁…█ up to 30 bytes in 3 partitions   ▣ to be archived");
    }

    [Fact]
    public void Where_no_partition_has_a_size_none_is_told() =>
        Timeline.Lines([Of(0, 10, 0), Of(10, 20, 0, PartitionFate.Create)], 80).Should().Equal("▁░", "0 … 20", "▁ empty, or of no size that the server knows yet   ░ to be created");

    [Fact]
    public void A_set_of_a_default_alone_has_none() =>
        Timeline.Lines([new(QualifiedName.Parse("public.events_default"), default, default) { IsDefault = true }], 80).Should().BeEmpty();
}
