using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using NpgsqlTypes;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Receiving;

[Collection(nameof(ReceiveCollection))]
public sealed class ReceiverTests(ReceiveScene scene)
{
    private const int Continue = 18;
    private const int Stop = 19;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Received_segments_are_equal_to_those_of_the_server_and_the_rest_is_partial()
    {
        await using var running = await scene.StartAsync(scene.Options());

        await ReceiveScene.LoadAsync(scene.Server);
        await running.SwitchAsync();
        await ReceiveScene.LoadAsync(scene.Server, 1);
        await running.CaughtUpAsync();

        running.Segments.Count.Should().BeGreaterThan(3);
        foreach (var name in running.Segments)
            File.ReadAllBytes(Path.Combine(running.Into, name)).AsSpan().SequenceEqual(ReceiveScene.Original(scene.Server, name)).Should().BeTrue(name);
        var partial = Directory.GetFiles(running.Into, "*.partial").Should().ContainSingle().Which;
        new FileInfo(partial).Length.Should().Be(1 << 20);
        // One look: a record of the server's own may be on its way to the disk in any single moment.
        await running.UntilAsync(
            () => running.Receiver.Status is { State: WalReceiverState.Streaming, Timeline: 1, LagBytes: 0, LastError: null } status && status.Flushed == status.Received, "all that came is flushed");
    }

    [Fact]
    public async Task A_copy_of_the_directory_takes_the_open_segment_once_and_again_when_it_is_complete()
    {
        await using var running = await scene.StartAsync(scene.Options());
        await ReceiveScene.LoadAsync(scene.Server);
        await running.SwitchAsync();
        await scene.Server.ExecuteAsync("INSERT INTO load (filler) VALUES ('one')", Token);
        var endOfFirst = await EndAsync();
        await running.CaughtUpAsync();
        var to = scene.Fresh("copy");
        Task<RepositoryCopyResult> Copy(bool begin) =>
            new RepositoryCopy(new DirectoryObjectStore(running.Into), new DirectoryObjectStore(to), new RepositoryCopyOptions { Begin = begin }).RunAsync(cancellationToken: Token);

        async Task<NpgsqlLogSequenceNumber> EndAsync() => NpgsqlLogSequenceNumber.Parse(await scene.Server.ScalarAsync<string>("SELECT pg_current_wal_flush_lsn()::text", Token));

        var first = await Copy(begin: true);
        await scene.Server.ExecuteAsync("INSERT INTO load (filler) VALUES ('two')", Token);
        var endOfSecond = await EndAsync();
        await running.CaughtUpAsync();
        var open = Directory.GetFiles(to, "*.partial").Should().ContainSingle().Which;
        var before = await File.ReadAllBytesAsync(open, Token);
        var grown = await Copy(begin: false);
        var last = await running.SwitchAsync();
        var complete = await Copy(begin: false);

        (first.Problems, first.Growing).Should().BeEquivalentTo((Array.Empty<string>(), 0L));
        (grown.Problems, grown.Growing, grown.Copied).Should().BeEquivalentTo((Array.Empty<string>(), 1L, 0L));
        // Were its server gone, this is all that tells of the difference.
        var (one, two) = (first.Partials.Should().ContainSingle().Which, grown.Partials.Should().ContainSingle().Which);
        (one.Name.ToString(), two.Name.ToString()).Should().Be((Path.GetFileName(open), Path.GetFileName(open)));
        (one.CopiedTo >= endOfFirst, two.CopiedTo == one.CopiedTo, two.ArchiveEnd >= endOfSecond, two.IsBehind).Should().Be((true, true, true, true), "{0} {1}", one, two);
        (await File.ReadAllBytesAsync(open, Token)).AsSpan().SequenceEqual(before).Should().BeTrue("nothing is replaced");
        complete.Problems.Should().BeEmpty();
        complete.Partials.Should().NotContain(p => p.Name.ToString() == Path.GetFileName(open), "its segment is complete");
        File.ReadAllBytes(Path.Combine(to, last)).AsSpan().SequenceEqual(ReceiveScene.Original(scene.Server, last)).Should().BeTrue();
    }

