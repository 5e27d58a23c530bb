using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Copying;

/// <summary>Whose memory a copy gets after one that failed; in the collection of the others, because the program of a codec is the whole process's.</summary>
[Collection(nameof(WalCopierTests))]
public sealed class CopierMemoryTests : IDisposable
{
    private readonly TemporaryDirectory _root = new();
    private readonly string _bzip2 = CodecPrograms.Bzip2;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        CodecPrograms.Bzip2 = _bzip2;
        // What the encoder waits for.
        _root.Dispose();
    }

    [Fact]
    public async Task The_memory_of_an_encoder_that_a_broken_source_left_at_work_serves_no_other_copy()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "A shell script.");
        var taken = _root.Combine("taken");
        CodecPrograms.Bzip2 = TestScript.Write(
            _root.Combine("bzip2"), $"head -c {2 * BufferPool.BufferBytes} > /dev/null; : > '{taken}'; cat > /dev/null; while [ -d '{_root.Path}' ]; do sleep 0.05; done");
        var copier = new WalCopier(TimeProvider.System);
        await using var store = new MemoryObjectStore();
        var (first, second) = (new RememberingSink(), new RememberingSink());
        var broken = new CopyRequest
        {
            Source = new PatternSource(1 << 20, breakAt: 2 * BufferPool.BufferBytes) { BeforeBreak = () => Eventually.TrueAsync(() => File.Exists(taken) && !first.Arrays.IsEmpty, "all is encoded", cancellationToken: Token) },
            Targets = [Target(first, Codec.None), Target(store, Codec.Bzip2)],
        };

        await copier.Awaiting(c => c.CopyAsync(broken, Token)).Should().ThrowAsync<IOException>();
        await copier.CopyAsync(new CopyRequest { Source = new PatternSource(4 << 20), Targets = [Target(second, Codec.None)] }, Token);

        second.Arrays.Should().NotBeEmpty().And.NotIntersectWith(first.Arrays);
    }

    private static CopyTarget Target(IObjectSink sink, Codec codec) => new() { Sink = sink, Key = "file", Codec = codec, Id = codec.Name };

    /// <summary>Remembers where the bytes lay that it got.</summary>
    private sealed class RememberingSink : IObjectSink, IObjectWriter
    {
        public ConcurrentBag<byte[]> Arrays { get; } = [];

        public string Id => "remembering";

        public ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default) => new(this);

        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
        {
            MemoryMarshal.TryGetArray(bytes, out var array).Should().BeTrue();
            Arrays.Add(array.Array!);
            return ValueTask.CompletedTask;
        }

        public Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default) => Task.FromResult(ObjectCommitResult.Created);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
