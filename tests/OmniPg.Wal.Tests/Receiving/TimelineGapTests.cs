using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Receiving;

/// <summary>A server that has left its timeline, and removed what it wrote around that, while nobody received.</summary>
public sealed class TimelineGapTests : IDisposable
{
    private readonly TemporaryDirectory _root = new(null, forServer: true);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _root.Dispose();

    [Fact]
    public async Task A_gap_over_the_end_of_a_timeline_is_filled_up_to_it_and_on_with_the_segment_of_the_next_one()
    {
        var archive = Directory.CreateDirectory(_root.Combine("archive")).FullName;
        ServerAccount.Own(archive);
        await using var server = await ReceiveScene.StartServerAsync(("archive_mode", "on"), ("wal_keep_size", "0"), ("min_wal_size", "2MB"), ("max_wal_size", "4MB"));
        await server.ExecuteAsync("CREATE TABLE load (id serial PRIMARY KEY, filler text)", Token);
        var connection = server.GetConnectionString(user: "receiver");
        var options = new WalReceiverOptions
        {
            Slot = "over", CreateSlot = true, Directory = Directory.CreateDirectory(_root.Combine("into")).FullName, Begin = true,
            FlushInterval = TimeSpan.FromMilliseconds(50), LongestWait = TimeSpan.FromMilliseconds(500), Destinations = [new WalDestinationOptions { Directory = archive, Codec = "none" }],
        };
        var before = await RunningReceiver.StartAsync(server, connection, options);
        await server.ExecuteAsync($"ALTER SYSTEM SET archive_command = 'test -f {archive}/%f || (cp %p {archive}/.%f.cp && mv -n {archive}/.%f.cp {archive}/%f)'", Token);
        await server.ExecuteAsync("SELECT pg_reload_conf()", Token);
        await ReceiveScene.LoadAsync(server, 1);
        await before.SwitchAsync();
        await before.DisposeAsync();
        await ReceiveScene.LoadAsync(server, 3);
        await SwitchTimelineAsync(server, archive);
        var first = await server.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())", Token);
        await ReceiveScene.LoadAsync(server, 5);
        var newest = await server.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())", Token);
        await Eventually.TrueAsync(
            async () =>
            {
                await server.ExecuteAsync("CHECKPOINT", Token);
                return File.Exists(Path.Combine(archive, newest)) && !File.Exists(Path.Combine(server.DataDirectory, "pg_wal", newest));
            },
            "the server has removed what nobody received", TimeSpan.FromMinutes(5), Token);
        File.Exists(Path.Combine(server.DataDirectory, "pg_wal", first)).Should().BeFalse();
        File.Move(Path.Combine(archive, first), _root.Combine("away"));

        var gap = await RunningReceiver.FailureOfAsync(new WalReceiver(connection, options));
        File.Move(_root.Combine("away"), Path.Combine(archive, first));
        var after = await RunningReceiver.StartAsync(server, connection, options);
        await ReceiveScene.LoadAsync(server, 1);
        var last = await after.SwitchAsync();
        await after.UntilAsync(() => after.Receiver.Status.WaitingFiles == 0, "all is delivered");

        gap.Should().BeOfType<WalReceiveException>().Which.Code.Should().Be("wal.receive.gap");
        gap.Message.Should().Contain($"'{WalFileName.Parse(first).StartLsn(WalSegmentSize.FromBytes(1 << 20))}'");
        (after.Receiver.Status.Timeline, last[..8], first[..8]).Should().Be((2u, "00000002", "00000002"));
        File.ReadAllBytes(Path.Combine(options.Directory, last)).AsSpan().SequenceEqual(ReceiveScene.Original(server, last)).Should().BeTrue();
        var verified = await new WalRepository(new DirectoryObjectStore(archive)).VerifyAsync(cancellationToken: Token);
        (verified.Gaps.Count, verified.IsGood).Should().Be((0, true), string.Join(' ', verified.Problems));
        await after.DisposeAsync();
    }

    /// <summary>Has the server recover to the end of its own WAL, which opens a timeline.</summary>
    private static async Task SwitchTimelineAsync(PgCluster server, string archive)
    {
        await server.StopAsync(cancellationToken: Token);
        var signal = Path.Combine(server.DataDirectory, "recovery.signal");
        await File.WriteAllTextAsync(signal, "", Token);
        ServerAccount.Own(signal);
        await server.StartAgainAsync(new Dictionary<string, string> { ["restore_command"] = $"cp {archive}/%f %p", ["wal_keep_size"] = "0" }, Token);
        await Eventually.TrueAsync(() => server.ScalarAsync<bool>("SELECT NOT pg_is_in_recovery()", Token), "the server has a timeline of its own", TimeSpan.FromSeconds(60), Token);
    }
}
