using OmniPg.Testing;
using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;

namespace OmniPg.Wal.Tests.Copying;

[Collection(nameof(WalCopierTests))]
[CollectionDefinition(nameof(WalCopierTests), DisableParallelization = true)]
public sealed class WalCopierTests
{
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
}
