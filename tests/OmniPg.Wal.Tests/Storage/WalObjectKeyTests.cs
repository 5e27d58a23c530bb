namespace OmniPg.Wal.Tests.Storage;

public sealed class WalObjectKeyTests
{
    [Theory]
    [InlineData("0000000100000002000000FF", WalLayout.Flat, "0000000100000002000000FF.zst")]
    [InlineData("0000000100000002000000FF", WalLayout.Sharded, "0000000100000002/0000000100000002000000FF.zst")]
    [InlineData("0000000100000002000000FF.partial", WalLayout.Sharded, "0000000100000002/0000000100000002000000FF.partial.zst")]
    [InlineData("00000002.history", WalLayout.Flat, "00000002.history.zst")]
    [InlineData("00000002.history", WalLayout.Sharded, "00000002.history")]
    [InlineData("0000000100000002000000FF.00000028.backup", WalLayout.Flat, "0000000100000002000000FF.00000028.backup.zst")]
    [InlineData("0000000100000002000000FF.00000028.backup", WalLayout.Sharded, "0000000100000002000000FF.00000028.backup")]
    public void A_file_has_its_key_and_the_key_names_the_file(string file, WalLayout layout, string key)
    {
        var name = WalFileName.Parse(file);

        WalObjectKey.For(name, layout, Codec.Zstd).Should().Be(key);
        WalObjectKey.TryParse(key, out var parsed, out var codec).Should().BeTrue();
        parsed.Should().Be(name);
        codec.Should().Be(WalObjectKey.CodecFor(name, layout, Codec.Zstd));
        WalObjectKey.Candidates(name, layout).Should().Contain((key, codec)).And.HaveCount(Codec.All.Count);
    }

    [Theory]
    [InlineData("omnipg-archive.json")]
    [InlineData("0000000100000002000000FF.zip")]
    [InlineData("0000000100000002000000FF.zst.zst")]
    public void Other_files_of_an_archive_are_no_wal_files(string key) => WalObjectKey.TryParse(key, out _, out _).Should().BeFalse();
}
