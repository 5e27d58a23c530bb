using OmniPg.Testing;
using OmniPg.Wal.Tests.Archiving;
using OmniPg.Wal.Tests.Cli;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Interop;

/// <summary>Archives of other tools, with real segments: restored from, verified and copied.</summary>
public sealed class ForeignArchiveTests(WalWorkloads workloads) : IAsyncLifetime
{
    private const string BackRest = "/usr/bin/pgbackrest";

    private ArchiveScene _scene = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private WalFileName[] Three => [.. _scene.Segments.Skip(1).Take(3)];

    public async ValueTask InitializeAsync() => _scene = new ArchiveScene(await workloads.SmallSegmentsAsync());

    public ValueTask DisposeAsync()
    {
        _scene.Dispose();
        return ValueTask.CompletedTask;
    }

    [Theory]
    [InlineData("pgbackrest", "zstd")]
    [InlineData("pgbackrest", "none")]
    [InlineData("wal-g", "lz4")]
    [InlineData("wal-g", "brotli")]
    [InlineData("barman", "gzip")]
    [InlineData("barman", "none")]
    public async Task A_segment_is_restored_and_what_is_not_there_is_absent(string tool, string codec)
    {
        var archive = Write(tool, Codec.Parse(codec));

        var restored = await RestoreAsync(archive, Three[1].ToString());
        var history = await RestoreAsync(archive, "00000002.history");
        var absent = await RestoreAsync(archive, "0000000100000000000000FE");
        var verified = await new WalRepository(new ForeignArchive(new DirectoryObjectStore(archive))).VerifyAsync(cancellationToken: Token);

        (restored.ExitCode, history.ExitCode, absent.ExitCode).Should().Be((0, 0, 1), "{0}{1}{2}", restored.Error, history.Error, absent.Error);
        (verified.Files, verified.Problems.Count, verified.Gaps.Count).Should().Be((4, 0, 0), string.Concat(verified.Problems));
        File.ReadAllBytes(Target(Three[1].ToString())).AsSpan().SequenceEqual(_scene.Original(Three[1])).Should().BeTrue();
        (await File.ReadAllTextAsync(Target("00000002.history"), Token)).Should().StartWith("1\t");
    }

    [Theory]
    // As after pg_upgrade, where pgBackRest leaves what was archived before it in a folder of its own.
    [InlineData("pgbackrest")]
    [InlineData("barman")]
    [InlineData("wal-g")]
    public async Task A_segment_that_is_absent_from_the_archive_of_another_cluster_is_not_the_end_of_the_WAL(string tool)
    {
        var archive = Write(tool, Codec.None, owner: 42);
        var own = Write(tool, Codec.None, owner: _scene.SystemIdentifier);

        var result = await RestoreAsync(archive, "0000000100000000000000FE");
        var absent = await RestoreAsync(own, "0000000100000000000000FE");

        (result.ExitCode, absent.ExitCode).Should().Be((255, 1), "{0}{1}", result.Error, absent.Error);
        result.Error.Should().Contain("belongs to a cluster with system identifier '42'");
    }

    [Fact]
    public async Task What_tells_whose_an_archive_is_and_cannot_be_read_is_not_the_end_of_the_WAL()
    {
        var archive = Write("barman", Codec.None, owner: 42);
        await File.WriteAllTextAsync(Path.Combine(archive, "identity.json"), "{\"systemid\": \"74", Token);

        var result = await RestoreAsync(archive, "0000000100000000000000FE");

        result.ExitCode.Should().Be(255, result.Error);
        result.Error.Should().Contain("'identity.json'");
    }

    [Fact]
    public async Task A_segment_with_a_digest_in_its_name_is_read_once()
    {
        var inner = new Counted(new DirectoryObjectStore(Write("pgbackrest", Codec.Zstd)));

        await using var content = await WalContent.OpenReadAsync(new ForeignArchive(inner), Three[0] + ".zst", Token);
        using var read = new MemoryStream();
        await content!.CopyToAsync(read, Token);

        read.ToArray().AsSpan().SequenceEqual(_scene.Original(Three[0])).Should().BeTrue();
        inner.Opened.Where(k => k.Contains(Three[0].ToString(), StringComparison.Ordinal) && k.Contains('/', StringComparison.Ordinal)).Should().ContainSingle();
    }

