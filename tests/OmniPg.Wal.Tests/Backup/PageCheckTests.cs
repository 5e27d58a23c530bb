using OmniPg.Testing;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>Pages compared with their checksums while a backup reads them; the server of the scene has data checksums.</summary>
[Collection(nameof(BackupCollection))]
public sealed class PageCheckTests(BackupScene scene)
{
    private const int PageBytes = 8192;
    private const uint FileBlocks = 131072;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_checksum_of_each_page_is_the_one_that_the_server_has_written()
    {
        await using var table = await TableAsync("pages_whole");
        var bytes = await File.ReadAllBytesAsync(table.Path, Token);

        var store = await scene.NewStoreAsync();
        var made = await scene.BackupTo(store).RunAsync(cancellationToken: Token);

        var written = 0;
        for (var block = 0; block < bytes.Length / PageBytes; block++)
        {
            var page = bytes.AsSpan(block * PageBytes, PageBytes);
            // From PostgreSQL 16 on a table grows by more blocks than one, and those of which nothing was written are zeros (RelationAddBlocks in hio.c).
            if (page.IndexOfAnyExcept((byte)0) < 0)
                continue;
            written++;
            PageChecksum.Of(page, (uint)block).Should().Be(PageChecksum.In(page)).And.NotBe(PageChecksum.Of(page, (uint)block + 1));
        }

        written.Should().BeGreaterThan(20);
        made.DamagedPages.Should().NotBeNull().And.BeEmpty();
        made.Backup.DamagedPages.Should().BeNull();
    }

    [Fact]
    public async Task A_damaged_page_is_told_and_the_backup_is_made()
    {
        await using var table = await TableAsync("pages_damaged");
        table.Flip((7 * PageBytes) + 5000);
        table.Flip((9 * PageBytes) + 20);
        var store = await scene.NewStoreAsync();

        var made = await scene.BackupTo(store).RunAsync(cancellationToken: Token);
        var unseen = await scene.BackupTo(await scene.NewStoreAsync(), options: new BaseBackupOptions { VerifyPages = false }).RunAsync(cancellationToken: Token);

        made.DamagedPages!.Select(p => (p.Path, p.Block)).Should().Equal((table.Name, 7), (table.Name, 9));
        made.DamagedPages!.Should().OnlyContain(p => p.Stored != p.Computed);
        (unseen.DamagedPages, unseen.Backup.DamagedPages).Should().Be((null, null));
        (await new BackupCatalog(store).ListAsync(Token)).Select(b => (b.Problem, b.DamagedPages)).Should().Equal((null, 2));
    }

    [Fact]
    public async Task The_program_ends_with_1_when_a_page_is_damaged_and_says_so_in_the_list()
    {
        await using var table = await TableAsync("pages_program");
        table.Flip((3 * PageBytes) + 8000);
        var store = await scene.NewStoreAsync();
        string[] words = ["backup", "--connection", scene.Server.ConnectionString, "--data-dir", scene.Server.DataDirectory, "--archive", scene.Archive, "--dst-local", store.Root];

        var made = await WalProgram.RunAsync(words);
        var listed = await WalProgram.RunAsync("backups", "--source", store.Root, "--json");

        made.ExitCode.Should().Be(1, "{0}", made.Error);
        made.Output.Should().Contain(", 1 DAMAGED PAGES");
        made.Error.Should().Contain($"Block 3 of {table.Name} is damaged on the server");
        System.Text.Json.JsonDocument.Parse(listed.Output).RootElement.GetProperty("backups")[0].GetProperty("damagedPages").GetInt32().Should().Be(1);
    }

