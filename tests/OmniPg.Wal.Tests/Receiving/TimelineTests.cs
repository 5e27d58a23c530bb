using OmniPg.Testing;
using OmniPg.Wal.Tests.Recovery;

namespace OmniPg.Wal.Tests.Receiving;

/// <summary>A primary and a standby that is promoted.</summary>
public sealed class TimelineTests : IAsyncLifetime
{
    private readonly TemporaryDirectory _root = new(Directory.Exists("/dev/shm") ? "/dev/shm" : null, forServer: true);
    private PgCluster _primary = null!;
    private PgCluster _standby = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _primary = await ReceiveScene.StartServerAsync();
        await _primary.ExecuteAsync("CREATE TABLE load (id serial PRIMARY KEY, filler text)", Token);
        await FileBackup.TakeAsync(_primary, _root.Combine("backup"), Token);
        var settings = new Dictionary<string, string>
        {
            ["primary_conninfo"] = $"host=127.0.0.1 port={_primary.Port} user=postgres",
            ["wal_keep_size"] = "1GB",
            ["wal_retrieve_retry_interval"] = "100ms",
        };
        var data = await FileBackup.UnpackAsync(_root.Combine("backup"), _root.Path, "standby.signal", Token);
        _standby = await PgCluster.StartAsync(new PgClusterOptions { ExistingDataDirectory = data, Settings = settings }, Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _standby.DisposeAsync();
        await _primary.DisposeAsync();
        _root.Dispose();
    }

    [Fact]
    public async Task A_receiver_follows_the_promotion_of_its_server_and_another_that_got_further_refuses()
    {
        await using var running = await RunningReceiver.StartAsync(_standby, _standby.GetConnectionString(user: "receiver"), Options("follower"));
        await ReceiveScene.LoadAsync(_primary);
        await StandbyHasAllAsync();
        var further = Options("further");
        var ahead = await RunningReceiver.StartAsync(_primary, _primary.GetConnectionString(user: "receiver"), further);
        await ahead.CaughtUpAsync();

        await _standby.ExecuteAsync("SELECT pg_promote()", Token);
        await ReceiveScene.LoadAsync(_primary);
        await ahead.CaughtUpAsync();
        await ahead.StopAsync();
        await ReceiveScene.LoadAsync(_standby);
        var last = await running.SwitchAsync();
        await running.StopAsync();
        await using var again = await RunningReceiver.StartAsync(_standby, _standby.GetConnectionString(user: "receiver"), running.Options);
        await ReceiveScene.LoadAsync(_standby, 1);
        last = await again.SwitchAsync();
        var refused = await RunningReceiver.FailureOfAsync(new WalReceiver(_standby.GetConnectionString(user: "receiver"), further));

        running.Receiver.Status.Timeline.Should().Be(2);
        File.ReadAllBytes(Path.Combine(again.Into, "00000002.history")).Should().Equal(File.ReadAllBytes(Path.Combine(_standby.DataDirectory, "pg_wal", "00000002.history")));
        var second = again.Segments.Where(static n => n.StartsWith("00000002", StringComparison.Ordinal)).ToArray();
        second.Should().HaveCountGreaterThan(3).And.HaveElementAt(second.Length - 1, last);
        foreach (var name in again.Segments)
            File.ReadAllBytes(Path.Combine(again.Into, name)).AsSpan().SequenceEqual(ReceiveScene.Original(_standby, name)).Should().BeTrue(name);
        var verified = await new WalRepository(new DirectoryObjectStore(again.Into)).VerifyAsync(cancellationToken: Token);
        verified.IsGood.Should().BeTrue("{0} {1}", string.Join(' ', verified.Gaps), string.Join(' ', verified.Problems));
        refused.Should().BeOfType<WalReceiveException>().Which.Code.Should().Be("wal.receive.diverged");
        await ahead.DisposeAsync();
    }

    private async Task StandbyHasAllAsync()
    {
        var end = await _primary.ScalarAsync<string>("SELECT pg_current_wal_insert_lsn()::text", Token);
        await Eventually.TrueAsync(() => _standby.ScalarAsync<bool>($"SELECT coalesce(pg_last_wal_replay_lsn() >= '{end}', false)", Token), "the standby has it", TimeSpan.FromSeconds(60), Token);
    }

    private WalReceiverOptions Options(string slot) => new()
    {
        Slot = slot,
        CreateSlot = true,
        Directory = Directory.CreateDirectory(_root.Combine("into-" + slot)).FullName,
        FlushInterval = TimeSpan.FromMilliseconds(50),
        LongestWait = TimeSpan.FromMilliseconds(500),
    };
}