    [Fact]
    public async Task A_copy_tells_an_open_segment_with_other_WAL_and_leaves_it()
    {
        await using var running = await scene.StartAsync(scene.Options());
        await ReceiveScene.LoadAsync(scene.Server);
        await running.SwitchAsync();
        await scene.Server.ExecuteAsync("INSERT INTO load (filler) VALUES ('one')", Token);
        await running.CaughtUpAsync();
        await running.StopAsync();
        var to = scene.Fresh("copy");
        var copy = new RepositoryCopy(new DirectoryObjectStore(running.Into), new DirectoryObjectStore(to), new RepositoryCopyOptions { Begin = true });
        await copy.RunAsync(cancellationToken: Token);
        var open = Directory.GetFiles(to, "*.partial").Should().ContainSingle().Which;
        // Its first record is another one.
        await using (var file = new FileStream(open, FileMode.Open))
        {
            file.Position = 70;
            var found = file.ReadByte();
            file.Position = 70;
            file.WriteByte((byte)(found ^ 1));
        }

        var result = await copy.RunAsync(cancellationToken: Token);

        (result.Growing, result.Problems.Count).Should().Be((0, 1));
        result.Problems[0].Should().StartWith($"'{Path.GetFileName(open)}': ");
    }

    [Fact]
    public async Task The_slot_follows_what_is_flushed_and_stays_when_the_receiver_stops()
    {
        var running = await scene.StartAsync(scene.Options());
        await ReceiveScene.LoadAsync(scene.Server);
        await running.SwitchAsync();

        await Eventually.TrueAsync(
            () => scene.Server.ScalarAsync<bool>($"SELECT restart_lsn >= '{running.Receiver.Status.Flushed}' AND active FROM pg_replication_slots WHERE slot_name = '{running.Options.Slot}'", Token),
            "the slot has followed", TimeSpan.FromSeconds(30), Token);
        await running.StopAsync();

        running.Task.Status.Should().Be(TaskStatus.Canceled);
        running.Receiver.Status.State.Should().Be(WalReceiverState.Stopped);
        (await scene.Server.ScalarAsync<long>($"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{running.Options.Slot}'", Token)).Should().Be(1);
        await running.DisposeAsync();
    }

    [Fact]
    public async Task A_receiver_goes_on_where_the_one_before_stopped()
    {
        var options = scene.Options();
        var first = await scene.StartAsync(options);
        await ReceiveScene.LoadAsync(scene.Server, 1);
        await first.CaughtUpAsync();
        await first.StopAsync();
        await ReceiveScene.LoadAsync(scene.Server);

        await using var second = await scene.StartAsync(options);
        await second.SwitchAsync();

        var names = second.Segments;
        names.Should().Equal(Enumerable.Range(0, names.Count).Select(i => Following(names[0], i)));
        foreach (var name in names)
            File.ReadAllBytes(Path.Combine(second.Into, name)).AsSpan().SequenceEqual(ReceiveScene.Original(scene.Server, name)).Should().BeTrue(name);
    }

    [Fact]
    public async Task Other_bytes_than_were_received_before_are_a_conflict_and_stay_as_they_are()
    {
        var options = scene.Options();
        var first = await scene.StartAsync(options);
        await ReceiveScene.LoadAsync(scene.Server, 1);
        await first.SwitchAsync();
        await scene.Server.ExecuteAsync("INSERT INTO load (filler) VALUES ('x')", Token);
        await first.CaughtUpAsync();
        await first.StopAsync();
        var partial = Directory.GetFiles(options.Directory, "*.partial").Single();
        var bytes = await File.ReadAllBytesAsync(partial, Token);
        var changed = ChangeFirstRecord(bytes);
        await File.WriteAllBytesAsync(partial, bytes, Token);

        var failure = await RunningReceiver.FailureOfAsync(new WalReceiver(scene.Connection, options));

        failure.Should().BeOfType<WalConflictException>().Which.Message.Should().Contain(Path.GetFileName(partial)).And.Contain($"at offset {changed}");
        (await File.ReadAllBytesAsync(partial, Token)).AsSpan().SequenceEqual(bytes).Should().BeTrue();
        await first.DisposeAsync();
    }