    [Fact]
    public async Task A_page_that_the_server_was_writing_is_read_again_and_one_that_is_newer_than_the_backup_is_left_to_the_WAL()
    {
        await using var table = await TableAsync("pages_torn");
        var whole = (await File.ReadAllBytesAsync(table.Path, Token))[..(12 * PageBytes)];
        var torn = whole.ToArray();
        torn.AsSpan((11 * PageBytes) + 4096, 4096).Clear();
        using var file = File.OpenHandle(table.Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var damaged = new TemporaryFile(torn);

        Damage(file, torn, ulong.MaxValue).Should().BeEmpty();
        Damage(damaged.Handle, torn, ulong.MaxValue).Should().Equal(11u);
        Damage(damaged.Handle, torn, start: 0).Should().BeEmpty();
        // The second file of a relation, of which an increment holds blocks 3 and 11.
        Damage(damaged.Handle, [.. new byte[PageBytes], .. torn[(3 * PageBytes)..(4 * PageBytes)], .. torn[(11 * PageBytes)..]], ulong.MaxValue, "base/5/77.1", new FileIncrement([3, 11], 12)).Should().Equal(FileBlocks + 3, FileBlocks + 11);
        Damage(damaged.Handle, torn, ulong.MaxValue, "base/5/pg_filenode.map").Should().BeEmpty();
    }

    [Theory]
    [InlineData("base/5/16384.20261130120000")]
    [InlineData("base/5/16384.20261130")]
    [InlineData("base/5/16384.32768")]
    [InlineData("base/99999999999/77")]
    [InlineData("base/5/077")]
    [InlineData("PG_15_202209061/5/77")]
    [InlineData("own/base/5/77")]
    public async Task A_name_that_no_relation_has_is_somebody_elses_file(string path)
    {
        await using var table = await TableAsync("pages_named");
        var torn = (await File.ReadAllBytesAsync(table.Path, Token))[..(12 * PageBytes)];
        torn.AsSpan((11 * PageBytes) + 4096, 4096).Clear();
        using var damaged = new TemporaryFile(torn);

        Damage(damaged.Handle, torn, ulong.MaxValue, path).Should().BeEmpty();
        Damage(damaged.Handle, torn, ulong.MaxValue, "pg_tblspc/16400/PG_15_202209061/5/77_vm.32766").Should().HaveCount(12);
    }

    [Fact]
    public void A_page_without_a_header_that_is_not_all_zeros_is_damaged()
    {
        var pages = new byte[3 * PageBytes];
        pages[PageBytes + 5000] = 1;
        using var file = new TemporaryFile(pages);

        Damage(file.Handle, pages, ulong.MaxValue).Should().Equal(1u);
    }

    [Fact]
    public async Task A_page_that_lies_behind_the_end_of_the_WAL_is_damaged()
    {
        await using var table = await TableAsync("pages_ahead");
        var pages = (await File.ReadAllBytesAsync(table.Path, Token))[..(6 * PageBytes)];
        // The first byte of the position's upper half; and a torn page.
        pages[(2 * PageBytes) + 3] ^= 0x40;
        pages.AsSpan((4 * PageBytes) + 4096, 4096).Clear();
        using var file = new TemporaryFile(pages);
        var stop = PageChecksum.LsnOf(pages.AsSpan(4 * PageBytes, PageBytes));
        var check = new PageCheck(FileBlocks) { Start = 1 };

        check.Begin("base/5/77", null);
        check.Append(file.Handle, pages);
        check.Damaged.Should().BeEmpty();
        check.End(stop);

        check.Damaged.Select(p => p.Block).Should().Equal(2u);
    }

    [Fact]
    public void Of_millions_the_first_ones_are_kept_and_all_are_counted()
    {
        var garbage = new byte[1005 * PageBytes];
        garbage.AsSpan().Fill(0x5A);
        using var file = new TemporaryFile(garbage);
        var told = 0;
        var check = new PageCheck(FileBlocks, _ => told++) { Start = ulong.MaxValue };
        foreach (var path in (string[])["base/5/77", "base/5/78"])
        {
            check.Begin(path, null);
            check.Append(file.Handle, garbage);
        }

        (check.Count, check.Damaged.Count, check.FileCount, told).Should().Be((2010, 1000, 2, 2010));
        check.Files.Should().Equal(new DamagedFile("base/5/77", 1005), new DamagedFile("base/5/78", 1005));
    }

    [Fact]
    public async Task Damage_in_a_tablespace_and_in_an_index_is_found_and_the_program_tells_what_it_does_not_name()
    {
        await using var table = await TableAsync("pages_many", "TABLESPACE other");
        await scene.Server.ExecuteAsync("CREATE INDEX pages_many_key ON pages_many (i)", Token);
        await scene.Server.ExecuteAsync("CHECKPOINT", Token);
        await using var index = await Table.OfAsync(scene, "pages_many_key", "INDEX");
        for (var block = 1; block <= 25; block++)
            table.Flip((block * PageBytes) + 5000);
        index.Flip((2 * PageBytes) + 5000);
        var store = await scene.NewStoreAsync();

        var made = await WalProgram.RunAsync("backup", "--connection", scene.Server.ConnectionString, "--data-dir", scene.Server.DataDirectory, "--archive", scene.Archive, "--dst-local", store.Root, "--json");

        made.ExitCode.Should().Be(1, "{0}", made.Error);
        var backup = System.Text.Json.JsonDocument.Parse(made.Output).RootElement;
        (backup.GetProperty("damagedPages").GetInt32(), backup.GetProperty("damagedFileCount").GetInt32()).Should().Be((26, 2));
        backup.GetProperty("damagedFiles").EnumerateArray().Select(f => (f.GetProperty("file").GetString(), f.GetProperty("pages").GetInt32())).Should().Equal((table.Name, 25), (index.Name, 1));
        table.Name.Should().StartWith("pg_tblspc/");
        made.Error.Split('\n').Count(l => l.Contains("is damaged on the server", StringComparison.Ordinal)).Should().Be(20);
        made.Error.Should().Contain("26 damaged pages were found on the server, in 2 files; the first 20 were told one by one.");
    }

    [Fact]
    public async Task Of_a_cluster_without_checksums_no_page_is_looked_at()
    {
        await using var plain = await PgCluster.StartAsync(new PgClusterOptions { InitDbArguments = scene.Server.MajorVersion < 18 ? [] : ["--no-data-checksums"] }, Token);
        var control = await PgControlFile.ReadAsync(plain.DataDirectory, cancellationToken: Token);
        var store = new DirectoryObjectStore(Directory.CreateDirectory(scene.Fresh("plain")).FullName);
        await new WalArchiveMarker { SystemIdentifier = control.SystemIdentifier, PgVersion = plain.MajorVersion, WalSegmentSize = control.SegmentSize }.WriteAsync(store, Token);

        var made = await new BaseBackup(plain.DataSource, store).RunAsync(cancellationToken: Token);

        (made.DamagedPages, made.DamagedFiles, made.DamagedPageCount, made.Backup.DamagedPages).Should().Be((null, null, 0, null));
    }

    private static IEnumerable<uint> Damage(Microsoft.Win32.SafeHandles.SafeFileHandle file, byte[] bytes, ulong start, string path = "base/5/77", FileIncrement? increment = null)
    {
        var check = new PageCheck(FileBlocks) { Start = start };
        check.Begin(path, increment);
        // In pieces that end anywhere, as a tar file is filled.
        for (var at = 0; at < bytes.Length; at += 5000)
            check.Append(file, bytes.AsSpan(at, Math.Min(5000, bytes.Length - at)));
        return check.Damaged.Select(p => p.Block);
    }

    private async Task<Table> TableAsync(string name, string place = "")
    {
        await scene.Server.ExecuteAsync($"CREATE TABLE {name} {place} AS SELECT i, md5(i::text) AS t FROM generate_series(1, 5000) i", Token);
        await scene.Server.ExecuteAsync("CHECKPOINT", Token);
        return await Table.OfAsync(scene, name, "TABLE");
    }

    internal sealed class Table(BackupScene scene, string kind, string table, string name) : IAsyncDisposable
    {
        public static async Task<Table> OfAsync(BackupScene scene, string name, string kind) =>
            new(scene, kind, name, await scene.Server.ScalarAsync<string>($"SELECT pg_relation_filepath('{name}')", Token));

        public string Name => name;

        public string Path { get; } = System.IO.Path.Combine(scene.Server.DataDirectory, name);

        public void Flip(long position)
        {
            using var file = new FileStream(Path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            file.Position = position;
            var value = file.ReadByte();
            file.Position = position;
            file.WriteByte((byte)(value ^ 0x40));
        }

        // Nobody reads its pages again.
        public async ValueTask DisposeAsync() => await scene.Server.ExecuteAsync($"DROP {kind} {table}", CancellationToken.None);
    }

    private sealed class TemporaryFile : IDisposable
    {
        private readonly string _path = System.IO.Path.GetTempFileName();

        public TemporaryFile(byte[] bytes)
        {
            File.WriteAllBytes(_path, bytes);
            Handle = File.OpenHandle(_path);
        }

        public Microsoft.Win32.SafeHandles.SafeFileHandle Handle { get; }

        public void Dispose()
        {
            Handle.Dispose();
            File.Delete(_path);
        }
    }
}
