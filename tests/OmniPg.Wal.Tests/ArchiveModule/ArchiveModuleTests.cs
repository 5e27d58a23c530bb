using System.Globalization;
using System.Net.Sockets;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.ArchiveModule;

/// <summary>omnipg_archive.so inside servers, beside real resident processes.</summary>
public sealed class ArchiveModuleTests(ModuleServer server) : IClassFixture<ModuleServer>
{
    private const string DefaultServer = "";

    public static TheoryData<string> Folders => [.. PgInstallations.FromEnvironment().Select(i => i.BinDirectory).Prepend(DefaultServer)];

    private static CancellationToken Token => ModuleServer.Token;

    [Theory]
    [MemberData(nameof(Folders))]
    public async Task A_server_archives_every_segment_through_the_module(string folder)
    {
        await using var other = new ModuleServer { Installation = PgInstallations.FromEnvironment().FirstOrDefault(i => i.BinDirectory == folder) };
        if (folder != DefaultServer)
            await other.InitializeAsync();
        var one = folder == DefaultServer ? server : other;
        await using var resident = await one.StartResidentAsync();
        await one.ConfigureAsync(one.Socket);
        var failures = await one.FailuresAsync();

        await one.Cluster.ExecuteAsync("CREATE TABLE load AS SELECT i, md5(i::text) AS t FROM generate_series(1, 40000) i", Token);
        await one.Cluster.ExecuteAsync("DROP TABLE load", Token);
        var last = await one.EndSegmentAsync();
        await one.ArchivedAsync(last);

        (await one.FailuresAsync()).Should().Be(failures, one.Cluster.ReadLog());
        one.Cluster.ReadLog().Should().NotContain("invalid value for parameter").And.NotContain("omnipg_archive failed");
        var wal = Path.Combine(one.Cluster.DataDirectory, "pg_wal");
        var archived = Directory.GetFiles(Path.Combine(wal, "archive_status"), "*.done").Select(f => Path.GetFileNameWithoutExtension(f)).ToList();
        archived.Should().HaveCountGreaterThan(3).And.Contain(last);
        foreach (var name in archived)
            (await UnpackedAsync(Path.Combine(one.Archive, name + ".zst"))).Should().Equal(await File.ReadAllBytesAsync(Path.Combine(wal, name), Token), name);
        await HasOneDeafThreadBesideItsOwnAsync(one);
    }

    [Fact]
    public async Task Nobody_listening_is_a_failed_try_with_a_reason_and_the_same_archiver_recovers()
    {
        await server.ConfigureAsync(server.Socket);
        var archiver = await server.ArchiverAsync();
        var (failures, mark) = (await server.FailuresAsync(), server.Cluster.ReadLog().Length);

        var segment = await server.EndSegmentAsync();
        await server.LoggedAsync($"The file '{segment}' is not archived: nobody answers on '{server.Socket}'.", mark);
        await Eventually.TrueAsync(async () => await server.FailuresAsync() > failures, "the server counts the failure", cancellationToken: Token);
        await using (await server.StartResidentAsync())
            await server.ArchivedAsync(segment);

        // Restarted while the server runs.
        await using var again = await server.StartResidentAsync();
        await server.ArchivedAsync(await server.EndSegmentAsync());
        (await server.ArchiverAsync()).Should().Be(archiver);
        server.Cluster.ReadLog()[mark..].Should().Contain("Start 'omnipg-wal resident' with that --socket");
    }

    [Fact]
    public async Task A_socket_of_another_account_is_told_as_such()
    {
        Assert.SkipWhen(ServerAccount.Name is null, "Needs root, to listen under another account than the server.");
        var socket = Path.Combine(server.Root, "root");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(socket));
        listener.Listen();
#pragma warning disable CA1416 // Skipped on Windows.
        File.SetUnixFileMode(socket, UnixFileMode.UserRead | UnixFileMode.UserWrite);
#pragma warning restore CA1416
        var mark = server.Cluster.ReadLog().Length;
        await server.ConfigureAsync(socket);

        var segment = await server.EndSegmentAsync();
        await server.LoggedAsync($"The file '{segment}' is not archived: the server's account has no right to ask on '{socket}'.", mark);