    [Fact]
    public async Task Delivered_segments_leave_the_directory_except_the_last()
    {
        var archive = scene.Fresh("archive");
        var options = scene.Options(new WalDestinationOptions { Directory = archive, Codec = "zstd" });
        options.Begin = true;
        await using var running = await scene.StartAsync(options);

        await ReceiveScene.LoadAsync(scene.Server);
        var last = await running.SwitchAsync();
        await running.UntilAsync(() => File.Exists(Path.Combine(archive, last + ".zst")) && running.Segments.Count == 1, "all but the last have left");

        running.Segments.Should().Equal(last);
        var delivered = Directory.GetFiles(archive, "*.zst").Order(StringComparer.Ordinal).ToArray();
        delivered.Length.Should().BeGreaterThan(3);
        foreach (var path in delivered)
        {
            await using var content = Codec.Zstd.Decompress(File.OpenRead(path));
            using var raw = new MemoryStream();
            await content.CopyToAsync(raw, Token);
            raw.ToArray().AsSpan().SequenceEqual(ReceiveScene.Original(scene.Server, Path.GetFileNameWithoutExtension(path))).Should().BeTrue(path);
        }
    }

    [Fact]
    public async Task A_destination_that_is_not_there_holds_segments_back_and_gets_them_when_it_is()
    {
        var archive = scene.Fresh("archive");
        var options = scene.Options(new WalDestinationOptions { Directory = archive });
        options.Begin = true;
        await using var running = await scene.StartAsync(options);
        var away = archive + "-away";
        Directory.Move(archive, away);

        await ReceiveScene.LoadAsync(scene.Server);
        var last = await running.SwitchAsync();
        var held = running.Segments;
        Directory.Move(away, archive);
        await running.UntilAsync(() => File.Exists(Path.Combine(archive, last)) && running.Segments.Count == 1, "they are delivered");

        held.Count.Should().BeGreaterThan(3);
        Directory.GetFiles(archive).Select(Path.GetFileName).Should().Contain(held);
    }

    [Fact]
    public async Task What_an_earlier_connection_confirmed_is_confirmed_again_on_the_next()
    {
        await using var running = await scene.StartAsync(scene.Options());
        await ReceiveScene.LoadAsync(scene.Server, 1);
        await scene.Server.ExecuteAsync("CHECKPOINT", Token);
        await running.CaughtUpAsync();
        var process = await scene.Server.ScalarAsync<int>($"SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{running.Options.Slot}'", Token);

        // Its snapshots of what runs, every 15 s, would be WAL that is confirmed whatever an earlier connection said.
        var writer = await scene.Server.ScalarAsync<int>("SELECT pid FROM pg_stat_activity WHERE backend_type = 'background writer'", Token);
        ServerAccount.Signal(writer, Stop);
        try
        {
            await scene.Server.ExecuteAsync($"SELECT pg_terminate_backend({process})", Token);

            await Eventually.TrueAsync(
                () => scene.Server.ScalarAsync<bool>(
                    $"SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = '{running.Options.Slot}' AND pid <> {process} AND flush_lsn >= '{running.Receiver.Status.Flushed}')", Token),
                "the server has heard of it again", cancellationToken: Token);
        }
        finally
        {
            ServerAccount.Signal(writer, Continue);
        }
    }

    [Fact]
    public async Task The_directory_is_no_destination_of_itself_under_whatever_name()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Other systems do not tell.");
        var options = scene.Options();
        var link = Directory.CreateSymbolicLink(options.Directory + "-link", options.Directory).FullName;
        options.Begin = true;
        options.Destinations = [new WalDestinationOptions { Directory = link }];

