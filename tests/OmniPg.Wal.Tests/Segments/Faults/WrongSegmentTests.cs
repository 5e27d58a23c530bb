using System.Buffers.Binary;

namespace OmniPg.Wal.Tests.Segments;

/// <summary>Intact or damaged segments in the wrong place: each is refused with the problem that the archiver acts on.</summary>
public sealed class WrongSegmentTests(WalWorkloads workloads)
{
    private const int PageSize = 8192;

    private WalWorkload _workload = null!;
    private WalFileName _name;
    private byte[] _content = [];

    [Fact]
    public async Task A_segment_of_another_cluster_is_refused_at_every_level_above_none()
    {
        await LoadAsync();
        var expectations = _workload.Expectations with { SystemIdentifier = 42 };

        foreach (var level in new[] { WalValidation.Header, WalValidation.Full })
        {
            var fault = Validate.Fault(_name, _content, expectations, level)!;

            fault.Problem.Should().Be(WalValidationProblem.ForeignCluster);
            fault.Code.Should().Be("wal.segment.foreign-cluster");
            fault.Offset.Should().Be(24);
            fault.File.Should().Be(_name.ToString());
            fault.Message.Should().Be(
                $"WAL file '{_name}' is not valid at offset 24: the system identifier is '{_workload.SystemIdentifier}' but '42' is expected. "
                + "Hint: Give every cluster its own archive; after pg_upgrade or initdb start a new one.");
        }

        Validate.At(WalValidation.None, _name, _content, expectations).Bytes.Should().Be(_content.Length);
    }

    [Fact]
    public async Task A_segment_under_the_name_of_its_neighbour_is_refused()
    {
        await LoadAsync();

        var fault = Validate.Fault(_name.Next(_workload.SegmentSize), _content, _workload.Expectations)!;

        fault.Problem.Should().Be(WalValidationProblem.WrongAddress);
        fault.Reason.Should().Be(
            $"the content starts at '{_name.StartLsn(_workload.SegmentSize)}' but the name stands for '{_name.Next(_workload.SegmentSize).StartLsn(_workload.SegmentSize)}'");
    }

    [Fact]
    public async Task A_segment_under_the_name_of_an_older_timeline_is_refused()
    {
        await LoadAsync();
        var newer = _content.With(b => b[4] = 7);

        var fault = Validate.Fault(_name, newer, _workload.Expectations)!;

        fault.Problem.Should().Be(WalValidationProblem.WrongTimeline);
        fault.Reason.Should().Be("the page is of timeline '7' but '1' is expected");
    }

    [Fact]
    public async Task A_page_of_an_older_timeline_behind_one_of_a_newer_is_refused()
    {
        await LoadAsync();
        var name = WalFileName.ForSegmentNumber(3, _name.SegmentNumber(_workload.SegmentSize), _workload.SegmentSize);
        var mixed = _content.With(b =>
        {
            b[4] = 2;
            b[PageSize + 4] = 3;
            b[(2 * PageSize) + 4] = 2;
        });

        var fault = Validate.Fault(name, mixed, _workload.Expectations)!;

        fault.Problem.Should().Be(WalValidationProblem.WrongTimeline);
        fault.Offset.Should().Be(2 * PageSize);
        fault.Reason.Should().Be("the page is of timeline '2' but '3' is expected");
    }

    [Fact]
    public async Task A_segment_of_another_size_is_refused()
    {
        await LoadAsync();

        var fault = Validate.Fault(_name, _content, _workload.Expectations with { SegmentSize = 16 << 20 })!;

        fault.Problem.Should().Be(WalValidationProblem.WrongSize);
        fault.Reason.Should().Be("the segment size is '1048576' but '16777216' is expected");
    }

    [Theory]
    [InlineData(0, 2048u)]
    [InlineData(0, 3u << 20)]
    [InlineData(4, 4096u)]
    public async Task A_header_with_impossible_sizes_is_refused(int field, uint value)
    {
        await LoadAsync();
        var changed = _content.With(b => BinaryPrimitives.WriteUInt32LittleEndian(b.AsSpan(32 + field), value));

        var fault = Validate.Fault(_name, changed, WalExpectations.Any, WalValidation.Header)!;

        fault.Problem.Should().Be(WalValidationProblem.BadHeader);
        fault.Offset.Should().Be(32 + field);
    }

    [Fact]
    public async Task A_segment_of_another_version_is_refused()
    {
        await LoadAsync();

        var fault = Validate.Fault(_name, _content, _workload.Expectations with { PgMajor = _workload.Major + 1 }, WalValidation.Header)!;

        fault.Problem.Should().Be(WalValidationProblem.WrongVersion);
        fault.Reason.Should().EndWith($"is that of PostgreSQL '{_workload.Major}' but '{_workload.Major + 1}' is expected");
    }

    [Fact]
    public async Task A_segment_of_the_other_byte_order_is_refused()
    {
        await LoadAsync();
        var swapped = _content.With(b => (b[0], b[1]) = (b[1], b[0]));

        var fault = Validate.Fault(_name, swapped, _workload.Expectations, WalValidation.Header)!;

        fault.Problem.Should().Be(WalValidationProblem.ForeignByteOrder);
        fault.Code.Should().Be("wal.segment.foreign-byte-order");
    }

