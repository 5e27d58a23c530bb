namespace OmniPg.Wal.Tests.Segments;

/// <summary>What is found out from the segments beside a segment is what reading all of them in a chain would say.</summary>
public sealed class NeighbourStateTests(WalWorkloads workloads)
{
    [Theory]
    [InlineData(1)]
    [InlineData(16)]
    public async Task Every_record_that_crosses_an_edge_is_found_and_checked(int megabytes)
    {
        var workload = megabytes == 1 ? await workloads.SmallSegmentsAsync() : await workloads.UsualSegmentsAsync();
        WalChainState? chain = null;
        var (found, longer) = (0, 0);

        foreach (var segment in workload.Segments)
        {
            var content = workload.Read(segment);
            var summary = Validate.Full(segment, content, workload.Expectations with { Previous = chain });
            var isSplit = chain is { ContinuesInNextBytes: > 0 };
            var state = NeighbourState.Find(workload.PathOf(segment), segment);
            if (state is not null)
            {
                found++;
                (state.Split!.Start, state.ContinuesInNextBytes).Should().Be((chain!.Split!.Start, chain.ContinuesInNextBytes));
                var checkedAlone = Validate.Full(segment, content, workload.Expectations with { Previous = state });
                (checkedAlone.Records, checkedAlone.EndOfValid, checkedAlone.FirstCommit, checkedAlone.LastCommit, checkedAlone.UncheckedUntil)
                    .Should().Be((summary.Records, summary.EndOfValid, summary.FirstCommit, summary.LastCommit, null));
            }
            else if (isSplit)
            {
                longer++;
                summary.FirstRecord.Should().BeNull("only a record that fills the whole segment cannot be found from behind");
                NeighbourState.FindByReading(workload.PathOf(segment), segment)!.ContinuesInNextBytes.Should().Be(chain!.ContinuesInNextBytes);
            }

            state.Should().Match(s => s == null || isSplit);
            chain = summary.Next;
        }

        found.Should().BeGreaterThan(megabytes == 1 ? 20 : 0);
        longer.Should().Match(n => megabytes != 1 || n > 0, "the workload has a record longer than a segment");
    }

    [Fact]
    public async Task Summary_says_which_bytes_were_not_checked_and_damage_after_them_is_found()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var index = Enumerable.Range(1, workload.Segments.Count - 1).First(i =>
            workload.StateBefore(i) is { ContinuesInNextBytes: > 100 and < 8000 } && Validate.Full(workload.Segments[i], workload.Read(workload.Segments[i]), workload.Expectations).Records > 10);
        var (segment, before) = (workload.Segments[index], workload.StateBefore(index)!);
        var start = (ulong)segment.StartLsn(workload.SegmentSize);

        var alone = Validate.Full(segment, workload.Read(segment), workload.Expectations);
        var chained = Validate.Full(segment, workload.Read(segment), workload.Expectations with { Previous = before });

        alone.UncheckedUntil.Should().Be(new NpgsqlTypes.NpgsqlLogSequenceNumber(start + 40 + (uint)before.ContinuesInNextBytes));
        chained.UncheckedUntil.Should().BeNull();
    }

    [Fact]
    public async Task A_recycled_or_foreign_file_under_the_name_of_the_neighbour_is_not_believed()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var index = Enumerable.Range(1, workload.Segments.Count - 1).First(i => NeighbourState.Find(workload.PathOf(workload.Segments[i]), workload.Segments[i]) is not null);
        var (before, segment) = (workload.Segments[index - 1], workload.Segments[index]);
        using var directory = new Testing.TemporaryDirectory();
        File.Copy(workload.PathOf(segment), directory.Combine(segment.ToString()));
        WalChainState? Find() => NeighbourState.Find(directory.Combine(segment.ToString()), segment) ?? NeighbourState.FindByReading(directory.Combine(segment.ToString()), segment);

        Find().Should().BeNull("there is no neighbour");
        File.Copy(workload.PathOf(workload.Segments[index + 1]), directory.Combine(before.ToString()));
        Find().Should().BeNull("the neighbour holds other WAL");
        File.Copy(workload.PathOf(before), directory.Combine(before.ToString()), overwrite: true);
        Find().Should().NotBeNull();
    }
}
