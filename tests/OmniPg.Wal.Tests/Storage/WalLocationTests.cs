namespace OmniPg.Wal.Tests.Storage;

public sealed class WalLocationTests
{
    [Theory]
    [InlineData("/mnt/archive", "none", null, "/mnt/archive")]
    [InlineData("gzip=/mnt/archive", "gzip", null, "/mnt/archive")]
    [InlineData("zstd:3=/mnt/a b=c", "zstd", 3, "/mnt/a b=c")]
    [InlineData("zstd:-5=relative", "zstd", -5, "relative")]
    [InlineData("zstd:wal=/a", "zstd", 0, "/a")]
    [InlineData("/mnt/a=b", "none", null, "/mnt/a=b")]
    [InlineData("none=a=b", "none", null, "a=b")]
    public void A_location_reads_and_prints_the_same(string text, string codec, int? level, string path)
    {
        var location = WalLocation.Parse(text);

        location.Should().Be(new WalLocation(Codec.Parse(codec), level, path));
        WalLocation.Parse(location.ToString()).Should().Be(location);
    }

    [Theory]
    [InlineData("", "*the path is empty*")]
    [InlineData("gzip=", "*the path is empty*")]
    [InlineData("snappy=/a", "*Codec 'snappy' is unknown*")]
    [InlineData("zstd:99=/a", "*'99' is no level of 'zstd', which takes '-7' to '22'*")]
    [InlineData("zstd:=/a", "*'' is no level of 'zstd'*")]
    [InlineData("gzip:wal=/a", "*'wal' is no level of 'gzip'*")]
    [InlineData("zstd:x=/a", "*'x' is no level of 'zstd'*")]
    public void What_is_no_location_is_refused_with_the_reason(string text, string message)
    {
        var act = () => WalLocation.Parse(text);

        act.Should().Throw<FormatException>().WithMessage(message);
    }
}
