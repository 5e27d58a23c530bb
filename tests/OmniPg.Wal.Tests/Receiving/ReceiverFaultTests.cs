using System.Diagnostics;
using Npgsql;
using NpgsqlTypes;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Receiving;

/// <summary>A server of its own, which is restarted and left without its receiver.</summary>
public sealed class ReceiverFaultTests : IAsyncLifetime
{
    private readonly TemporaryDirectory _root = new();
    private PgCluster _server = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Connection => _server.GetConnectionString(user: "receiver");

    public async ValueTask InitializeAsync()
    {
        _server = await ReceiveScene.StartServerAsync(("max_slot_wal_keep_size", "8MB"));
        await _server.ExecuteAsync("CREATE TABLE load (id serial PRIMARY KEY, filler text)", Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _root.Dispose();
    }

    [Fact]
    public async Task Receiving_goes_on_after_the_server_was_stopped_and_after_it_was_killed()
    {
        await using var running = await RunningReceiver.StartAsync(_server, Connection, Options());
        await ReceiveScene.LoadAsync(_server);
        await _server.RestartAsync(Token);
        await ReceiveScene.LoadAsync(_server);
        await running.CaughtUpAsync();
        _server.KillHard();
        await running.UntilAsync(() => running.Receiver.Status.LastError is not null, "it notices");
        await _server.StartAgainAsync(null, Token);
        await ReceiveScene.LoadAsync(_server);

        var last = await running.SwitchAsync();

        RequireEqual(running.Into, last);
    }

    [Fact]
    public async Task A_commit_that_waits_for_the_receiver_is_answered_while_no_timer_fires()
    {
        var options = Options();
        (options.Synchronous, options.FlushInterval) = (true, TimeSpan.FromHours(1));
        await _server.ExecuteAsync($"ALTER SYSTEM SET synchronous_standby_names = '{options.Slot}'", Token);
        // Whether commits wait is decided by the checkpointer (UpdateSharedMemoryConfig), some time after a reload; from a start on they do.
        await _server.RestartAsync(Token);
        await using var running = await RunningReceiver.StartAsync(_server, Connection, options, new WaitableTimeProvider());
        await Eventually.TrueAsync(() => _server.ScalarAsync<bool>("SELECT sync_state = 'sync' FROM pg_stat_replication", Token), "commits wait", TimeSpan.FromSeconds(30), Token);
        await using var session = await _server.DataSource.OpenConnectionAsync(Token);
        await AnswerAsync("SET synchronous_commit = on");

        for (var row = 0; row < 20; row++)
        {
            var inserted = NpgsqlLogSequenceNumber.Parse((string)(await AnswerAsync("INSERT INTO load (filler) VALUES ('waited for') RETURNING pg_current_wal_insert_lsn()::text"))!);
            running.Receiver.Status.Flushed.Should().BeGreaterThan(inserted, "the record of the commit lies behind");
        }

        await _server.ExecuteAsync("ALTER SYSTEM RESET synchronous_standby_names", Token);
        await _server.ExecuteAsync("SELECT pg_reload_conf()", Token);

        async Task<object?> AnswerAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, session);
            return await command.ExecuteScalarAsync(Token);
        }
    }

    [Fact]
    public async Task A_full_disk_stops_nothing_for_good_and_confirms_nothing()
    {
        using var disk = TmpfsMount.TryCreate(5 << 20);
        Assert.SkipUnless(disk is not null, "needs the right to mount");
        var options = Options();
        options.Directory = disk.Path;
        await using var running = await RunningReceiver.StartAsync(_server, Connection, options);

        await ReceiveScene.LoadAsync(_server, 6);
        await running.UntilAsync(() => running.Receiver.Status.LastError is WalDestinationException, "the disk is full");
        var full = running.Receiver.Status;
        var kept = Directory.CreateDirectory(_root.Combine("kept")).FullName;
        foreach (var name in running.Segments.SkipLast(1).ToArray())
        {
            File.Copy(Path.Combine(disk.Path, name), Path.Combine(kept, name));
            File.Delete(Path.Combine(disk.Path, name));
        }

        var last = await running.SwitchAsync();

        full.Flushed.Should().BeLessThan(full.ServerEnd);
        running.Task.IsCompleted.Should().BeFalse();
        foreach (var name in running.Segments)
            File.Copy(Path.Combine(disk.Path, name), Path.Combine(kept, name));
        RequireEqual(kept, last);
        await running.DisposeAsync();
    }

    [Fact]
    public async Task Wal_that_the_server_has_removed_is_a_gap()
    {
        var options = Options();
        var running = await RunningReceiver.StartAsync(_server, Connection, options);
        await ReceiveScene.LoadAsync(_server, 1);
        await running.SwitchAsync();
        await running.StopAsync();
        await _server.StopAsync(cancellationToken: Token);
        await _server.StartAgainAsync(new Dictionary<string, string> { ["wal_keep_size"] = "0" }, Token);
        await ReceiveScene.LoadAsync(_server, 40);
        await Eventually.TrueAsync(
            async () =>
            {
                await _server.ExecuteAsync("CHECKPOINT", Token);
                return await _server.ScalarAsync<bool>($"SELECT wal_status = 'lost' FROM pg_replication_slots WHERE slot_name = '{options.Slot}'", Token);
            },
            "the slot is lost", TimeSpan.FromSeconds(60), Token);

        var failure = await RunningReceiver.FailureOfAsync(new WalReceiver(Connection, options));

        failure.Should().BeOfType<WalReceiveException>().Which.Code.Should().BeOneOf("wal.receive.gap", "wal.receive.slot");
        running.Segments.Should().NotBeEmpty();
        await running.DisposeAsync();
    }

    [Fact]
    public async Task Wal_that_the_server_has_removed_comes_from_the_archive_that_its_own_archiver_fills_and_is_a_gap_only_where_that_lacks_it()
    {
        using var root = new TemporaryDirectory(null, forServer: true);
        var archive = Directory.CreateDirectory(root.Combine("archive")).FullName;
        ServerAccount.Own(archive);
        await using var server = await ReceiveScene.StartServerAsync(("archive_mode", "on"), ("wal_keep_size", "0"), ("min_wal_size", "2MB"), ("max_wal_size", "4MB"));
        await server.ExecuteAsync("CREATE TABLE load (id serial PRIMARY KEY, filler text)", Token);
        var connection = server.GetConnectionString(user: "receiver");
        var options = Options();
        (options.Destinations, options.Begin) = ([new WalDestinationOptions { Directory = archive, Codec = "none" }], true);
        var before = await RunningReceiver.StartAsync(server, connection, options);
        await server.ExecuteAsync($"ALTER SYSTEM SET archive_command = 'test -f {archive}/%f || (cp %p {archive}/.%f.cp && mv -n {archive}/.%f.cp {archive}/%f)'", Token);
        await server.ExecuteAsync("SELECT pg_reload_conf()", Token);
        await ReceiveScene.LoadAsync(server, 1);
        var last = await before.SwitchAsync();
        await before.DisposeAsync();
        await ReceiveScene.LoadAsync(server, 5);
        var newest = await server.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())", Token);
        await Eventually.TrueAsync(
            async () =>
            {
                await server.ExecuteAsync("CHECKPOINT", Token);
                return File.Exists(Path.Combine(archive, newest)) && !File.Exists(Path.Combine(server.DataDirectory, "pg_wal", newest));
            },
            "the server has removed what nobody received", TimeSpan.FromMinutes(5), Token);
        var missed = Directory.GetFiles(archive).Select(f => Path.GetFileName(f)!).Where(n => n.Length == 24 && string.CompareOrdinal(n, last) > 0).Order(StringComparer.Ordinal).ToArray();
        missed.Should().HaveCountGreaterThan(3);
        File.Move(Path.Combine(archive, missed[2]), root.Combine("away"));

        var gap = await RunningReceiver.FailureOfAsync(new WalReceiver(connection, options));
        var filled = await File.ReadAllBytesAsync(Path.Combine(options.Directory, missed[1]), Token);
        File.Move(root.Combine("away"), Path.Combine(archive, missed[2]));
        var after = await RunningReceiver.StartAsync(server, connection, options);
        await ReceiveScene.LoadAsync(server, 1);
        await after.SwitchAsync();

        gap.Should().BeOfType<WalReceiveException>().Which.Code.Should().Be("wal.receive.gap");
        gap.Message.Should().Contain($"'{WalFileName.Parse(missed[2]).StartLsn(WalSegmentSize.FromBytes(1 << 20))}'");
        var wanted = await File.ReadAllBytesAsync(Path.Combine(archive, missed[1]), Token);
        filled.AsSpan().SequenceEqual(wanted).Should().BeTrue("what is there is taken");
        var verified = await new WalRepository(new DirectoryObjectStore(archive)).VerifyAsync(cancellationToken: Token);
        (verified.Gaps.Count, verified.IsGood).Should().Be((0, true));
        await after.DisposeAsync();
    }

    [Fact]
    public async Task The_program_ends_with_the_code_of_the_signal_and_says_what_is_wrong()
    {
        var options = Options();
        string[] words = ["receive", "--connection", Connection, "--slot", options.Slot, "--into", options.Directory];

        var refused = await WalProgram.RunAsync(words);
        using var program = WalProgram.Start(null, [.. words, "--create-slot", "--synchronous"]);
        await Eventually.TrueAsync(() => Directory.GetFiles(options.Directory, "*.partial").Length == 1, "WAL flows", TimeSpan.FromSeconds(30), Token);
        Process.Start("kill", ["-TERM", program.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]).WaitForExit();
        var stopped = await WalProgram.EndAsync(program);

        (refused.ExitCode, stopped.ExitCode).Should().Be((10, 143));
        refused.Error.Should().Contain($"'{options.Slot}' does not exist").And.Contain("--create-slot");
    }

    private WalReceiverOptions Options() => new()
    {
        Slot = "faulty_" + Path.GetRandomFileName()[..6],
        CreateSlot = true,
        Directory = Directory.CreateDirectory(_root.Combine(Path.GetRandomFileName())).FullName,
        FlushInterval = TimeSpan.FromMilliseconds(50),
        LongestWait = TimeSpan.FromMilliseconds(500),
    };

    // From the first segment to the last one named, without a hole.
    private void RequireEqual(string directory, string last)
    {
        var size = WalSegmentSize.FromBytes(1 << 20);
        var names = Directory.GetFiles(directory).Select(f => Path.GetFileName(f)!).Where(static n => n.Length == 24).Order(StringComparer.Ordinal).ToArray();
        for (var name = WalFileName.Parse(names[0]); string.CompareOrdinal(name.ToString(), last) <= 0; name = name.Next(size))
            File.ReadAllBytes(Path.Combine(directory, name.ToString())).AsSpan().SequenceEqual(ReceiveScene.Original(_server, name.ToString())).Should().BeTrue(name.ToString());
    }
}
