namespace OmniPg.Wal.Tests.Segments;

public sealed class FlippedByteTests(WalWorkloads workloads)
{
    private const int PageSize = 8192;
    private const int Flips = 300;

    // Bit 2 of the flags of a page says only that its backup images may be dropped by an archiver: both values are right, nothing depends on it.
    private const byte BackupRemovable = 0x04;

    [Fact]
    public async Task A_flipped_byte_anywhere_in_a_full_segment_is_detected()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var (before, segment, after) = await FindAsync(workload, s => s is { End: WalSegmentEnd.Segment, ContinuesInNextBytes: > 0, Records: > 100 });
        var content = workload.Read(segment);

        var undetected = Offsets(content.Length).Where(offset => !IsDetected(workload, before, segment, after, content, offset));

        undetected.Should().BeEmpty();
    }

    [Fact]
    public async Task A_flipped_byte_anywhere_in_a_segment_that_ends_with_a_switch_is_detected_in_its_zeros_too()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var (before, segment, after) = await FindAsync(
            workload, s => s is { End: WalSegmentEnd.Switch, Records: > 100 } && ((ulong)s.EndOfValid & 0xFFFFF) is > 200_000 and < 800_000);
        var content = workload.Read(segment);

        var undetected = Offsets(content.Length).Where(offset => !IsDetected(workload, before, segment, after, content, offset));

        undetected.Should().BeEmpty();
    }

    [Fact]
    public async Task A_flipped_byte_of_a_record_split_over_the_edge_is_detected_only_with_the_state_of_the_segment_before()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var (before, segment, _) = await FindAsync(workload, s => s is { EdgesUnchecked: false, Records: > 100 }, splitBefore: 100);
        var damaged = workload.Read(segment).With(b => b[60] ^= 0x10);

        var alone = Validate.Full(segment, damaged, workload.Expectations);
        var chained = () => Validate.Full(segment, damaged, workload.Expectations with { Previous = before });

        alone.EdgesUnchecked.Should().BeTrue();
        chained.Should().Throw<WalValidationException>().Which.Problem.Should().Be(WalValidationProblem.BadCrc);
    }

    private static IEnumerable<int> Offsets(int length)
    {
        var random = new Random(20260501);
        int[] interesting = [0, 1, 3, 4, 8, 16, 20, 24, 31, 32, 36, 39, 40, PageSize - 1, PageSize, PageSize + 4, PageSize + 16, length - 1, length - 9];
        return interesting.Concat(Enumerable.Range(0, Flips).Select(_ => random.Next(length)));
    }

    /// <summary>Flips one bit and validates the segment, and the next one with the state it leaves, because a record may end there.</summary>
    private static bool IsDetected(WalWorkload workload, WalChainState before, WalFileName segment, WalFileName after, byte[] content, int offset)
    {
        var bit = (byte)(1 << (offset % 8));
        if (offset % PageSize == 2 && bit == BackupRemovable)
            bit <<= 1;
        content[offset] ^= bit;
        try
        {
            var summary = Validate.Full(segment, content, workload.Expectations with { Previous = before });
            Validate.Full(after, workload.Read(after), workload.Expectations with { Previous = summary.Next });
            return false;
        }
        catch (WalValidationException fault)
        {
            return fault.Problem is not WalValidationProblem.UnknownVersion || offset < 2;
        }
        finally
        {
            content[offset] ^= bit;
        }
    }

    /// <summary>A segment like the one wanted, with the state before it and the segment after it.</summary>
    private static async Task<(WalChainState Before, WalFileName Segment, WalFileName After)> FindAsync(
        WalWorkload workload, Func<WalValidationResult, bool> isWanted, int splitBefore = 0)
    {
        WalChainState? before = null;
        foreach (var (segment, index) in workload.Segments.Select((s, i) => (s, i)).SkipLast(1))
        {
            await using var file = File.OpenRead(workload.PathOf(segment));
            var summary = await WalSegmentReader.ValidateAsync(
                file, segment, workload.Expectations with { Previous = before }, TestContext.Current.CancellationToken);
            if (before is not null && before.ContinuesInNextBytes >= splitBefore && isWanted(summary))
                return (before, segment, workload.Segments[index + 1]);
            before = summary.Next;
        }

        throw new InvalidOperationException("The workload has no such segment.");
    }
}
