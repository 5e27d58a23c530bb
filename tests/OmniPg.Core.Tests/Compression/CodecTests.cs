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

public sealed class Lz4CodecTests : CodecContract
{
    protected override Codec Codec => Codec.Lz4;
}

public sealed class Bzip2CodecTests : CodecContract
{
    protected override Codec Codec => Codec.Bzip2;
}

public sealed class XzCodecTests : CodecContract
{
    protected override Codec Codec => Codec.Xz;
}

public sealed class LzmaCodecTests : CodecContract
{
    protected override Codec Codec => Codec.Lzma;

    protected override bool AllowsSeveralFrames => false;

    protected override bool HasChecksum => false;
}
