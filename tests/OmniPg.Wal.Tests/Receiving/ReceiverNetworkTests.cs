using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Receiving;

/// <summary>Networks that say nothing, and a server that has gone back in time.</summary>
public sealed class ReceiverNetworkTests : IAsyncLifetime
{
    private readonly TemporaryDirectory _root = new(Directory.Exists("/dev/shm") ? "/dev/shm" : null, forServer: true);
    private PgCluster _server = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        // The server must notice as well: until then its old process holds the slot.
        _server = await ReceiveScene.StartServerAsync(("wal_sender_timeout", "4s"));
        await _server.ExecuteAsync("CREATE TABLE load (id serial PRIMARY KEY, filler text)", Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _root.Dispose();
    }

    [Fact]
    public async Task A_network_that_falls_silent_is_noticed_and_receiving_goes_on_over_another_connection()
    {
        await using var relay = new TcpRelay(_server.Port);
        var options = Options();
        options.ReceiveTimeout = TimeSpan.FromSeconds(2);
        await using var running = await RunningReceiver.StartAsync(_server, Through(relay), options);
        await ReceiveScene.LoadAsync(_server, 1);
        await running.CaughtUpAsync();

        relay.Silence();
        await ReceiveScene.LoadAsync(_server, 2);
        await running.UntilAsync(() => running.Receiver.Status.LastError is not null, "the silence is noticed");
        var status = running.Receiver.Status;
        relay.Speak();
        var last = await running.SwitchAsync();

        status.LastError.Should().BeAssignableTo<NpgsqlException>().Which.InnerException.Should().BeOfType<TimeoutException>();
        status.State.Should().Be(WalReceiverState.Waiting);
        RequireEqual(running.Into, last);
        running.Receiver.Status.LastError.Should().BeNull();
    }

    [Fact]
    public async Task An_idle_server_is_not_taken_for_a_lost_one()
    {
        await using var relay = new TcpRelay(_server.Port);
        // As long as this the server says nothing by itself.
        await _server.ExecuteAsync("ALTER SYSTEM SET wal_sender_timeout = 0", Token);
        await _server.ExecuteAsync("SELECT pg_reload_conf()", Token);
        var options = Options();
        options.ReceiveTimeout = TimeSpan.FromSeconds(1);
        await using var running = await RunningReceiver.StartAsync(_server, Through(relay), options);
        var walsender = await _server.ScalarAsync<int>("SELECT pid FROM pg_stat_replication", Token);

        await Eventually.TrueAsync(() => _server.ScalarAsync<bool>("SELECT clock_timestamp() > backend_start + '4s' FROM pg_stat_replication", Token), "time passes", TimeSpan.FromSeconds(60), Token);

        (await _server.ScalarAsync<int>("SELECT pid FROM pg_stat_replication", Token)).Should().Be(walsender);
        running.Receiver.Status.LastError.Should().BeNull();
    }

    [Fact]
    public async Task A_receiver_that_is_stopped_in_the_silence_ends_and_keeps_what_came()
    {
        await using var relay = new TcpRelay(_server.Port);
        await using var running = await RunningReceiver.StartAsync(_server, Through(relay), Options());
        await ReceiveScene.LoadAsync(_server, 2);
        await running.CaughtUpAsync();
        var flushed = running.Receiver.Status.Flushed;

        relay.Silence();
        await ReceiveScene.LoadAsync(_server, 1);
        await running.StopAsync().WaitAsync(TimeSpan.FromSeconds(30), Token);
        await using var again = await RunningReceiver.StartAsync(_server, _server.GetConnectionString(user: "receiver"), running.Options);
        var last = await again.SwitchAsync();

        running.Task.Status.Should().Be(TaskStatus.Canceled);
        (again.Receiver.Status.Flushed > flushed).Should().BeTrue();
        RequireEqual(again.Into, last);
    }

