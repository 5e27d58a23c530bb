using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Storage;

/// <summary>A place that holds neither a marker nor a WAL file is never believed, whatever kind of store it is.</summary>
public sealed class ArchivePresenceTests : IDisposable
{
    private static readonly WalFileName Absent = WalFileName.Parse("0000000100000000000000FE");
    private readonly TemporaryDirectory _directory = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("directory")]
    [InlineData("memory")]
    public async Task An_empty_store_proves_nothing(string kind)
    {
        await using var store = EmptyStore(kind);
        await store.PutAsync("lost+found.txt", "no WAL"u8.ToArray(), Token);

        await RequireAbsentAsync(store);
    }

    [Theory]
    [InlineData("directory")]
    [InlineData("memory")]
    public async Task A_marker_alone_proves_the_archive(string kind)
    {
        await using var store = EmptyStore(kind);
        await new WalArchiveMarker { SystemIdentifier = 42, PgVersion = 15, WalSegmentSize = 1 << 20 }.WriteAsync(store, Token);

        await RequirePresentAsync(store);
    }

    [Theory]
    [InlineData("directory")]
    [InlineData("memory")]
    public async Task A_single_archived_file_proves_the_archive(string kind)
    {
        await using var store = EmptyStore(kind);
        await store.PutAsync("00000002.history", "1\t0/2000000\tno recovery target specified\n"u8.ToArray(), Token);

        await RequirePresentAsync(store);
    }

    [Fact]
    public async Task Storage_that_is_replaced_during_a_look_proves_nothing_even_if_the_other_one_is_an_archive()
    {
        var root = Directory.CreateDirectory(_directory.Combine("archive")).FullName;
        await PutMarkerAsync(root);
        await using var store = new ReplacedStore(new DirectoryObjectStore(root), () =>
        {
            Directory.Move(root, root + Path.GetRandomFileName());
            Directory.CreateDirectory(root);
            PutMarkerAsync(root).GetAwaiter().GetResult();
        });

        await RequireAbsentAsync(store);
    }

    private static async Task PutMarkerAsync(string root)
    {
        await using var store = new DirectoryObjectStore(root);
        await new WalArchiveMarker { SystemIdentifier = 42, PgVersion = 15, WalSegmentSize = 1 << 20 }.WriteAsync(store, Token);
    }

    /// <summary>A directory under which somebody puts another one after each look, before the next.</summary>
    private sealed class ReplacedStore(DirectoryObjectStore inner, Action replace) : IObjectStore
    {
        public string Id => inner.Id;

        public async Task<string> IdentifyAsync(CancellationToken cancellationToken = default)
        {
            var identity = await inner.IdentifyAsync(cancellationToken);
            replace();
            return identity;
        }

        public ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default) => inner.CreateAsync(key, info, cancellationToken);

        public Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default) => inner.OpenReadAsync(key, cancellationToken);

        public Task<ObjectEntry?> StatAsync(string key, CancellationToken cancellationToken = default) => inner.StatAsync(key, cancellationToken);

        public IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, CancellationToken cancellationToken = default) => inner.ListAsync(prefix, cancellationToken);

        public Task DeleteAsync(string key, CancellationToken cancellationToken = default) => inner.DeleteAsync(key, cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    private IObjectStore EmptyStore(string kind) => kind == "memory" ? new MemoryObjectStore() : new DirectoryObjectStore(_directory.Path);

    /// <summary>Whoever would say "not there" or "nothing wrong" says that there is no archive instead.</summary>
    private static async Task RequireAbsentAsync(IObjectStore store)
    {
        var repository = new WalRepository(store);
        await repository.Awaiting(r => r.VerifyAsync(cancellationToken: Token)).Should().ThrowAsync<WalArchiveAbsentException>();
        await repository.Awaiting(r => r.GetRecoveryWindowAsync(Token)).Should().ThrowAsync<WalArchiveAbsentException>();
        await repository.Awaiting(r => r.GetTimelinesAsync(Token)).Should().ThrowAsync<WalArchiveAbsentException>();
        await repository.Awaiting(r => r.CleanupAsync(Absent, cancellationToken: Token)).Should().ThrowAsync<WalArchiveAbsentException>();
        await repository.Awaiting(r => r.ListAsync(Token).ToListAsync(Token).AsTask()).Should().ThrowAsync<WalArchiveAbsentException>();
        await repository.Awaiting(r => r.GetRestorePointsAsync(cancellationToken: Token).ToListAsync(Token).AsTask()).Should().ThrowAsync<WalArchiveAbsentException>();
        foreach (var name in (string[])[Absent.ToString(), "00000009.history"])
        {
            var restoring = () => RestoreAsync(store, name);
            (await restoring.Should().ThrowAsync<WalSourceException>()).Which.Failures.Single().Error.Should().BeOfType<WalArchiveAbsentException>();
        }
    }

    private static async Task RequirePresentAsync(IObjectStore store)
    {
        var repository = new WalRepository(store);
        (await repository.VerifyAsync(cancellationToken: Token)).IsGood.Should().BeTrue();
        (await repository.CleanupAsync(Absent, cancellationToken: Token)).Removed.Should().BeEmpty();
        (await RestoreAsync(store, Absent.ToString())).Status.Should().Be(WalRestoreStatus.NotFound);
        (await RestoreAsync(store, "00000009.history")).Status.Should().Be(WalRestoreStatus.NotFound);
    }

    private static Task<WalRestoreResult> RestoreAsync(IObjectStore store, string name)
    {
        var options = new WalRestoreOptions { DataDirectory = Path.GetTempPath(), RequireDataDirectory = false, RetryTimeout = TimeSpan.Zero };
        options.Sources = [new WalRestoreSource(store, Codec.None)];
        return new WalRestorer(options).RestoreAsync(name, "omnipg-nothing", Token);
    }
}