    [Fact]
    public async Task A_segment_of_an_unknown_version_is_refused_unless_allowed()
    {
        await LoadAsync();
        var future = _content.With(b =>
        {
            for (var page = 0; page < b.Length && b[page + 1] == 0xD1; page += PageSize)
                BinaryPrimitives.WriteUInt16LittleEndian(b.AsSpan(page), 0xD1F0);
        });

        var fault = Validate.Fault(_name, future, WalExpectations.Any)!;
        var summary = Validate.Full(_name, future, new WalExpectations { AllowUnknownVersion = true });

        fault.Problem.Should().Be(WalValidationProblem.UnknownVersion);
        fault.Reason.Should().Be("the page magic 'D1F0' belongs to no known version");
        summary.PgMajor.Should().Be(0);
        summary.Records.Should().Be(Validate.Full(_name, _content, WalExpectations.Any).Records);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(39)]
    [InlineData(PageSize)]
    [InlineData((1 << 20) - 1)]
    public async Task A_truncated_segment_is_refused(int length)
    {
        await LoadAsync();

        foreach (var level in new[] { WalValidation.Header, WalValidation.Full })
        {
            var fault = Validate.Fault(_name, _content[..length], _workload.Expectations, level)!;

            fault.Problem.Should().Be(WalValidationProblem.UnexpectedEnd);
            fault.Offset.Should().Be(length);
        }
    }

    [Fact]
    public async Task A_segment_with_a_byte_too_many_is_refused()
    {
        await LoadAsync();

        foreach (var level in new[] { WalValidation.Header, WalValidation.Full })
        {
            var fault = Validate.Fault(_name, [.. _content, 0], _workload.Expectations, level)!;

            fault.Problem.Should().Be(WalValidationProblem.WrongSize);
            fault.Reason.Should().Be("the file is longer than the segment size '1048576'");
        }
    }

    [Fact]
    public async Task Zero_pages_in_the_middle_are_found_at_their_first_byte()
    {
        await LoadAsync();
        var holed = _content.With(b => b.AsSpan(3 * PageSize, 2 * PageSize).Clear());

        var fault = Validate.Fault(_name, holed, _workload.Expectations)!;

        fault.Problem.Should().Be(WalValidationProblem.UnexpectedEnd);
        fault.Offset.Should().Be(3 * PageSize);
        fault.Lsn.Should().Be(new NpgsqlTypes.NpgsqlLogSequenceNumber((ulong)_name.StartLsn(_workload.SegmentSize) + (3 * PageSize)));
    }

    [Fact]
    public async Task A_zeroed_piece_within_a_page_is_found()
    {
        await LoadAsync();
        var holed = _content.With(b => b.AsSpan((5 * PageSize) + 512, 4096).Clear());

        Validate.Fault(_name, holed, _workload.Expectations).Should().NotBeNull();
    }

    [Fact]
    public async Task Recycled_content_of_an_older_segment_is_found()
    {
        await LoadAsync();
        var older = _workload.Read(WalFileName.ForSegmentNumber(1, _name.SegmentNumber(_workload.SegmentSize) - 1, _workload.SegmentSize));
        var recycled = _content.With(b => older.AsSpan(20 * PageSize).CopyTo(b.AsSpan(20 * PageSize)));

        var fault = Validate.Fault(_name, recycled, _workload.Expectations)!;

        fault.Problem.Should().Be(WalValidationProblem.UnexpectedEnd);
        fault.Offset.Should().Be(20 * PageSize);
    }

    [Fact]
    public async Task A_segment_that_was_never_written_is_refused()
    {
        await LoadAsync();

        var fault = Validate.Fault(_name, new byte[_content.Length], _workload.Expectations, WalValidation.Header)!;

        fault.Problem.Should().Be(WalValidationProblem.BadHeader);
        fault.Reason.Should().Be("the page magic is '0000', the segment was never written");
    }

    [Fact]
    public async Task The_neighbour_of_another_cluster_breaks_the_chain()
    {
        await LoadAsync();
        var after = _name.Next(_workload.SegmentSize);
        var foreign = _workload.Read(after).With(b => b[24] ^= 1);
        var state = Validate.Full(_name, _content, _workload.Expectations).Next;

        var fault = Validate.Fault(after, foreign, new WalExpectations { Previous = state })!;

        fault.Problem.Should().Be(WalValidationProblem.ForeignCluster);
        fault.Reason.Should().EndWith($"but that of the segment before is '{_workload.SystemIdentifier}'");
    }

    [Fact]
    public async Task A_state_that_does_not_end_where_the_segment_starts_is_not_used()
    {
        await LoadAsync();
        var state = Validate.Full(_name, _content, _workload.Expectations).Next;

        var again = Validate.Full(_name, _content, _workload.Expectations with { Previous = state });

        again.EdgesUnchecked.Should().BeTrue();
    }

    [Fact]
    public async Task The_state_of_another_timeline_is_not_used()
    {
        await LoadAsync();
        var after = _name.Next(_workload.SegmentSize);
        var fork = WalFileName.ForSegmentNumber(3, _name.SegmentNumber(_workload.SegmentSize), _workload.SegmentSize);
        var state = Validate.Full(fork, _content.With(OfTimeline3), _workload.Expectations).Next!;

        var summary = Validate.Full(after, _workload.Read(after), _workload.Expectations with { Previous = state });

        state.Timeline.Should().Be(3);
        state.End.Should().Be(after.StartLsn(_workload.SegmentSize));
        summary.EdgesUnchecked.Should().BeTrue();
    }

    private static void OfTimeline3(byte[] content)
    {
        for (var page = 0; page < content.Length; page += PageSize)
            content[page + 4] = 3;
    }

    // A segment full of records, so that a fault in any page is one among records.
    private async Task LoadAsync()
    {
        _workload = await workloads.SmallSegmentsAsync();
        _name = _workload.Segments.Skip(1).First(s => Validate.Full(s, _workload.Read(s), _workload.Expectations) is { End: WalSegmentEnd.Segment, Records: > 1000 });
        _content = _workload.Read(_name);
    }
}
