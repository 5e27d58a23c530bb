namespace OmniPg.Core.Tests.Compression;

public sealed class NoneCodecTests : CodecContract
{
    protected override Codec Codec => Codec.None;

    protected override bool HasFrames => false;

    protected override bool AllowsSeveralFrames => true;
}

public sealed class GzipCodecTests : CodecContract
{
    protected override Codec Codec => Codec.Gzip;
}

public sealed class BrotliCodecTests : CodecContract
{
    protected override Codec Codec => Codec.Brotli;

    protected override bool AllowsSeveralFrames => false;

    protected override bool HasChecksum => false;
}

public sealed class ZstdCodecTests : CodecContract
{
    protected override Codec Codec => Codec.Zstd;
}

/// <summary>The port that takes over where libzstd is not installed.</summary>
public sealed class ManagedZstdCodecTests : CodecContract
{
    protected override Codec Codec { get; } = new ZstdCodec(managed: true);

    protected override Codec Registered => Codec.Zstd;

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public async Task Each_engine_reads_what_the_other_one_writes(int level)
    {
        RequireCodec();
        var content = CodecSamples.Mixed(1_000_003);

        foreach (var (writer, reader) in new[] { (Codec, Codec.Zstd), (Codec.Zstd, Codec) })
            (await CodecSamples.UnpackAsync(reader, await CodecSamples.PackAsync(writer, content, Token, level), Token)).Should().Equal(content);
    }
}

public sealed class Lz4CodecTests : CodecContract
{
    protected override Codec Codec => Codec.Lz4;
}

public sealed class Bzip2CodecTests : CodecContract
{
    protected override Codec Codec => Codec.Bzip2;

    protected override int DamagedFiles => 10;
}

public sealed class XzCodecTests : CodecContract
{
    protected override Codec Codec => Codec.Xz;

    protected override int DamagedFiles => 10;
}

public sealed class LzmaCodecTests : CodecContract
{
    protected override Codec Codec => Codec.Lzma;

    protected override int DamagedFiles => 10;

    protected override bool AllowsSeveralFrames => false;

    protected override bool HasChecksum => false;
}
