using OmniPg.Testing;
using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace OmniPg.Wal.Tests.Copying;

[Collection(nameof(WalCopierTests))]
[CollectionDefinition(nameof(WalCopierTests), DisableParallelization = true)]
public sealed class WalCopierTests
{
    // Of EncoderBranch.
    private const int PieceBytes = 15 * BufferPool.BufferBytes;

    private static readonly WalCopier Copier = new(TimeProvider.System);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(BufferPool.BufferBytes)]
    [InlineData((BufferPool.BufferBytes * 9) + 17)]
    public async Task Content_of_any_size_reaches_every_target(int size)
    {
        var content = new byte[size];
        new Random(1).NextBytes(content);
        await using var store = new MemoryObjectStore();

        var outcome = await Copier.CopyAsync(
            new CopyRequest { Source = new StreamCopySource(new MemoryStream(content)), Targets = [Target(store, Codec.None), Target(store, Codec.Gzip), Target(store, Codec.Brotli)] },
            Token);

        outcome.Content.Should().Be(ObjectContent.Of(content) with { StoredBytes = 0, StoredSha256 = "" });
        outcome.Targets.Should().OnlyContain(t => t.Error == null && t.Commit == ObjectCommitResult.Created);
        (await store.ReadAllAsync("none", Token)).Should().Equal(content);
        foreach (var codec in new[] { Codec.Gzip, Codec.Brotli })
        {
            await RequireHashesAsync(store, outcome, codec, content);
            using var decoded = new MemoryStream();
            await using var decoder = codec.Decompress(new MemoryStream(await store.ReadAllAsync(codec.Name, Token)));
            await decoder.CopyToAsync(decoded, Token);
            decoded.ToArray().Should().Equal(content);
        }
    }

    [Theory]
    [InlineData("none", 0, false)]
    [InlineData("none", 1, false)]
    [InlineData("none", 3 << 20, false)]
    [InlineData("zstd", 0, true)]
    [InlineData("zstd", (1 << 20) + 17, true)]
    [InlineData("lz4", 1, true)]
    [InlineData("lz4", 3 << 20, true)]
    public async Task Content_of_one_codec_passes_memory_as_a_whole_and_content_as_it_is_in_stages(string codec, int size, bool whole)
    {
        var content = new byte[size];
        new Random(1).NextBytes(content.AsSpan(size / 2));
        await using var store = new MemoryObjectStore();
        await using var other = new MemoryObjectStore("other");
        List<long> progress = [];
        var request = new CopyRequest
        {
            Source = new StreamCopySource(new MemoryStream(content), size), Targets = [Target(store, Codec.Parse(codec)), Target(other, Codec.Parse(codec))], OnRead = progress.Add,
        };
        WholeCopy.Fits(request, size).Should().Be(whole);
        WholeCopy.Fits(request, size - 1).Should().BeFalse();

        var outcome = await Copier.CopyAsync(request, Token);

        outcome.Content.Should().Be(ObjectContent.Of(content) with { StoredBytes = 0, StoredSha256 = "" });
        progress.LastOrDefault().Should().Be(size);
        foreach (var target in new[] { store, other })
        {
            await RequireHashesAsync(target, outcome, Codec.Parse(codec), content);
            using var decoded = new MemoryStream();
            await using var decoder = Codec.Parse(codec).Decompress(new MemoryStream(await target.ReadAllAsync(codec, Token)));
            await decoder.CopyToAsync(decoded, Token);
            decoded.ToArray().Should().Equal(content);
        }
    }

    [Theory]
    [InlineData("zstd", 0, 1)]
    [InlineData("zstd", PieceBytes, 1)]
    [InlineData("zstd", PieceBytes + 1, 2)]
    [InlineData("zstd", (7 * PieceBytes) + 5, 8)]
    [InlineData("lz4", (2 * PieceBytes) + 1, 1)]
    public async Task Content_of_unknown_length_is_one_file_to_the_stock_program_zstd_in_pieces(string name, int size, int frames)
    {
        Assert.SkipUnless(File.Exists($"/usr/bin/{name}") || File.Exists($"/bin/{name}"), $"{name} is not installed.");
        var codec = Codec.Parse(name);
        var content = new byte[size];
        new Random(1).NextBytes(content.AsSpan(size / 2));
        await using var store = new MemoryObjectStore();
        await using var other = new MemoryObjectStore("other");

        var outcome = await Copier.CopyAsync(
            new CopyRequest { Source = new StreamCopySource(new MemoryStream(content)), Targets = [Target(store, codec), Target(other, codec)], NeedsSha256 = true }, Token);

        outcome.Sha256.Should().Be(Convert.ToHexStringLower(SHA256.HashData(content)));
        foreach (var target in new[] { store, other })
            await RequireHashesAsync(target, outcome, codec, content);
        var stored = await store.ReadAllAsync(name, Token);
        var magic = stored[..4];
        Enumerable.Range(0, stored.Length - 3).Count(at => stored.AsSpan(at, 4).SequenceEqual(magic)).Should().Be(frames);
        using var decoded = new MemoryStream();
        await using (var decoder = codec.Decompress(new MemoryStream(stored)))
            await decoder.CopyToAsync(decoded, Token);
        decoded.ToArray().Should().Equal(content);
        (await DecodeByProgramAsync(name, stored)).Should().Equal(content);
    }

    [Fact]
    public async Task Damage_in_any_piece_of_a_file_is_found()
    {
        var content = new byte[(2 * PieceBytes) + 1];
        new Random(3).NextBytes(content);
        await using var store = new MemoryObjectStore();
        await Copier.CopyAsync(new CopyRequest { Source = new StreamCopySource(new MemoryStream(content)), Targets = [Target(store, Codec.Zstd)] }, Token);
        var stored = await store.ReadAllAsync("zstd", Token);

        // Between the headers of the frames, where some bits mean nothing.
        for (var at = stored.Length / 40; at < stored.Length; at += stored.Length / 20)
        {
            var damaged = stored.ToArray();
            damaged[at] ^= 0x10;
            await using var decoder = Codec.Zstd.Decompress(new MemoryStream(damaged));
            await decoder.Awaiting(d => d.CopyToAsync(Stream.Null, Token)).Should().ThrowAsync<CorruptCompressedDataException>($"byte {at} is another one");
        }

        await using var cut = Codec.Zstd.Decompress(new MemoryStream(stored[..^3]));
        await cut.Awaiting(d => d.CopyToAsync(Stream.Null, Token)).Should().ThrowAsync<CorruptCompressedDataException>();
    }

    [Fact]
    public async Task A_store_that_hangs_holds_up_the_pieces_until_the_copy_is_stopped_and_the_next_copy_is_whole()
    {
        using var stop = new CancellationTokenSource();
        var hanging = new HangingSink();
        await using var good = new MemoryObjectStore();
        var source = new PatternSource(64L * PieceBytes);
        var request = new CopyRequest { Source = new UnknownLength(source), Targets = [Target(hanging, Codec.Zstd), Target(good, Codec.Zstd)] };

        var copy = Copier.CopyAsync(request, stop.Token);
        await hanging.Reached.WaitAsync(TimeSpan.FromSeconds(30), Token);
        await stop.CancelAsync();

        await copy.Invoking(c => c).Should().ThrowAsync<OperationCanceledException>();
        (await good.ListAsync("", Token).ToListAsync(Token)).Should().BeEmpty();
        var content = new byte[(3 * PieceBytes) + 7];
        new Random(2).NextBytes(content);
        var outcome = await Copier.CopyAsync(new CopyRequest { Source = new StreamCopySource(new MemoryStream(content)), Targets = [Target(good, Codec.Zstd)] }, Token);
        await RequireHashesAsync(good, outcome, Codec.Zstd, content);
    }

    [Fact]
    public async Task A_source_that_breaks_among_the_pieces_publishes_nothing()
    {
        await using var store = new MemoryObjectStore();
        var request = new CopyRequest { Source = new UnknownLength(new PatternSource(9L * PieceBytes, breakAt: 5L * PieceBytes)), Targets = [Target(store, Codec.Zstd)] };

        await Copier.Awaiting(c => c.CopyAsync(request, Token)).Should().ThrowAsync<IOException>();

        (await store.ListAsync("", Token).ToListAsync(Token)).Should().BeEmpty();
    }

    [Theory]
    [InlineData("gzip", null, "gzip", null)]
    [InlineData("zstd", null, "none", null)]
    [InlineData("zstd", 1, "zstd", 3)]
    public void Several_codecs_and_those_that_only_stream_take_the_stages(string first, int? firstLevel, string second, int? secondLevel)
    {
        var store = new ForgettingSink();
        var request = new CopyRequest
        {
            Source = new PatternSource(1 << 20),
            Targets = [Target(store, Codec.Parse(first)) with { Level = firstLevel }, Target(store, Codec.Parse(second)) with { Level = secondLevel }],
        };

        WholeCopy.Fits(request, WalCopier.MostAtOnce).Should().BeFalse();
    }

    [Fact]
    public async Task Wrong_content_is_given_to_no_target_when_it_passes_memory_as_a_whole()
    {
        await using var store = new MemoryObjectStore();
        var request = new CopyRequest
        {
            Source = new PatternSource(1 << 20), Targets = [Target(store, Codec.Zstd)],
            Validator = new WalSegmentValidator(WalFileName.Parse("000000010000000000000001"), WalValidation.Full),
        };

        await Copier.Awaiting(c => c.CopyAsync(request, Token)).Should().ThrowAsync<WalValidationException>();

        (await store.ListAsync("", Token).ToListAsync(Token)).Should().BeEmpty();
    }

    [Fact]
    public async Task A_segment_passes_through_huge_pages()
    {
        Assert.SkipUnless(File.Exists("/sys/kernel/mm/transparent_hugepage/enabled"), "This kernel has no transparent huge pages.");
        const int Segment = 16 << 20;
        var buffers = new WholeBuffers(Segment, Segment);

        foreach (var buffer in new[] { await buffers.RentRawAsync(), await buffers.RentStoredAsync() })
        {
            MemoryMarshal.TryGetArray<byte>(buffer.Free, out var bytes).Should().BeTrue();
            var address = Marshal.UnsafeAddrOfPinnedArrayElement(bytes.Array!, bytes.Offset);
            (address % (2 << 20)).Should().Be(0);
            FlagsOfMapping(address).Should().Contain("hg", "VmFlags of proc(5) names madvise's hint so");
            FlagsOfMapping(address + Segment - 1).Should().Contain("hg");
        }
    }

    [Fact]
    public async Task The_last_word_against_publication_leaves_nothing()
    {
        await using var store = new MemoryObjectStore();
        var request = new CopyRequest
        {
            Source = new StreamCopySource(new MemoryStream(new byte[10])), Targets = [Target(store, Codec.None)], BeforePublish = (_, _) => throw new InvalidDataException("no"),
        };

        await Copier.Awaiting(c => c.CopyAsync(request, Token)).Should().ThrowAsync<InvalidDataException>();

        (await store.ListAsync("", Token).ToListAsync(Token)).Should().BeEmpty();
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("none")]
    public async Task A_source_that_breaks_leaves_nothing(string codec)
    {
        await using var store = new MemoryObjectStore();
        var request = new CopyRequest { Source = new PatternSource(1 << 20, breakAt: 700_000), Targets = [Target(store, Codec.Parse(codec))] };

        await Copier.Awaiting(c => c.CopyAsync(request, Token)).Should().ThrowAsync<IOException>();

        (await store.ListAsync("", Token).ToListAsync(Token)).Should().BeEmpty();
    }

    [Fact]
    public async Task Nothing_is_allocated_per_buffer()
    {
        var build = typeof(WalCopier).Assembly.GetCustomAttribute<DebuggableAttribute>();
        Assert.SkipWhen(build is { IsJITOptimizerDisabled: true }, "Debug builds keep the state of every async call on the heap; run with -c Release.");
        Assert.SkipUnless(Codec.Zstd.IsAvailable(out var reason), reason ?? "");
        Assert.SkipUnless(Codec.Lz4.IsAvailable(out reason), reason ?? "");
        var small = await LeastAsync(64);
        var large = await LeastAsync(64 + 1024);

        ((large - small) / 1024).Should().BeLessThan(8, "1024 more buffers through three branches came from the pool");
    }

    [Theory]
    [InlineData("none", "zstd", "lz4")]
    [InlineData("zstd")]
    public async Task Memory_does_not_grow_with_the_number_of_files(params string[] codecs)
    {
        await CopyAsync(4, codecs);
        GC.Collect();
        var before = GC.GetTotalMemory(forceFullCollection: true);

        for (var i = 0; i < 300; i++)
            await CopyAsync(4, codecs);

        (GC.GetTotalMemory(forceFullCollection: true) - before).Should().BeLessThan(24 << 20, "one set of buffers is 4 MiB, so a leak of them would show as more than a gigabyte");
    }

    private static async Task<byte[]> DecodeByProgramAsync(string program, byte[] stored)
    {
        using var process = Process.Start(new ProcessStartInfo(program, ["-d", "-c"]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        using var decoded = new MemoryStream();
        var reading = process.StandardOutput.BaseStream.CopyToAsync(decoded, Token);
        await process.StandardInput.BaseStream.WriteAsync(stored, Token);
        process.StandardInput.Close();
        await reading;
        await process.WaitForExitAsync(Token);
        process.ExitCode.Should().Be(0);
        return decoded.ToArray();
    }

    private static async Task RequireHashesAsync(MemoryObjectStore store, CopyOutcome outcome, Codec codec, byte[] content)
    {
        var stored = ObjectContent.Of(await store.ReadAllAsync(codec.Name, Token));
        var expected = ObjectContent.Of(content) with { StoredBytes = stored.StoredBytes, StoredSha256 = stored.StoredSha256 };
        (await store.StatAsync(codec.Name, Token))!.Content.Should().Be(expected);
        outcome.Targets.Where(t => t.Target.Codec == codec).Should().OnlyContain(t => t.StoredSha256 == stored.StoredSha256 && t.StoredBytes == stored.StoredBytes);
    }

    private static CopyTarget Target(IObjectSink store, Codec codec) => new() { Sink = store, Key = codec.Name, Codec = codec, Id = codec.Name };

    // The least of several runs: now and then one has to fill the array pool of a thread that is new to it.
    private static async Task<long> LeastAsync(int buffers)
    {
        var least = long.MaxValue;
        for (var run = 0; run < 5; run++)
            least = Math.Min(least, await CopyAsync(buffers, "none", "zstd", "lz4"));
        return least;
    }

    private static async Task<long> CopyAsync(int buffers, params string[] codecs)
    {
        var before = GC.GetTotalAllocatedBytes(precise: true);
        var store = new ForgettingSink();
        var request = new CopyRequest
        {
            Source = new PatternSource((long)buffers * BufferPool.BufferBytes), Targets = [.. codecs.Select(c => Target(store, Codec.Parse(c)))],
        };
        (await Copier.CopyAsync(request, Token)).Targets.Should().OnlyContain(t => t.Error == null);
        return GC.GetTotalAllocatedBytes(precise: true) - before;
    }

    private static string[] FlagsOfMapping(long address)
    {
        var isIt = false;
        foreach (var line in File.ReadLines("/proc/self/smaps"))
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words[0].Split('-') is [var start, var end] && long.TryParse(start, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var from))
                isIt = from <= address && address < long.Parse(end, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            else if (isIt && words[0] == "VmFlags:")
                return words;
        }

        return [];
    }

    private sealed class UnknownLength(ICopySource source) : ICopySource
    {
        public long? Length => null;

        public DateTimeOffset? Modified => null;

        public ValueTask<int> ReadAsync(Memory<byte> target, CancellationToken cancellationToken) => source.ReadAsync(target, cancellationToken);

        public void VerifyUnchanged(long bytesRead)
        {
        }

        public ValueTask DisposeAsync() => source.DisposeAsync();
    }

    /// <summary>Takes nothing, until its writer is told to stop.</summary>
    private sealed class HangingSink : IObjectSink, IObjectWriter
    {
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Reached => _reached.Task;

        public string Id => "hanging";

        public ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default) => new(this);

        public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
        {
            _reached.TrySetResult();
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }

        public Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default) => Task.FromResult(ObjectCommitResult.Created);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
