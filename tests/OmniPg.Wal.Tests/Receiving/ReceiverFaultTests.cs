using System.Diagnostics;
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
    public async Task Ten_kills_of_the_program_under_load_leave_every_byte_and_no_gap()
    {
        var options = Options();
        var random = new Random(11);
        string[] words = ["receive", "--connection", Connection, "--slot", options.Slot, "--create-slot", "--into", options.Directory, "--flush-interval", "0.01"];
        for (var kill = 0; kill < 10; kill++)
        {
            using var program = WalProgram.Start(null, words);
            var files = Directory.GetFiles(options.Directory).Length;
            await ReceiveScene.LoadAsync(_server, 1);
            // Into the life of the process: while it connects, receives, flushes, renames.
            var delay = TimeSpan.FromMilliseconds(random.Next(100, 700));
            await Task.WhenAny(program.WaitForExitAsync(Token), Task.Delay(delay, Token));
            program.HasExited.Should().BeFalse();
            program.Kill();
            await program.WaitForExitAsync(Token);
            Directory.GetFiles(options.Directory).Length.Should().BeGreaterThanOrEqualTo(files);
        }

        await using var running = await RunningReceiver.StartAsync(_server, Connection, options);
        var last = await running.SwitchAsync();

        RequireEqual(options.Directory, last);
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
