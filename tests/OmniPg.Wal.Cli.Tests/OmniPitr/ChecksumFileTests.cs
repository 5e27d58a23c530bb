using System.Text;

namespace OmniPg.Wal.Cli.Tests;

public sealed class ChecksumFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("omnipg-sum-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("MD5", "900150983cd24fb0d6963f7d28e17f72")]
    [InlineData("SHA-1", "a9993e364706816aba3e25717850c26c9cd0d89d")]
    [InlineData("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    [InlineData("SHA-384", "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7")]
    [InlineData("sha-512", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f")]
    public async Task Digests_equal_the_published_test_values(string name, string expected)
    {
        using var stream = new MemoryStream("abc"u8.ToArray());

        var hex = await ChecksumFile.ComputeAsync(stream, ChecksumFile.ParseDigest(name), TestContext.Current.CancellationToken);

        hex.Should().Be(expected);
    }

    [Fact]
    public void Unknown_digest_is_refused_with_the_list()
    {
        var act = () => ChecksumFile.ParseDigest("CRC32");

        act.Should().Throw<WalConfigurationException>()
            .WithMessage("The digest 'CRC32' is not known. Hint: Use one of MD5, SHA-1, SHA-256, SHA-384, SHA-512.");
    }

    [Fact]
    public async Task Written_file_verifies_until_a_byte_changes()
    {
        var token = TestContext.Current.CancellationToken;
        var (first, second, sums) = (Path.Combine(_folder, "a b"), Path.Combine(_folder, "c"), Path.Combine(_folder, "SHA256SUMS"));
        await File.WriteAllTextAsync(first, "one", token);
        await File.WriteAllTextAsync(second, "two", token);

        await ChecksumFile.WriteAsync(sums, [first, second], ChecksumFile.Digest.Sha256, token);
        var clean = await ChecksumFile.VerifyAsync(sums, token);
        await File.WriteAllTextAsync(second, "twO", token);
        File.Delete(first);
        var dirty = await ChecksumFile.VerifyAsync(sums, token);

        (await File.ReadAllTextAsync(sums, token)).Should().StartWith("7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed *a b\n");
        clean.Should().BeEmpty();
        dirty.Should().Equal("a b", "c");
    }

    [Fact]
    public async Task Line_of_another_form_is_refused()
    {
        var token = TestContext.Current.CancellationToken;
        var path = Path.Combine(_folder, "sums");
        await File.WriteAllTextAsync(path, "deadbeef *x\n", Encoding.ASCII, token);

        var act = () => ChecksumFile.VerifyAsync(path, token);

        await act.Should().ThrowAsync<WalConfigurationException>().WithMessage($"*'{path}' has the line 'deadbeef *x'*");
    }
}
