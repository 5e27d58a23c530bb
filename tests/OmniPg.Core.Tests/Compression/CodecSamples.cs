namespace OmniPg.Core.Tests.Compression;

/// <summary>Content for codec tests, the same in every run.</summary>
internal static class CodecSamples
{
    /// <summary>Half text that compresses, half noise.</summary>
    public static byte[] Mixed(int size)
    {
        var content = Noise(size);
        for (var i = 0; i < size; i++)
            if (i % 2000 < 1000)
                content[i] = (byte)('a' + i % 7);
        return content;
    }

    public static byte[] Noise(int size)
    {
        var content = new byte[size];
        new Random(42).NextBytes(content);
        return content;
    }

    public static IEnumerable<int> CutPoints(int length) =>
        Enumerable.Range(0, length).Where(n => n < 24 || length - n <= 24 || n % (length / 20) == 0);

    public static async Task<byte[]> PackAsync(Codec codec, ReadOnlyMemory<byte> content, CancellationToken cancellationToken, int? level = null)
    {
        using var sink = new MemoryStream();
        await using (var encoder = codec.Compress(sink, level, leaveOpen: true))
            for (var at = 0; at < content.Length; at += 100_000)
                await encoder.WriteAsync(content.Slice(at, Math.Min(100_000, content.Length - at)), cancellationToken);
        return sink.ToArray();
    }

    public static async Task<byte[]> UnpackAsync(Codec codec, byte[] packed, CancellationToken cancellationToken)
    {
        using var target = new MemoryStream();
        await using var decoder = codec.Decompress(new MemoryStream(packed));
        await decoder.CopyToAsync(target, 77_777, cancellationToken);
        return target.ToArray();
    }
}