    [Fact]
    public async Task A_copy_makes_an_archive_of_this_package_of_it_in_the_same_compression()
    {
        var archive = Write("pgbackrest", Codec.Zstd);
        var to = _scene.MakeDirectory("copy");

        var copied = await WalProgram.RunAsync("copy", "--archive", archive, "--to", to, "--begin");
        var verified = await WalProgram.RunAsync("verify", "--archive", to);

        (copied.ExitCode, verified.ExitCode).Should().Be((0, 0), "{0}{1}{2}{3}", copied.Output, copied.Error, verified.Output, verified.Error);
        Directory.GetFiles(to).Select(Path.GetFileName).Where(n => n![0] != '.').Should().BeEquivalentTo([WalArchiveMarker.Key, "00000002.history", .. Three.Select(n => n + ".zst")]);
        var original = Directory.GetFiles(archive, $"{Three[0]}-*", SearchOption.AllDirectories).Single();
        File.ReadAllBytes(Path.Combine(to, Three[0] + ".zst")).AsSpan().SequenceEqual(File.ReadAllBytes(original)).Should().BeTrue();
    }

    [Fact]
    public async Task A_segment_that_is_not_what_its_SHA1_tells_is_corrupt_and_nothing_of_it_is_served()
    {
        var archive = Write("pgbackrest", Codec.None);
        var (one, two) = (Directory.GetFiles(archive, $"{Three[0]}-*", SearchOption.AllDirectories).Single(), Directory.GetFiles(archive, $"{Three[1]}-*", SearchOption.AllDirectories).Single());
        File.Copy(one, two, overwrite: true);

        var result = await RestoreAsync(archive, Three[1].ToString());

        result.ExitCode.Should().Be(255);
        result.Error.Should().Contain("has the SHA-1");
        File.Exists(Target(Three[1].ToString())).Should().BeFalse();
    }

    [Fact]
    public async Task A_foreign_archive_is_never_written_to_and_an_empty_folder_of_one_proves_nothing()
    {
        var archive = Write("barman", Codec.None);
        var before = Directory.GetFileSystemEntries(archive, "*", SearchOption.AllDirectories);
        var empty = _scene.MakeDirectory("empty");
        Directory.CreateDirectory(Path.Combine(empty, "wals"));
        var store = new ForeignArchive(new DirectoryObjectStore(archive));

        await store.Awaiting(s => s.DeleteAsync(Three[0].ToString(), Token)).Should().ThrowAsync<NotSupportedException>();
        await store.Awaiting(s => s.CreateAsync("x", new ObjectInfo(), Token).AsTask()).Should().ThrowAsync<NotSupportedException>();
        var unmounted = await RestoreAsync(empty, Three[0].ToString());

        Directory.GetFileSystemEntries(archive, "*", SearchOption.AllDirectories).Should().BeEquivalentTo(before);
        unmounted.ExitCode.Should().Be(255);
    }

    [Fact]
    public async Task What_pgBackRest_itself_archived_is_restored()
    {
        Assert.SkipUnless(File.Exists(BackRest), "pgbackrest is not installed.");
        // The installed one knows no newer server.
        await using var server = await PgCluster.StartAsync(new PgClusterOptions { Version = 15, InitDbArguments = ["--wal-segsize=1"] }, Token);
        await server.ExecuteAsync("CREATE TABLE t AS SELECT generate_series(1, 1000) i", Token);
        var ended = await server.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())", Token);
        var original = await File.ReadAllBytesAsync(Path.Combine(server.DataDirectory, "pg_wal", ended), Token);
        using var temporary = new TemporaryDirectory(forServer: true);
        var root = temporary.Path;
        var configuration = Path.Combine(root, "pgbackrest.conf");
        await File.WriteAllTextAsync(
            configuration,
            $"[global]\nrepo1-path={root}/repo\nlock-path={root}/lock\nlog-path={root}\nspool-path={root}/spool\nlog-level-file=off\ncompress-type=zst\n[main]\npg1-path={server.DataDirectory}\n", Token);
        Task<ProgramResult> Run(params string[] words) => ServerProgram.RunAsync(BackRest, [$"--config={configuration}", "--stanza=main", .. words], null, Token);
        ServerAccount.Own(root);
        var created = await Run("--no-online", "stanza-create");
        var pushed = await Run("archive-push", Path.Combine(server.DataDirectory, "pg_wal", ended));
        (created.ExitCode, pushed.ExitCode).Should().Be((0, 0), "{0}{1}{2}{3}", created.Output, created.Error, pushed.Output, pushed.Error);

