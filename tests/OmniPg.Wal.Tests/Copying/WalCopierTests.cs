using OmniPg.Testing;
using System.Diagnostics;
using System.Reflection;

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

        outcome.Content.Should().Be(new ObjectContent(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content)), size, 0));
        outcome.Targets.Should().OnlyContain(t => t.Error == null && t.Commit == ObjectCommitResult.Created);
        (await store.ReadAllAsync("none", Token)).Should().Equal(content);
        foreach (var codec in new[] { Codec.Gzip, Codec.Brotli })
        {
            using var decoded = new MemoryStream();
            await using var decoder = codec.Decompress(new MemoryStream(await store.ReadAllAsync(codec.Name, Token)));
            await decoder.CopyToAsync(decoded, Token);
            decoded.ToArray().Should().Equal(content);
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

    [Fact]
    public async Task A_source_that_breaks_leaves_nothing()
    {
        await using var store = new MemoryObjectStore();
        var request = new CopyRequest { Source = new PatternSource(1 << 20, breakAt: 700_000), Targets = [Target(store, Codec.None), Target(store, Codec.Gzip)] };

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

    [Fact]
    public async Task Memory_does_not_grow_with_the_number_of_files()
    {
        await CopyAsync(4);
        GC.Collect();
        var before = GC.GetTotalMemory(forceFullCollection: true);

        for (var i = 0; i < 300; i++)
            await CopyAsync(4);

        (GC.GetTotalMemory(forceFullCollection: true) - before).Should().BeLessThan(24 << 20, "one set of buffers is 4 MiB, so a leak of them would show as more than a gigabyte");
    }

    private static CopyTarget Target(IObjectSink store, Codec codec) => new() { Sink = store, Key = codec.Name, Codec = codec, Id = codec.Name };

    // The least of several runs: now and then one has to fill the array pool of a thread that is new to it.
    private static async Task<long> LeastAsync(int buffers)
    {
        var least = long.MaxValue;
        for (var run = 0; run < 5; run++)
            least = Math.Min(least, await CopyAsync(buffers));
        return least;
    }

    private static async Task<long> CopyAsync(int buffers)
    {
        var before = GC.GetTotalAllocatedBytes(precise: true);
        var store = new ForgettingSink();
        var request = new CopyRequest
        {
            Source = new PatternSource((long)buffers * BufferPool.BufferBytes), Targets = [Target(store, Codec.None), Target(store, Codec.Zstd), Target(store, Codec.Lz4)],
        };
        (await Copier.CopyAsync(request, Token)).Targets.Should().OnlyContain(t => t.Error == null);
        return GC.GetTotalAllocatedBytes(precise: true) - before;
    }
}