        await using var resident = await server.StartResidentAsync();
        await server.ConfigureAsync(server.Socket);
        await server.ArchivedAsync(segment);
    }

    [Fact]
    public async Task A_resident_process_killed_before_it_answers_has_archived_nothing_as_far_as_the_server_knows()
    {
        await server.ConfigureAsync(server.Socket);
        await using var hung = await server.StartResidentAsync();
        await server.ArchivedAsync(await server.EndSegmentAsync());
        await hung.HangAsync();
        var mark = server.Cluster.ReadLog().Length;

        var segment = await server.EndSegmentAsync();
        await Eventually.TrueAsync(() => Asks(server.Socket), "the server asks", cancellationToken: Token);
        hung.Kill();
        await server.LoggedAsync($"The file '{segment}' is not archived: nobody answers", mark);

        File.Exists(Path.Combine(server.Cluster.DataDirectory, "pg_wal", "archive_status", segment + ".ready")).Should().BeTrue();
        await using var next = await server.StartResidentAsync();
        await server.ArchivedAsync(segment);
    }

    [Fact]
    public async Task Neither_a_refusal_nor_a_spool_that_cannot_be_written_loses_a_segment()
    {
        await using var resident = await server.StartResidentAsync();
        await server.ConfigureAsync(server.Socket);
        await server.ArchivedAsync(await server.EndSegmentAsync());
        // A file in the place of the directory: root may write into any directory.
        Directory.Delete(Path.Combine(server.Spool, "push"), recursive: true);
        await File.WriteAllTextAsync(Path.Combine(server.Spool, "push"), "", Token);
        var second = await server.EndSegmentAsync();
        await server.ArchivedAsync(second);
        File.Exists(Path.Combine(server.Archive, second + ".zst")).Should().BeTrue();
        File.Delete(Path.Combine(server.Spool, "push"));

        var mark = server.Cluster.ReadLog().Length;
        var third = (await server.Cluster.ScalarAsync<string>("SELECT pg_walfile_name(pg_current_wal_insert_lsn())", Token));
        var taken = Path.Combine(server.Archive, third + ".zst");
        await File.WriteAllTextAsync(taken, "something else", Token);
        (await server.EndSegmentAsync()).Should().Be(third);
        await server.LoggedAsync($"The file '{third}' is not archived: ", mark);
        await server.LoggedAsync("The log of 'omnipg-wal resident' tells more of wal.archive.conflict", mark);
        (await File.ReadAllTextAsync(taken, Token)).Should().Be("something else");
        File.Delete(taken);
        var last = await server.EndSegmentAsync();
        await server.ArchivedAsync(third);
        await server.ArchivedAsync(last);
    }

    [Fact]
    public async Task A_fast_stop_does_not_wait_for_a_resident_process_that_hangs()
    {
        await server.ConfigureAsync(server.Socket, "omnipg_archive.shutdown_timeout = 1s");
        await using var resident = await server.StartResidentAsync();
        await server.ArchivedAsync(await server.EndSegmentAsync());
        await resident.HangAsync();
        var mark = server.Cluster.ReadLog().Length;
        var segment = await server.EndSegmentAsync();
        await Eventually.TrueAsync(() => Asks(server.Socket), "the server asks", cancellationToken: Token);

        // pg_ctl waits 60 s, omnipg_archive.timeout is 600 s: a server that waited for the answer would not end here.
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(TimeSpan.FromSeconds(60));
        await server.Cluster.StopAsync(PgShutdown.Fast, patience.Token);

        server.Cluster.ReadLog()[mark..].Should().Contain($"The file '{segment}' is not archived: the server is being stopped, and there was no answer on '{server.Socket}'")
            .And.Contain("database system is shut down").And.NotContain("was terminated by signal");
        resident.GoOn();
        await server.Cluster.StartAgainAsync(null, Token);
        await server.ArchivedAsync(segment);
    }

    [Fact]
    public async Task An_immediate_stop_and_the_death_of_the_postmaster_end_the_archiver_in_the_middle_of_a_question()
    {
        await server.ConfigureAsync(server.Socket);
        await using var resident = await server.StartResidentAsync();
        await server.ArchivedAsync(await server.EndSegmentAsync());
        foreach (var kill in (bool[])[false, true])
        {
            await resident.HangAsync();
            var segment = await server.EndSegmentAsync();
            await Eventually.TrueAsync(() => Asks(server.Socket), "the server asks", cancellationToken: Token);
            var processes = ProcessTree.ChildrenOf(server.Cluster.ProcessId);
            processes.Should().Contain(await server.ArchiverAsync());
            if (kill)
            {
                ServerAccount.Signal(server.Cluster.ProcessId, 9);
                await server.Cluster.WaitForExitAsync(Token);
            }
            else
            {
                await server.Cluster.StopAsync(PgShutdown.Immediate, Token);
            }

            // What has ended has no working directory, even where nobody waits for orphans. The others hold up the next start as well.
            await Eventually.TrueAsync(() => !processes.Any(p => Directory.Exists($"/proc/{p}/cwd")), "the archiver and all others are gone", cancellationToken: Token);
            resident.GoOn();
            await server.Cluster.StartAgainAsync(null, Token);
            await server.ArchivedAsync(segment);
            await server.ArchivedAsync(await server.EndSegmentAsync());
        }
    }

    [Fact]
    public async Task A_reload_changes_socket_and_patience_and_an_empty_or_impossible_socket_archives_nothing()
    {
        await using var resident = await server.StartResidentAsync();
        var mark = server.Cluster.ReadLog().Length;
        await server.ConfigureAsync("");
        // The first of them may be archived before the archiver has read the file.
        await Eventually.TrueAsync(
            async () =>
            {
                await server.EndSegmentAsync();
                return server.Cluster.ReadLog()[mark..].Contains("yet archiving is not configured", StringComparison.Ordinal);
            },
            "archiving is not configured",
            cancellationToken: Token);

        await server.ConfigureAsync("/" + new string('s', 200));
        await server.LoggedAsync("cannot be a socket.", mark);

        using var deaf = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        var other = Path.Combine(server.Root, "it's deaf");
        deaf.Bind(new UnixDomainSocketEndPoint(other));
#pragma warning disable CA1416 // Runs where the module does, on Linux.
        File.SetUnixFileMode(other, (UnixFileMode)0b110_110_110);
#pragma warning restore CA1416
        // Full: the kernel lets one more in than was asked for, and the next would wait for ever.
        deaf.Listen(1);
        using var first = Connected(other);
        using var second = Connected(other);
        await server.ConfigureAsync(other, "omnipg_archive.timeout = 1s");
        await server.LoggedAsync($"is not archived: there was no answer on '{other}' for 1.", mark);

        await server.ConfigureAsync(server.Socket, "omnipg_archive.timeout = 600s");
        await server.ArchivedAsync(await server.EndSegmentAsync());
        server.Cluster.ReadLog()[mark..].Should().NotContain("omnipg_archive failed");
    }

    [Fact]
    public async Task A_standby_with_archive_mode_always_sends_the_same_segments_and_its_history_when_it_is_promoted()
    {
        await using var resident = await server.StartResidentAsync();
        await server.ConfigureAsync(server.Socket);
        var data = Path.Combine(server.Root, "standby");
        (await server.Cluster.RunProgramAsync(
            "pg_basebackup", "-h", "127.0.0.1", "-p", server.Cluster.Port.ToString(CultureInfo.InvariantCulture), "-U", "postgres", "-D", data, "-c", "fast", "-R", "--no-sync")).MustSucceed();
        var (archive, socket) = (Path.Combine(server.Root, "standby-archive"), Path.Combine(server.Root, "t"));
        await File.AppendAllTextAsync(Path.Combine(data, "postgresql.conf"), $"omnipg_archive.socket = '{socket}'\n", Token);
        await using var other = await ServerResident.StartAsync(server.Program, data, archive, Path.Combine(server.Root, "standby-spool"), socket);
        await using var standby = await server.StartAsync(data, "always");

        var segment = await server.EndSegmentAsync();
        await server.ArchivedAsync(segment);
        await ModuleServer.ArchivedAsync(standby, segment);
        await standby.ExecuteAsync("SELECT pg_promote()", Token);
        await ModuleServer.ArchivedAsync(standby, "00000002.history");
        await ModuleServer.ArchivedAsync(standby, await ModuleServer.EndSegmentAsync(standby));

        (await UnpackedAsync(Path.Combine(archive, segment + ".zst"))).Should().Equal(await UnpackedAsync(Path.Combine(server.Archive, segment + ".zst")));
        (await standby.ScalarAsync<long>("SELECT failed_count FROM pg_stat_archiver", Token)).Should().Be(0, standby.ReadLog());
    }

    [Fact]
    public async Task The_module_is_replaced_by_a_rename_under_a_running_server_and_the_next_start_loads_the_new_one()
    {
        await using var resident = await server.StartResidentAsync();
        await server.ConfigureAsync(server.Socket);
        await server.ArchivedAsync(await server.EndSegmentAsync());
        var module = await server.Cluster.ScalarAsync<string>("SELECT current_setting('archive_library')", Token);
        var (old, archiver) = (FileIn(await server.ArchiverAsync(), module), await server.ArchiverAsync());
        var failures = await server.FailuresAsync();
        File.Copy(module, module + ".new");
        ServerAccount.Own(module + ".new");

        File.Move(module + ".new", module, overwrite: true);
        await server.ArchivedAsync(await server.EndSegmentAsync());
        var meanwhile = await server.ArchiverAsync();
        await server.Cluster.RestartAsync(Token);
        await server.ArchivedAsync(await server.EndSegmentAsync());

        meanwhile.Should().Be(archiver);
        old.Should().NotContain("(deleted)");
        FileIn(await server.ArchiverAsync(), module).Should().NotContain("(deleted)").And.NotBe(old, "it is another file");
        (await server.FailuresAsync()).Should().Be(failures, server.Cluster.ReadLog());
    }

    // The line of its mapping without the addresses: device, inode and path (proc(5)).
    private static string FileIn(int process, string module) =>
        File.ReadLines($"/proc/{process}/maps").Where(line => line.Contains(Path.GetFileName(module), StringComparison.Ordinal)).Select(line => line[line.IndexOf(' ', line.IndexOf("p ", StringComparison.Ordinal) + 2)..]).First();

    [Fact]
    public async Task It_loads_in_the_archiver_alone()
    {
        var module = await server.Cluster.ScalarAsync<string>("SELECT current_setting('archive_library')", Token);
        var session = await server.Cluster.RunProgramAsync(
            "psql", "-X", "-h", "127.0.0.1", "-p", server.Cluster.Port.ToString(CultureInfo.InvariantCulture), "-U", "postgres", "-d", "postgres", "-At", "-c", $"LOAD '{module}'", "-c", "SELECT 'alive'");
        var preloaded = () => server.StartAsync(null, "on", ("shared_preload_libraries", module));

        session.Error.Should().Contain("WARNING:  omnipg_archive works in the server's archiver alone.").And.Contain($"incompatible library \"{module}\"");
        session.Output.Trim().Should().Be("alive");
        (await preloaded.Should().ThrowAsync<InvalidOperationException>()).Which.Message.Should()
            .Contain("omnipg_archive works in the server's archiver alone.").And.Contain("Name it in archive_library").And.Contain("FATAL:  incompatible library");
    }

    private static Socket Connected(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return socket;
    }

    // Whether a question waits behind that socket: somebody else is connected to it.
    private static bool Asks(string socket) => File.ReadLines("/proc/net/unix").Count(line => line.EndsWith(' ' + socket, StringComparison.Ordinal)) > 1;

    private static async Task HasOneDeafThreadBesideItsOwnAsync(ModuleServer server)
    {
        // HUP INT QUIT USR1 USR2 TERM CHLD, as bits of SigBlk (proc(5)).
        const ulong Handled = 1 | 2 | 4 | (1 << 9) | (1 << 11) | (1 << 14) | (1 << 16);
        var archiver = await server.ArchiverAsync();
        var blocked = Directory.GetDirectories($"/proc/{archiver}/task").ToDictionary(
            task => int.Parse(Path.GetFileName(task), CultureInfo.InvariantCulture),
            task => ulong.Parse(File.ReadLines(Path.Combine(task, "status")).Single(l => l.StartsWith("SigBlk:", StringComparison.Ordinal))[7..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture));

        blocked.Should().HaveCount(2, "only the runtime's finalizer is there beside the server's own thread");
        blocked.Where(t => t.Key != archiver).Should().OnlyContain(t => (t.Value & Handled) == Handled);
        (blocked[archiver] & Handled).Should().Be(0);
    }

    private static async Task<byte[]> UnpackedAsync(string path)
    {
        using var content = new MemoryStream();
        await using var unpacked = Codec.Zstd.Decompress(File.OpenRead(path));
        await unpacked.CopyToAsync(content, Token);
        return content.ToArray();
    }
}
