namespace OmniPg.Core.Tests.Compression;

public sealed class CodecRegistryTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void Parse_lists_the_known_names()
    {
        var act = () => Codec.Parse("snappy");

        act.Should().Throw<ArgumentException>().WithMessage("Codec 'snappy' is unknown. Known are 'none', 'zstd', 'lz4', 'gzip', 'brotli', 'bzip2', 'xz', 'lzma'.*");
    }

    [Theory]
    [InlineData("000000010000000000000001", null)]
    [InlineData("00000002.history.gz", "gzip")]
    [InlineData("/mnt/a b/000000010000000000000001.zst", "zstd")]
    [InlineData("x.LZ4", "lz4")]
    public void Extension_decides(string file, string? codec) => Codec.ForExtension(file)?.Name.Should().Be(codec);

    [Fact]
    public void Plain_write_ahead_log_is_no_compressed_file() => Codec.Detect([0x10, 0xD1, 7, 0, 1, 0, 0, 0]).Should().BeNull();

    [Fact]
    public async Task A_skippable_frame_is_passed_over_by_both_formats_that_have_it()
    {
        byte[] skippable = [0x53, 0x2A, 0x4D, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5];
        foreach (var codec in new[] { Codec.Zstd, Codec.Lz4 })
        {
            Assert.SkipUnless(codec.IsAvailable(out var reason), reason ?? "");
            byte[] file = [.. skippable, .. await CodecSamples.PackAsync(codec, CodecSamples.Mixed(1000), Token), .. skippable];

            Codec.Detect(file).Should().BeSameAs(codec);
            (await CodecSamples.UnpackAsync(codec, file, Token)).Should().Equal(CodecSamples.Mixed(1000));
        }
    }

    [Fact]
    public async Task The_setting_for_write_ahead_log_is_the_default_of_zstd_and_every_zstd_reads_it()
    {
        Assert.SkipUnless(Codec.Zstd.IsAvailable(out var reason), reason ?? "");
        var content = CodecSamples.Mixed(3_000_000);

        var packed = await CodecSamples.PackAsync(Codec.Zstd, content, Token);

        packed.Should().Equal(await CodecSamples.PackAsync(Codec.Zstd, content, Token, 0)).And.NotEqual(await CodecSamples.PackAsync(Codec.Zstd, content, Token, 3));
        packed[5].Should().Be((21 - 10) << 3, "RFC 8878, 3.1.1.1.2: the window has 2^21 bytes");
        Assert.SkipUnless(File.Exists("/usr/bin/zstd"), "The program 'zstd' is not on this machine.");
        var file = Path.Combine(Directory.CreateTempSubdirectory("omnipg-zstd-").FullName, "content.zst");
        await File.WriteAllBytesAsync(file, packed, Token);
        await ExternalProcess.RunAsync(new ExternalProcessOptions { FileName = "zstd", Arguments = ["-d", "-q", file] }, Token);
        (await File.ReadAllBytesAsync(file[..^4], Token)).Should().Equal(content);
        Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
    }

    [Theory]
    [InlineData("zstd")]
    [InlineData("lz4")]
    [InlineData("gzip")]
    [InlineData("brotli")]
    public void Nothing_is_allocated_per_buffer(string name)
    {
        var codec = Codec.Parse(name);
        Assert.SkipUnless(codec.IsAvailable(out var reason), reason ?? "");
        var buffer = CodecSamples.Mixed(256 * 1024);
        using var encoder = codec.Compress(Stream.Null, name == "gzip" ? 1 : null);
        for (var i = 0; i < 8; i++)
            encoder.Write(buffer);

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 16; i++)
            encoder.Write(buffer);

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().Be(0);
    }
}
