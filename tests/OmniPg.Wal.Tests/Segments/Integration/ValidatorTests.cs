using NpgsqlTypes;

namespace OmniPg.Wal.Tests.Segments;

public sealed class ValidatorTests(WalWorkloads workloads)
{
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(24)]
    [InlineData(4096)]
    [InlineData(8192)]
    [InlineData(8193)]
    [InlineData(1 << 20)]
    public async Task Buffers_of_any_size_give_the_same_summary(int bufferSize)
    {
        var workload = await workloads.SmallSegmentsAsync();
        WalChainState? expectedState = null;
        WalChainState? actualState = null;

        foreach (var segment in workload.Segments.Take(6))
        {
            var content = workload.Read(segment);
            var expected = Validate.At(WalValidation.Full, segment, content, workload.Expectations with { Previous = expectedState }, 65536);
            var actual = Validate.At(WalValidation.Full, segment, content, workload.Expectations with { Previous = actualState }, bufferSize);

            (expectedState, actualState) = (expected.Next, actual.Next);
            (actual with { Next = null }).Should().Be(expected with { Next = null });
        }
    }

    [Fact]
    public async Task A_segment_is_valid_alone_too_and_says_that_its_edges_are_unchecked()
    {
        var workload = await workloads.SmallSegmentsAsync();

        foreach (var segment in workload.Segments)
        {
            var summary = Validate.Full(segment, workload.Read(segment), workload.Expectations);

            summary.EdgesUnchecked.Should().BeTrue();
            summary.Next!.End.Should().Be(segment.Next(workload.SegmentSize).StartLsn(workload.SegmentSize));
        }
    }

    [Fact]
    public async Task A_record_longer_than_a_segment_is_counted_where_it_ends()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var summaries = await SummariesAsync(workload);

        var covered = summaries.Where(s => s.ContinuesInNextBytes > 1 << 20).ToList();
        var filled = summaries.Where(s => s.FirstRecord is null).ToList();

        covered.Should().NotBeEmpty();
        filled.Should().NotBeEmpty().And.OnlyContain(s => s.Records == 0 && s.LastRecord == null && s.ContinuesInNextBytes > 0);
    }

    [Fact]
    public async Task A_segment_inside_a_record_that_began_before_is_valid_alone()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var (segment, summary) = workload.Segments.Zip(await SummariesAsync(workload)).First(s => s.Second.FirstRecord is null);

        var alone = Validate.Full(segment, workload.Read(segment), workload.Expectations);
        var after = segment.Next(workload.SegmentSize);
        var next = Validate.Full(after, workload.Read(after), workload.Expectations with { Previous = alone.Next });

        alone.ContinuesInNextBytes.Should().Be(summary.ContinuesInNextBytes);
        alone.Next!.LastRecord.Should().BeNull();
        next.Records.Should().BePositive();
        next.EdgesUnchecked.Should().BeFalse();
    }

    [Fact]
    public async Task Summary_of_a_segment_names_its_records_commits_and_end()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var (segment, index) = workload.Segments.Select((s, i) => (s, i)).Last();
        var before = (await SummariesAsync(workload))[index - 1];

        var summary = Validate.Full(segment, workload.Read(segment), workload.Expectations with { Previous = before.Next });

        summary.Should().BeEquivalentTo(new
        {
            Kind = WalFileKind.Segment,
            Level = WalValidation.Full,
            Bytes = 1L << 20,
            PgMajor = workload.Major,
            workload.SystemIdentifier,
            FirstTli = 1u,
            LastTli = 1u,
            SegmentSize = 1 << 20,
            EndsWithSwitch = summary.End == WalSegmentEnd.Switch,
            EdgesUnchecked = false,
        });
        summary.EndOfValid.Should().BeGreaterThan(summary.LastRecord!.Value);
    }

    [Fact]
    public async Task First_and_last_commit_are_those_of_the_records()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var segment = workload.Segments[await workload.FindBusiestAsync()];
        await using var file = File.OpenRead(workload.PathOf(segment));
        var records = await WalSegmentReader.ReadAsync(file, cancellationToken: TestContext.Current.CancellationToken)
            .ToListAsync(TestContext.Current.CancellationToken);
        var commits = records.Select(r => r.Detail).OfType<WalTransactionEnd>().Where(t => t.IsCommit).Select(t => t.Time).ToList();

        var summary = Validate.Full(segment, workload.Read(segment), workload.Expectations);

        commits.Should().NotBeEmpty();
        (summary.FirstCommit, summary.LastCommit).Should().Be((commits[0], commits[^1]));
        (summary.Records, summary.FirstRecord, summary.LastRecord).Should().Be((records.Count, records[0].Lsn, records[^1].Lsn));
        summary.EndOfValid.Should().Be(records[^1].End);
    }

    [Fact]
    public async Task Header_level_reads_identity_but_no_records()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var segment = workload.Segments[3];
        var damagedBehindTheHeader = workload.Read(segment).With(b => b.AsSpan(8192).Fill(0xFF));

        var summary = Validate.At(WalValidation.Header, segment, damagedBehindTheHeader, workload.Expectations, 13);

        summary.Should().Be(new WalValidationResult
        {
            Level = WalValidation.Header,
            Bytes = 1 << 20,
            Magic = summary.Magic,
            PgMajor = workload.Major,
            SystemIdentifier = workload.SystemIdentifier,
            FirstTli = 1,
            LastTli = 1,
            SegmentSize = 1 << 20,
            EndOfValid = new NpgsqlLogSequenceNumber((ulong)segment.StartLsn(workload.SegmentSize)),
            EdgesUnchecked = true,
        });
    }

    [Fact]
    public async Task Appending_allocates_nothing()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var contents = workload.Segments.Take(10).Select(s => (Name: s, Content: workload.Read(s))).ToList();
        long allocated = 0;

        foreach (var (name, content) in contents.Concat(contents))
        {
            var validator = new WalSegmentValidator(name, WalValidation.Full, workload.Expectations);
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var at = 0; at < content.Length; at += 16384)
                validator.Append(content.AsSpan(at, 16384));
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        allocated.Should().Be(0);
    }

    [Fact]
    public void A_completed_validator_takes_nothing_more()
    {
        var validator = new WalSegmentValidator(WalFileName.ForHistory(2), WalValidation.None);
        validator.Complete();

        var append = () => validator.Append([1]);
        var complete = () => validator.Complete();

        append.Should().Throw<InvalidOperationException>();
        complete.Should().Throw<InvalidOperationException>();
    }

    private static async Task<List<WalValidationResult>> SummariesAsync(WalWorkload workload)
    {
        var summaries = new List<WalValidationResult>();
        var options = new WalReadOptions { Expectations = workload.Expectations, OnSegmentEnd = summaries.Add };
        await foreach (var _ in WalSegmentReader.ReadChainAsync(workload.Sources, options, TestContext.Current.CancellationToken))
        {
        }

        return summaries;
    }
}