    [Fact]
    public async Task A_server_that_was_restored_from_an_older_state_is_waited_for_and_its_other_WAL_is_a_conflict()
    {
        var options = Options();
        var running = await RunningReceiver.StartAsync(_server, _server.GetConnectionString(user: "receiver"), options);
        await ReceiveScene.LoadAsync(_server, 1);
        await running.CaughtUpAsync();
        await running.StopAsync();
        await _server.StopAsync(cancellationToken: Token);
        var older = CopyOf(_server.DataDirectory);
        await _server.StartAgainAsync(null, Token);
        running = await RunningReceiver.StartAsync(_server, _server.GetConnectionString(user: "receiver"), options);
        await ReceiveScene.LoadAsync(_server, 3);
        await running.CaughtUpAsync();
        await running.StopAsync();
        await _server.StopAsync(cancellationToken: Token);
        var before = WalIn(options.Directory);

        await using var restored = await PgCluster.StartAsync(
            new PgClusterOptions { ExistingDataDirectory = older, Settings = new Dictionary<string, string> { ["wal_keep_size"] = "1GB", ["wal_level"] = "replica" } }, Token);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var receiver = new WalReceiver(restored.GetConnectionString(user: "receiver"), options);
        var receiving = receiver.RunAsync(stop.Token);
        await Eventually.TrueAsync(() => receiving.IsCompleted || receiver.Status.LastError is not null, "it sees where the server ends", TimeSpan.FromSeconds(60), Token);
        var behind = receiver.Status;
        var waiting = WalIn(options.Directory);
        var isWaiting = !receiving.IsCompleted;
        await ReceiveScene.LoadAsync(restored, 6);
        var failure = await Record.ExceptionAsync(() => receiving.WaitAsync(TimeSpan.FromSeconds(60), Token));

        isWaiting.Should().BeTrue();
        var told = behind.LastError.Should().BeOfType<WalReceiveException>().Which;
        (told.Code, told.IsTransient, behind.State).Should().Be(("wal.receive.behind", true, WalReceiverState.Waiting));
        told.Message.Should().Contain("of timeline '1', before the received '");
        waiting.Should().Equal(before, "nothing is cut off");
        failure.Should().BeOfType<WalConflictException>().Which.Message.Should().Contain(before.Keys.Single(n => n.EndsWith(".partial", StringComparison.Ordinal)));
        WalIn(options.Directory).Should().Equal(before);
    }

    private string Through(TcpRelay relay) =>
        new NpgsqlConnectionStringBuilder(_server.GetConnectionString(user: "receiver")) { Port = relay.Port, Timeout = 3 }.ConnectionString;

    private string CopyOf(string data)
    {
        var copy = _root.Combine("older");
        using var cp = System.Diagnostics.Process.Start("cp", ["-a", data, copy]);
        cp.WaitForExit();
        cp.ExitCode.Should().Be(0);
        return copy;
    }

    // Names and contents, the latter by their digests.
    private static SortedDictionary<string, string> WalIn(string directory) => new(
        Directory.GetFiles(directory).Where(f => WalFileName.TryParse(Path.GetFileName(f), out _))
            .ToDictionary(f => Path.GetFileName(f), f => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(f)))),
        StringComparer.Ordinal);

    private WalReceiverOptions Options() => new()
    {
        Slot = "network_" + Path.GetRandomFileName()[..6],
        CreateSlot = true,
        Directory = Directory.CreateDirectory(_root.Combine(Path.GetRandomFileName())).FullName,
        FlushInterval = TimeSpan.FromMilliseconds(50),
        LongestWait = TimeSpan.FromMilliseconds(500),
    };

    // From the first segment to the last one named, without a hole.
    private void RequireEqual(string directory, string last)
    {
        var size = WalSegmentSize.FromBytes(1 << 20);
        var names = WalIn(directory).Keys.Where(static n => n.Length == 24).ToArray();
        for (var name = WalFileName.Parse(names[0]); string.CompareOrdinal(name.ToString(), last) <= 0; name = name.Next(size))
            File.ReadAllBytes(Path.Combine(directory, name.ToString())).AsSpan().SequenceEqual(ReceiveScene.Original(_server, name.ToString())).Should().BeTrue(name.ToString());
    }
}