        var failure = await RunningReceiver.FailureOfAsync(new WalReceiver(scene.Connection, options));
        await scene.Server.ExecuteAsync($"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{options.Slot}' AND NOT active", Token);
        options.Destinations = [new WalDestinationOptions { Directory = options.Directory + "/" }];
        var slash = Record.Exception(() => new WalReceiver(scene.Connection, options));

        failure.Should().BeOfType<WalReceiveException>().Which.Should().Match<WalReceiveException>(e => e.Code == "wal.receive.directory" && e.Message.Contains(link));
        slash.Should().BeOfType<OptionsValidationException>();
    }

    [Fact]
    public async Task Two_receivers_do_not_share_a_directory()
    {
        await using var running = await scene.StartAsync(scene.Options());

        var failure = await RunningReceiver.FailureOfAsync(new WalReceiver(scene.Connection, running.Options));

        failure.Should().BeOfType<WalLockedException>().Which.HolderProcessId.Should().Be(Environment.ProcessId);
    }

    [Fact]
    public async Task A_slot_that_is_in_use_is_waited_for()
    {
        await using var running = await scene.StartAsync(scene.Options());
        var options = scene.Options();
        options.Slot = running.Options.Slot;
        options.Begin = true;
        var receiver = new WalReceiver(scene.Connection, options);
        using var stop = new CancellationTokenSource();

        var run = receiver.RunAsync(stop.Token);
        await Eventually.TrueAsync(() => receiver.Status.State == WalReceiverState.Waiting || run.IsCompleted, "it waits", TimeSpan.FromSeconds(30), Token);

        receiver.Status.LastError.Should().BeOfType<Npgsql.PostgresException>().Which.SqlState.Should().Be("55006");
        await stop.CancelAsync();
        await Record.ExceptionAsync(() => run);
    }

    [Fact]
    public async Task A_missing_slot_is_an_error_unless_it_may_be_created()
    {
        var options = scene.Options();
        options.CreateSlot = false;

        var failure = await RunningReceiver.FailureOfAsync(new WalReceiver(scene.Connection, options));

        failure.Should().BeOfType<WalReceiveException>().Which.Code.Should().Be("wal.receive.slot");
        Directory.GetFiles(options.Directory).Should().BeEmpty();
    }

    [Fact]
    public async Task An_empty_directory_behind_a_used_slot_is_not_begun_by_itself()
    {
        var options = scene.Options();
        var first = await scene.StartAsync(options);
        await first.StopAsync();
        var elsewhere = scene.Options();
        elsewhere.Slot = options.Slot;

        var refused = await RunningReceiver.FailureOfAsync(new WalReceiver(scene.Connection, elsewhere));
        elsewhere.Begin = true;
        await using (var begun = await scene.StartAsync(elsewhere))
            await begun.SwitchAsync();

        refused.Should().BeOfType<WalReceiveException>().Which.Should().Match<WalReceiveException>(e => e.Code == "wal.receive.directory" && e.Message.Contains(options.Slot));
    }

    [Fact]
    public async Task A_directory_of_pg_receivewal_is_taken_over_on_request()
    {
        var options = scene.Options();
        var program = Path.Combine(scene.Server.BinDirectory, "pg_receivewal");
        Assert.SkipUnless(File.Exists(program) && scene.Server.MajorVersion >= 15, "needs a pg_receivewal that begins where its slot does");
        string[] words = ["-h", "127.0.0.1", "-p", $"{scene.Server.Port}", "-U", "receiver", "-S", options.Slot, "-D", options.Directory];
        ServerAccount.Own(options.Directory);
        await scene.Server.ExecuteAsync($"SELECT pg_create_physical_replication_slot('{options.Slot}', true)", Token);
        await ReceiveScene.LoadAsync(scene.Server, 2);
        var end = await scene.Server.ScalarAsync<string>("SELECT pg_create_restore_point('end')::text", Token);
        await ReceiveScene.LoadAsync(scene.Server, 1);
        (await ServerProgram.RunAsync(program, [.. words, "--endpos", end], null, Token)).MustSucceed();

        var refused = await RunningReceiver.FailureOfAsync(new WalReceiver(scene.Connection, options));
        options.Begin = true;
        await using var running = await scene.StartAsync(options);
        await running.SwitchAsync();

        refused.Should().BeOfType<WalArchiveMismatchException>();
        running.Segments.Count.Should().BeGreaterThan(2);
        foreach (var name in running.Segments)
            File.ReadAllBytes(Path.Combine(running.Into, name)).AsSpan().SequenceEqual(ReceiveScene.Original(scene.Server, name)).Should().BeTrue(name);
    }

    [Fact]
    public async Task A_host_receives_as_long_as_it_runs()
    {
        var options = scene.Options();
        var builder = Host.CreateApplicationBuilder();
        builder.Services.AddOmniPgWal().AddReceiver(_ => scene.Connection, o => (o.Slot, o.CreateSlot, o.Directory) = (options.Slot, true, options.Directory));
        using var host = builder.Build();
        var receiver = host.Services.GetRequiredService<WalReceiver>();

        await host.StartAsync(Token);
        // Streaming it is before the first byte came; and others switch segments meanwhile, so that one may be complete and the next not begun.
        await Eventually.TrueAsync(
            () => receiver.Status.State == WalReceiverState.Streaming && Directory.GetFiles(options.Directory, "0*").Length > 0, "WAL flows", TimeSpan.FromSeconds(30), Token);
        await host.StopAsync(Token);

        receiver.Status.State.Should().Be(WalReceiverState.Stopped);
        Directory.GetFiles(options.Directory, "0*").Should().NotBeEmpty();
    }

    [Theory]
    [InlineData("LOGIN", "wal.receive.refused")]
    [InlineData("NOLOGIN REPLICATION", "wal.receive.refused")]
    public async Task A_role_without_the_rights_is_told_what_is_missing(string attributes, string code)
    {
        var role = $"weak_{Guid.NewGuid():n}";
        await scene.Server.ExecuteAsync($"CREATE ROLE {role} {attributes}", Token);

        var failure = await RunningReceiver.FailureOfAsync(new WalReceiver(scene.Server.GetConnectionString(user: role), scene.Options()));

        failure.Should().BeOfType<WalReceiveException>().Which.Code.Should().Be(code);
    }

    [Fact]
    public async Task A_directory_of_another_cluster_is_refused()
    {
        var options = scene.Options();
        await new WalArchiveMarker { SystemIdentifier = 4711, PgVersion = scene.Server.MajorVersion, WalSegmentSize = 1 << 20 }.WriteAsync(new DirectoryObjectStore(options.Directory), Token);

        var failure = await RunningReceiver.FailureOfAsync(new WalReceiver(scene.Connection, options));

        failure.Should().BeOfType<WalArchiveMismatchException>().Which.Message.Should().Contain("'4711'");
    }

    /// <summary>Another record that is valid as well, as a server writes one that was set back.</summary>
    private static int ChangeFirstRecord(byte[] segment)
    {
        const int Start = 40;
        var record = segment.AsSpan(Start, BitConverter.ToInt32(segment, Start));
        record[^1] ^= 1;
        var crc = Crc32C.Finish(Crc32C.Append(Crc32C.Append(Crc32C.Start, record[24..]), record[..20]));
        BitConverter.TryWriteBytes(record[20..], crc);
        return Start + 20;
    }

    private static string Following(string name, int steps)
    {
        var at = WalFileName.Parse(name);
        return WalFileName.ForSegmentNumber(at.Timeline, at.SegmentNumber(WalSegmentSize.FromBytes(1 << 20)) + (ulong)steps, WalSegmentSize.FromBytes(1 << 20)).ToString();
    }
}
