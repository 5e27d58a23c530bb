using NpgsqlTypes;

namespace OmniPg.Wal.Tests.Segments;

public sealed class WalFileNameTests
{
    private static readonly WalSegmentSize OneMegabyte = WalSegmentSize.FromBytes(1 << 20);

    [Theory]
    [InlineData("000000010000000A000000FF", WalFileKind.Segment, 1u, 0xAu, 0xFFu, null)]
    [InlineData("FFFFFFFFFFFFFFFFFFFFFFFF", WalFileKind.Segment, uint.MaxValue, uint.MaxValue, uint.MaxValue, null)]
    [InlineData("000000020000000A000000FF.partial", WalFileKind.Partial, 2u, 0xAu, 0xFFu, null)]
    [InlineData("000000010000000A000000FF.00000028.backup", WalFileKind.BackupHistory, 1u, 0xAu, 0xFFu, 0x28u)]
    [InlineData("0000000B.history", WalFileKind.TimelineHistory, 0xBu, 0u, 0u, null)]
    public void Each_kind_of_name_is_read_and_written(string text, WalFileKind kind, uint timeline, uint logId, uint part, uint? offset)
    {
        var name = WalFileName.Parse(text);

        (name.Kind, name.Timeline, name.LogId, name.SegmentPart, name.BackupOffset).Should().Be((kind, timeline, logId, part, offset));
        name.ToString().Should().Be(text);
        $"{name}".Should().Be(text);
    }

    [Theory]
    [InlineData("000000010000000a000000ff", "000000010000000A000000FF")]
    [InlineData("0000000b.history", "0000000B.history")]
    [InlineData("000000010000000a000000ff.0000002a.backup", "000000010000000A000000FF.0000002A.backup")]
    public void Lower_case_digits_are_read_and_written_in_upper_case(string text, string written)
    {
        WalFileName.Parse(text).ToString().Should().Be(written);
        WalFileName.Parse(text).Should().Be(WalFileName.Parse(written));
    }

    [Fact]
    public void The_name_that_stands_for_no_restart_point_yet_is_read()
    {
        var name = WalFileName.Parse("000000000000000000000000");

        (name.Timeline, name.Position).Should().Be((0u, 0ul));
    }

    [Theory]
    [InlineData("")]
    [InlineData("../000000010000000A000000FF")]
    [InlineData("/000000010000000A000000FF")]
    [InlineData("000000010000000A000000FF/")]
    [InlineData("000000010000000A000000F")]
    [InlineData("000000010000000A000000FF0")]
    [InlineData("000000010000000A000000FG")]
    [InlineData("000000010000000A000000FF ")]
    [InlineData(" 00000010000000A000000FF")]
    [InlineData("+00000010000000A000000FF")]
    [InlineData("000000010000000A000000FF\n")]
    [InlineData("000000010000000A000000FF\0")]
    [InlineData("000000010000000A000000F٣")]
    [InlineData("000000010000000A000000FF.PARTIAL")]
    [InlineData("000000010000000A000000FF.partial.partial")]
    [InlineData("000000010000000A000000FF.partia")]
    [InlineData("000000010000000A000000FF.gz")]
    [InlineData("000000010000000A000000FF.0000028.backup")]
    [InlineData("000000010000000A000000FF.000000028.backup")]
    [InlineData("000000010000000A000000FF.00000028.history")]
    [InlineData("000000010000000A000000FF.history")]
    [InlineData("000000010000000A000000FF.00000028backup")]
    [InlineData("000000010000000A000000FFx00000028.backup")]
    [InlineData("00000001.histor")]
    [InlineData("00000001.history.gz")]
    [InlineData("0000001.history")]
    [InlineData("RECOVERYXLOG")]
    public void Anything_else_is_refused(string text)
    {
        WalFileName.TryParse(text, out var name).Should().BeFalse();

        name.Should().Be(default(WalFileName));
        var parse = () => WalFileName.Parse(text, null);
        parse.Should().Throw<FormatException>().WithMessage("Not the name of a WAL file: expected 24 hexadecimal digits*");
    }