        var restored = await RestoreAsync(Path.Combine(root, "repo", "archive", "main"), ended, server.DataDirectory);

        restored.ExitCode.Should().Be(0, restored.Error);
        File.ReadAllBytes(Target(ended)).AsSpan().SequenceEqual(original).Should().BeTrue();
    }

    private Task<ProgramResult> RestoreAsync(string archive, string name, string? dataDirectory = null) =>
        WalProgram.RunAsync("restore", "--data-dir", dataDirectory ?? _scene.DataDirectory, "--timeout", "0", "--source", archive, name, Target(name));

    private string Target(string name) => Path.Combine(_scene.Root, "target-" + name);

    /// <summary>Remembers what was opened.</summary>
    private sealed class Counted(IObjectStore inner) : IObjectStore
    {
        public List<string> Opened { get; } = [];

        public string Id => inner.Id;

        public Task<string> IdentifyAsync(CancellationToken cancellationToken = default) => inner.IdentifyAsync(cancellationToken);

        public ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default) => inner.CreateAsync(key, info, cancellationToken);

        public Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default)
        {
            Opened.Add(key);
            return inner.OpenReadAsync(key, cancellationToken);
        }

        public Task<ObjectEntry?> StatAsync(string key, CancellationToken cancellationToken = default) => inner.StatAsync(key, cancellationToken);

        public IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, CancellationToken cancellationToken = default) => inner.ListAsync(prefix, cancellationToken);

        public Task EnsureDurableAsync(string key, CancellationToken cancellationToken = default) => inner.EnsureDurableAsync(key, cancellationToken);

        public Task DeleteAsync(string key, CancellationToken cancellationToken = default) => inner.DeleteAsync(key, cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    /// <summary>Three segments and a history as the tool lays them out, and where an owner is named what says whose they are.</summary>
    private string Write(string tool, Codec codec, ulong? owner = null)
    {
        var archive = _scene.MakeDirectory($"{tool}{owner}");
        foreach (var name in Three)
        {
            var raw = _scene.Original(name);
#pragma warning disable CA5350 // What that tool writes.
            var sha1 = Convert.ToHexStringLower(System.Security.Cryptography.SHA1.HashData(raw));
#pragma warning restore CA5350
            Put(tool switch
            {
                "pgbackrest" => $"15-1/{name.ToString()[..16]}/{name}-{sha1}{codec.Extension}",
                "wal-g" => $"wal_005/{name}{codec.Extension}",
                _ => $"wals/{name.ToString()[..16]}/{name}",
            }, Encode(raw, codec));
        }

        var history = System.Text.Encoding.UTF8.GetBytes($"1\t{_scene.Segments[4].StartLsn(WalSegmentSize.FromBytes(1 << 20))}\tno recovery target specified\n");
        if (tool == "pgbackrest")
            Put("archive.info", System.Text.Encoding.UTF8.GetBytes($"[backrest]\nbackrest-format=5\n\n[db]\ndb-id=1\ndb-system-id={owner ?? _scene.SystemIdentifier}\ndb-version=\"15\"\n\n[db:history]\n1={{\"db-id\":1,\"db-version\":\"15\"}}\n"));
        // write_identity_file of Barman (server.py), BackupSentinelDto of WAL-G.
        if (owner is not null && tool == "barman")
            Put("identity.json", System.Text.Encoding.UTF8.GetBytes($"{{\"systemid\": \"{owner}\", \"version\": \"15\"}}"));
        if (owner is not null && tool == "wal-g")
            Put("basebackups_005/base_000000010000000000000002_backup_stop_sentinel.json", System.Text.Encoding.UTF8.GetBytes($"{{\"PgVersion\":150018,\"SystemIdentifier\":{owner}}}"));
        Put(tool switch { "pgbackrest" => "15-1/00000002.history", "wal-g" => $"wal_005/00000002.history{codec.Extension}", _ => "wals/00000002.history" }, tool == "wal-g" ? Encode(history, codec) : history);
        return archive;

        void Put(string path, byte[] content)
        {
            var full = Path.Combine(archive, path);
            Directory.CreateDirectory(Path.GetDirectoryName(full)!);
            File.WriteAllBytes(full, content);
        }
    }

    private static byte[] Encode(byte[] raw, Codec codec)
    {
        using var target = new MemoryStream();
        using (var encoder = codec.Compress(target))
            encoder.Write(raw);
        return target.ToArray();
    }
}
