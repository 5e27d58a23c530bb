namespace OmniPg.Core.Tests.Compression;

/// <summary>What every codec promises. Derive, give the codec, and the whole contract runs over it.</summary>
public abstract class CodecContract
{
    protected abstract Codec Codec { get; }

    /// <summary>The codec that name, extension and magic lead to.</summary>
    protected virtual Codec Registered => Codec;

    /// <summary>How often a file is damaged; fewer times where each costs a program.</summary>
    protected virtual int DamagedFiles => 300;

    protected virtual bool HasFrames => true;

    protected virtual bool AllowsSeveralFrames => HasFrames;

    protected virtual bool HasChecksum => HasFrames;

    public static TheoryData<int> Sizes => [0, 1, 4096, 131072, 1_000_003];

    [Theory]
    [MemberData(nameof(Sizes))]
    public async Task Round_trip_returns_the_same_bytes(int size)
    {
        RequireCodec();
        var content = CodecSamples.Mixed(size);

        var packed = await CodecSamples.PackAsync(Codec, content, Token);
        var unpacked = await CodecSamples.UnpackAsync(Codec, packed, Token);

        unpacked.Should().Equal(content);
    }

    [Fact]
    public void Synchronous_round_trip_returns_the_same_bytes()
    {
        RequireCodec();
        var content = CodecSamples.Mixed(300_001);
        using var sink = new MemoryStream();

        using (var encoder = Codec.Compress(sink, leaveOpen: true))
        {
            encoder.Write(content, 0, 70_000);
            encoder.Flush();
            encoder.Write(content.AsSpan(70_000));
        }

        using var decoder = Codec.Decompress(new MemoryStream(sink.ToArray()));
        var unpacked = new byte[content.Length + 1];
        decoder.ReadAtLeast(unpacked, unpacked.Length, throwOnEndOfStream: false).Should().Be(content.Length);
        unpacked.AsSpan(0, content.Length).SequenceEqual(content).Should().BeTrue();
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public async Task Content_in_memory_is_compressed_in_one_call(int size)
    {
        RequireCodec();
        foreach (var content in new[] { CodecSamples.Mixed(size), CodecSamples.Noise(size) })
        {
            if (Codec.MaxCompressedBytes(size) is not { } room)
            {
                Codec.Invoking(c => c.CompressWhole(content, new byte[size])).Should().Throw<NotSupportedException>();
                continue;
            }

            var target = new byte[room];
            var length = Codec.CompressWhole(content, target);
            (await CodecSamples.UnpackAsync(Codec, target[..length], Token)).Should().Equal(content);
        }
    }

    [Fact]
    public async Task Every_level_of_the_range_round_trips()
    {
        RequireCodec();
        var content = CodecSamples.Mixed(20_000);

        foreach (var level in new[] { Codec.MinLevel, Codec.DefaultLevel, Math.Min(Codec.MaxLevel, 9) })
            (await CodecSamples.UnpackAsync(Codec, await CodecSamples.PackAsync(Codec, content, Token, level), Token)).Should().Equal(content);
    }

    [Fact]
    public void A_level_outside_the_range_is_refused()
    {
        var act = () => Codec.Compress(Stream.Null, Codec.MaxLevel + 1);

        act.Should().Throw<ArgumentOutOfRangeException>().WithMessage($"Codec '{Codec.Name}' takes levels from*");
    }

    [Fact]
    public async Task A_file_cut_anywhere_is_truncated()
    {
        RequireCodec();
        Assert.SkipUnless(HasFrames, "The format has no end mark.");
        var packed = await CodecSamples.PackAsync(Codec, CodecSamples.Mixed(3_000), Token);

        foreach (var length in CodecSamples.CutPoints(packed.Length))
        {
            var act = () => CodecSamples.UnpackAsync(Codec, packed[..length], Token);
            (await act.Should().ThrowAsync<CorruptCompressedDataException>("{0} of {1} bytes are there", length, packed.Length))
                .Which.Code.Should().Be("compression.corrupt");
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(100_000)]
    public async Task Bytes_behind_the_end_are_reported(int count)
    {
        RequireCodec();
        Assert.SkipUnless(HasFrames, "The format has no end mark.");
        var packed = await CodecSamples.PackAsync(Codec, CodecSamples.Mixed(3_000), Token);

        var act = () => CodecSamples.UnpackAsync(Codec, [.. packed, .. Enumerable.Repeat((byte)'x', count)], Token);

        await act.Should().ThrowAsync<CorruptCompressedDataException>();
    }

    [Fact]
    public async Task Garbage_is_reported()
    {
        RequireCodec();
        Assert.SkipUnless(HasFrames, "Every byte sequence is valid.");

        var act = () => CodecSamples.UnpackAsync(Codec, CodecSamples.Noise(50_000), Token);

        await act.Should().ThrowAsync<CorruptCompressedDataException>();
    }

    [Fact]
    public async Task A_flipped_bit_is_reported()
    {
        RequireCodec();
        Assert.SkipUnless(HasChecksum, "The format has no checksum.");
        var content = CodecSamples.Noise(5_000);
        var packed = await CodecSamples.PackAsync(Codec, content, Token);

        for (var at = packed.Length / 4; at < packed.Length / 2; at += packed.Length / 16)
        {
            var damaged = packed.ToArray();
            damaged[at] ^= 0x10;
            var act = () => CodecSamples.UnpackAsync(Codec, damaged, Token);
            await act.Should().ThrowAsync<CorruptCompressedDataException>("byte {0} was damaged", at);
        }
    }

    [Fact]
    public async Task Whatever_was_done_to_a_file_it_decodes_or_is_reported()
    {
        RequireCodec();
        var packed = await CodecSamples.PackAsync(Codec, CodecSamples.Mixed(3_000), Token);
        var random = new Random(7);

        for (var file = 0; file < DamagedFiles; file++)
        {
            var damaged = packed.ToArray();
            for (var at = random.Next(damaged.Length); at < damaged.Length; at += random.Next(1, 1 + damaged.Length))
                damaged[at] = (byte)random.Next();
            try
            {
                await CodecSamples.UnpackAsync(Codec, damaged, Token);
            }
            catch (CorruptCompressedDataException reported)
            {
                reported.Codec.Should().Be(Codec.Name);
            }
        }
    }

    [Fact]
    public async Task An_error_of_the_source_is_its_own()
    {
        RequireCodec();
        var packed = await CodecSamples.PackAsync(Codec, CodecSamples.Noise(300_000), Token);
        await using var decoder = Codec.Decompress(new FailingSource(packed[..200_000]));

        var act = () => decoder.CopyToAsync(Stream.Null, Token);

        (await act.Should().ThrowAsync<IOException>()).WithMessage("the disk is gone");
    }

    [Fact]
    public async Task Several_frames_decode_to_their_contents_in_order()
    {
        RequireCodec();
        Assert.SkipUnless(AllowsSeveralFrames, "The format is one stream.");
        var first = await CodecSamples.PackAsync(Codec, CodecSamples.Mixed(200_000), Token);
        var second = await CodecSamples.PackAsync(Codec, CodecSamples.Mixed(5), Token);

        var unpacked = await CodecSamples.UnpackAsync(Codec, [.. first, .. second], Token);

        unpacked.Should().Equal([.. CodecSamples.Mixed(200_000), .. CodecSamples.Mixed(5)]);
    }

    [Fact]
    public async Task Sink_and_source_stay_open_when_asked()
    {
        RequireCodec();
        using var sink = new MemoryStream();

        await using (var encoder = Codec.Compress(sink, leaveOpen: true))
            await encoder.WriteAsync(new byte[10], Token);
        sink.CanWrite.Should().BeTrue();
        sink.Position = 0;
        await using (var decoder = Codec.Decompress(sink, leaveOpen: true))
            await decoder.CopyToAsync(Stream.Null, Token);

        sink.CanRead.Should().BeTrue();
    }

    [Fact]
    public async Task A_failing_sink_throws_and_disposal_adds_nothing()
    {
        RequireCodec();
        var sink = new BreakingStream(breakAfter: 1000);
        var encoder = Codec.Compress(sink, leaveOpen: true);

        var act = async () =>
        {
            for (var i = 0; i < 100; i++)
                await encoder.WriteAsync(CodecSamples.Noise(100_000), Token);
            await encoder.DisposeAsync();
        };

        await act.Should().ThrowAsync<IOException>();
        await encoder.DisposeAsync();
        sink.Accepted.Should().BeLessThanOrEqualTo(1000);
    }

    [Fact]
    public async Task The_name_the_extension_and_the_magic_find_the_codec()
    {
        RequireCodec();
        var packed = await CodecSamples.PackAsync(Codec, CodecSamples.Mixed(100), Token);

        Codec.Parse(Codec.Name.ToUpperInvariant()).Should().BeSameAs(Registered);
        if (Codec.Extension.Length > 0)
            Codec.ForExtension("000000010000000000000001" + Codec.Extension).Should().BeSameAs(Registered);
        if (Codec.Matches(packed))
            Codec.Detect(packed).Should().BeSameAs(Registered);
    }

    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    protected void RequireCodec() => Assert.SkipUnless(Codec.IsAvailable(out var reason), reason ?? "");

    /// <summary>Fails behind its bytes, in the way of a broken disk.</summary>
    private sealed class FailingSource(byte[] bytes) : ReadOnlyStream
    {
        private readonly MemoryStream _bytes = new(bytes);

        public override int Read(Span<byte> buffer) => _bytes.Read(buffer) is > 0 and var count ? count : throw new IOException("the disk is gone");

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(Read(buffer.Span));
    }
}