    [Fact]
    public void Null_is_refused()
    {
        WalFileName.TryParse(null, null, out _).Should().BeFalse();
        var parse = () => WalFileName.Parse(null!, null);
        parse.Should().Throw<ArgumentNullException>();
    }

    [Fact]
    public void A_short_buffer_takes_no_name()
    {
        WalFileName.Parse("000000010000000A000000FF").TryFormat(new char[23], out _, default, null).Should().BeFalse();
    }

    [Theory]
    [InlineData(1, "0/0", "000000010000000000000000")]
    [InlineData(1, "0/FFFFF", "000000010000000000000000")]
    [InlineData(1, "0/100000", "000000010000000000000001")]
    [InlineData(3, "A/FFF00000", "000000030000000A00000FFF")]
    [InlineData(3, "FFFFFFFF/FFFFFFFF", "00000003FFFFFFFF00000FFF")]
    public void A_position_belongs_to_one_segment(uint timeline, string lsn, string expected)
    {
        WalFileName.ForLsn(timeline, NpgsqlLogSequenceNumber.Parse(lsn), OneMegabyte).ToString().Should().Be(expected);
    }

    [Theory]
    [InlineData("0000000100000000000000FF", 16, "000000010000000100000000")]
    [InlineData("000000010000000000000FFF", 1, "000000010000000100000000")]
    [InlineData("000000010000000000000003", 1024, "000000010000000100000000")]
    [InlineData("00000002000000010000003E.partial", 64, "00000002000000010000003F")]
    public void The_next_segment_carries_over_by_the_segment_size(string text, int megabytes, string next)
    {
        WalFileName.Parse(text).Next(WalSegmentSize.FromBytes((long)megabytes << 20)).ToString().Should().Be(next);
    }

    [Fact]
    public void There_is_no_segment_after_the_last()
    {
        var next = () => WalFileName.Parse("00000001FFFFFFFF000000FF").Next(WalSegmentSize.Default);

        next.Should().Throw<ArgumentOutOfRangeException>();
    }

    [Fact]
    public void A_history_file_has_no_position()
    {
        var history = WalFileName.ForHistory(5);

        history.ToString().Should().Be("00000005.history");
        var number = () => history.SegmentNumber(WalSegmentSize.Default);
        number.Should().Throw<InvalidOperationException>().WithMessage("'00000005.history' is a timeline history file and has no segment number.");
        var segment = () => history.GetSegment();
        segment.Should().Throw<InvalidOperationException>();
    }

    [Fact]
    public void A_name_that_cannot_exist_with_a_segment_size_has_no_position()
    {
        var name = WalFileName.Parse("000000010000000000000100");

        name.Fits(WalSegmentSize.Default).Should().BeFalse();
        name.Fits(OneMegabyte).Should().BeTrue();
        WalFileName.Parse("000000010000000000000001.00100000.backup").Fits(OneMegabyte).Should().BeFalse();
        var start = () => name.StartLsn(WalSegmentSize.Default);
        start.Should().Throw<ArgumentException>().WithMessage("'000000010000000000000100' names no segment of a cluster with segments of 16MB.*");
    }

    [Fact]
    public void The_segment_of_a_name_drops_its_suffix()
    {
        var segment = WalFileName.Parse("000000010000000A000000FF");

        WalFileName.Parse("000000010000000A000000FF.partial").GetSegment().Should().Be(segment);
        WalFileName.Parse("000000010000000A000000FF.00000028.backup").GetSegment().Should().Be(segment);
        segment.GetSegment().Should().Be(segment);
    }

    [Fact]
    public void The_position_orders_segments_regardless_of_their_timelines()
    {
        var old = WalFileName.Parse("000000010000000A000000FF");
        var newer = WalFileName.Parse("000000050000000A00000001");

        old.Position.Should().BeGreaterThan(newer.Position);
    }
}
