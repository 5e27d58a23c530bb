namespace OmniPg.Wal.Tests.Segments;

public sealed class WalSegmentSizeTests
{
    [Theory]
    [InlineData(1 << 20, "1MB", 4096u)]
    [InlineData(16 << 20, "16MB", 256u)]
    [InlineData(1 << 30, "1GB", 4u)]
    public void Powers_of_two_from_1_MiB_to_1_GiB_are_sizes(int bytes, string text, uint perLogId)
    {
        var size = WalSegmentSize.FromBytes(bytes);

        size.Bytes.Should().Be(bytes);
        size.ToString().Should().Be(text);
        size.SegmentsPerLogId.Should().Be(perLogId);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1048576)]
    [InlineData(1 << 19)]
    [InlineData(3 << 20)]
    [InlineData((16 << 20) + 1)]
    [InlineData(1L << 31)]
    [InlineData(long.MinValue)]
    public void Other_numbers_are_refused(long bytes)
    {
        var make = () => WalSegmentSize.FromBytes(bytes);

        make.Should().Throw<ArgumentOutOfRangeException>().WithMessage("A WAL segment size is a power of two from 1 MiB to 1 GiB.*");
    }

    [Fact]
    public void The_default_is_16_MiB()
    {
        default(WalSegmentSize).Bytes.Should().Be(16 << 20);
        WalSegmentSize.Default.Should().Be(WalSegmentSize.FromBytes(16 << 20));
    }
}
