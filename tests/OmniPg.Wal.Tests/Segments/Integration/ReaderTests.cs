using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Segments;

public sealed class ReaderTests(WalWorkloads workloads)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Reading_gives_the_records_before_a_fault_and_then_the_fault()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var segment = workload.Segments[await workload.FindBusiestAsync()];
        var all = await ReadAsync(workload, segment, workload.Read(segment));
        var victim = all[all.Count / 2];
        var damaged = workload.Read(segment).With(b => b[(int)((ulong)victim.Lsn & 0xFFFFF) + 20] ^= 1);
        var read = new List<WalRecord>();

        var reading = async () =>
        {
            await foreach (var record in WalSegmentReader.ReadAsync(new MemoryStream(damaged), new WalReadOptions { Name = segment }, Cancellation))
                read.Add(record);
        };

        var fault = (await reading.Should().ThrowAsync<WalValidationException>()).Which;
        (fault.Problem, fault.Lsn).Should().Be((WalValidationProblem.BadCrc, victim.Lsn));
        read.Select(r => r.Lsn).Should().Equal(all.TakeWhile(r => r.Lsn < victim.Lsn).Select(r => r.Lsn));
    }

    [Fact]
    public async Task Records_carry_their_bytes_on_request_even_those_split_over_segments()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var options = new WalReadOptions { Expectations = workload.Expectations, IncludeData = true };

        var records = await WalSegmentReader.ReadChainAsync(workload.Sources.Take(40), options, Cancellation).ToListAsync(Cancellation);

        records.Should().OnlyContain(r => r.Data.Length == r.TotalLength - 24);
        var message = records.MaxBy(r => r.TotalLength);
        message.RmgrName.Should().Be("LogicalMessage");
        message.TotalLength.Should().BeGreaterThan(1500000);
        message.Data[^1500000..].Span.IndexOfAnyExcept((byte)'x').Should().Be(-1);
    }

    [Fact]
    public async Task Records_carry_no_bytes_unless_asked_for()
    {
        var workload = await workloads.SmallSegmentsAsync();

        var records = await ReadAsync(workload, workload.Segments[3], workload.Read(workload.Segments[3]));

        records.Should().NotBeEmpty().And.OnlyContain(r => r.Data.IsEmpty);
    }

    [Fact]
    public async Task A_gap_breaks_a_chain()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var sources = workload.Sources.Take(2).Concat(workload.Sources.Skip(3).Take(1));

        var reading = async () => await WalSegmentReader.ReadChainAsync(sources, cancellationToken: Cancellation).CountAsync(Cancellation);

        var fault = (await reading.Should().ThrowAsync<WalValidationException>()).Which;
        fault.Problem.Should().Be(WalValidationProblem.BrokenChain);
        fault.File.Should().Be(workload.Segments[3].ToString());
        fault.Reason.Should().Be($"the segment before ends at '{workload.Segments[2].StartLsn(workload.SegmentSize)}', and this one does not start there");
    }

    [Fact]
    public async Task A_segment_still_being_written_is_read_up_to_its_last_record()
    {
        await using var cluster = await PgCluster.StartAsync(cancellationToken: Cancellation);
        await cluster.ExecuteAsync("CREATE TABLE t AS SELECT 1 AS i", Cancellation);
        await cluster.ExecuteAsync("SELECT pg_create_restore_point('here')", Cancellation);
        await cluster.StopAsync(PgShutdown.Fast, Cancellation);
        var name = (await PgControlFile.ReadAsync(cluster.DataDirectory, cancellationToken: Cancellation)).RedoSegment;
        var path = Path.Combine(cluster.DataDirectory, "pg_wal", name.ToString());
        WalValidationResult? summary = null;
        var options = new WalReadOptions
        {
            Name = name,
            Expectations = new WalExpectations { AllowShort = true },
            OnSegmentEnd = s => summary = s,
        };

        await using var file = File.OpenRead(path);
        var records = await WalSegmentReader.ReadAsync(file, options, Cancellation).ToListAsync(Cancellation);
        file.Position = 0;
        var strict = async () => await WalSegmentReader.ValidateAsync(file, name, cancellationToken: Cancellation);

        records.Should().Contain(r => r.Detail is WalRestorePoint && ((WalRestorePoint)r.Detail).Name == "here");
        records[^1].Detail.Should().BeOfType<WalCheckpoint>().Which.IsShutdown.Should().BeTrue();
        summary!.End.Should().Be(WalSegmentEnd.Early);
        summary.EndReason.Should().Be("a record of length '0' ends the data, but not with a segment switch");
        summary.EndOfValid.Should().Be(records[^1].End);
        (await strict.Should().ThrowAsync<WalValidationException>()).Which.Problem.Should().Be(WalValidationProblem.UnexpectedEnd);
    }

    [Fact]
    public async Task Segments_of_64_MiB_are_read_too()
    {
        var workload = await workloads.GetAsync(null, 64, 1);

        var summaries = new List<WalValidationResult>();
        var options = new WalReadOptions { Expectations = workload.Expectations, OnSegmentEnd = summaries.Add };
        var count = await WalSegmentReader.ReadChainAsync(workload.Sources, options, Cancellation).CountAsync(Cancellation);

        workload.SegmentSize.ToString().Should().Be("64MB");
        summaries.Should().NotBeEmpty().And.OnlyContain(s => s.Bytes == 64 << 20 && s.End == WalSegmentEnd.Switch);
        summaries.Sum(s => s.Records).Should().Be(count);
    }

    [Fact]
    public async Task A_file_without_a_name_is_believed_what_it_says()
    {
        var workload = await workloads.SmallSegmentsAsync();
        await using var file = File.OpenRead(workload.PathOf(workload.Segments[4]));

        var summary = await WalSegmentReader.ValidateAsync(file, cancellationToken: Cancellation);

        summary.Kind.Should().Be(WalFileKind.Segment);
        summary.Next!.End.Should().Be(workload.Segments[5].StartLsn(workload.SegmentSize));
    }

    [Fact]
    public async Task Cancellation_ends_reading_and_validating()
    {
        var workload = await workloads.SmallSegmentsAsync();
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await using var file = File.OpenRead(workload.PathOf(workload.Segments[0]));

        var validate = async () => await WalSegmentReader.ValidateAsync(file, cancellationToken: cancelled.Token);
        var read = async () => await WalSegmentReader.ReadAsync(file, cancellationToken: cancelled.Token).CountAsync(Cancellation);

        await validate.Should().ThrowAsync<OperationCanceledException>();
        await read.Should().ThrowAsync<OperationCanceledException>();
    }

    private static async Task<List<WalRecord>> ReadAsync(WalWorkload workload, WalFileName name, byte[] content) =>
        await WalSegmentReader.ReadAsync(
            new MemoryStream(content), new WalReadOptions { Name = name, Expectations = workload.Expectations }, Cancellation).ToListAsync(Cancellation);
}
