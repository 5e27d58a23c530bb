using System.Net.Sockets;
using System.Text;
using OmniPg.Shared;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Archiving;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Resident;

public sealed class ResidentModeTests(WalWorkloads workloads) : ArchiveTests(workloads)
{
    [Fact]
    public async Task Everything_ready_is_archived_ahead_and_answered_from_spool_and_socket()
    {
        foreach (var segment in Scene.Segments.Take(12))
            MakeReady(Scene.Add(segment));
        var archive = Scene.MakeDirectory("archive");
        await using var archiver = Scene.Archiver().To(d => d.Directory($"zstd={archive}")).Build();
        var options = Options;
        options.ProcessMax = 3;
        await using var resident = await RunningResident.StartAsync(archiver, options, Token);

        await Eventually.TrueAsync(() => resident.Events.Count(e => e.Kind == ArchiveEventKind.Archived) == 12, "the backlog is archived", cancellationToken: Token);

        ArchiveScene.FilesIn(archive).Should().HaveCount(12);
        new WalPushSpool(options.SpoolDirectory).IsArchived(Scene.Located(Scene.Segments[3])).Should().BeTrue();
        (await WalResidentClient.TryArchiveAsync(options.SocketPath!, ArchiveScene.PathOf(Scene.Segments[3]), Token)).Should().Be(new ResidentAnswer(true));
        resident.Events.Where(e => e.Kind == ArchiveEventKind.Archived).Should().OnlyContain(e => e.Result!.IsArchived);
    }

    [Fact]
    public async Task A_client_that_comes_first_waits_for_the_real_result()
    {
        var archive = Scene.MakeDirectory("archive");
        var path = Scene.Add();
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).Build();
        await using var resident = await RunningResident.StartAsync(archiver, Options, Token);

        var answers = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => WalResidentClient.TryArchiveAsync(Options.SocketPath!, path, Token)));

        answers.Should().OnlyContain(a => a != null && a.Ok);
        ArchiveScene.FilesIn(archive).Should().Equal(Scene.Segment.ToString());
    }

    [Fact]
    public async Task A_failure_is_answered_with_its_code_left_in_the_spool_and_tried_again()
    {
        var store = new FaultyStore("flaky", FaultAt.Write);
        var path = Scene.Add();
        MakeReady(path);
        await using var archiver = Scene.Archiver().To(d => d.Store(store)).Build();
        await using var resident = await RunningResident.StartAsync(archiver, Options, Token);

        var answer = await WalResidentClient.TryArchiveAsync(Options.SocketPath!, path, Token);
        var spooled = new WalPushSpool(Options.SpoolDirectory).FindError(Scene.Segment);
        store.Fault = FaultAt.Nothing;
        await Eventually.TrueAsync(() => resident.Events.Any(e => e.Kind == ArchiveEventKind.Archived), "it is tried again", cancellationToken: Token);

        answer!.Ok.Should().BeFalse();
        answer.Code.Should().Be("wal.archive.delivery");
        spooled!.Value.Code.Should().Be("wal.archive.delivery");
        new WalPushSpool(Options.SpoolDirectory).FindError(Scene.Segment).Should().BeNull();
    }

    [Fact]
    public async Task A_clock_that_is_set_back_does_not_put_off_the_next_try()
    {
        var clock = new ShiftedClock();
        var store = new FaultyStore("flaky", FaultAt.Write);
        MakeReady(Scene.Add());
        await using var archiver = Scene.Archiver().UseTime(clock).To(d => d.Store(store)).Build();
        await using var resident = await RunningResident.StartAsync(archiver, Options, Token);
        await Eventually.TrueAsync(() => resident.Events.Any(e => e.Kind == ArchiveEventKind.Failed), "it has failed", cancellationToken: Token);

        clock.Offset = TimeSpan.FromHours(-1);
        store.Fault = FaultAt.Nothing;

        await Eventually.TrueAsync(() => resident.Events.Any(e => e.Kind == ArchiveEventKind.Archived), "it is tried again", cancellationToken: Token);
    }

    [Fact]
    public async Task A_damaged_answer_counts_for_nothing_and_the_file_is_archived_again()
    {
        var path = Scene.Add();
        MakeReady(path);
        var push = Directory.CreateDirectory(Path.Combine(Options.SpoolDirectory, "push")).FullName;
        await File.WriteAllTextAsync(Path.Combine(push, Scene.Segment + ".ok"), "{\"sha256\":\"tor", Token);
        var archive = Scene.MakeDirectory("archive");
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).Build();
        await using var resident = await RunningResident.StartAsync(archiver, Options, Token);

        await Eventually.TrueAsync(() => new WalPushSpool(Options.SpoolDirectory).IsArchived(Scene.Located(Scene.Segment)), "it is answered", cancellationToken: Token);

        ArchiveScene.FilesIn(archive).Should().Equal(Scene.Segment.ToString());
    }

    [Fact]
    public async Task An_answer_counts_only_for_the_very_file_and_goes_when_the_server_is_done()
    {
        var path = Scene.Add();
        var status = MakeReady(path);
        await using var archiver = Scene.Archiver().To(d => d.Directory(Scene.MakeDirectory("archive"))).Build();
        await using var resident = await RunningResident.StartAsync(archiver, Options, Token);
        var spool = new WalPushSpool(Options.SpoolDirectory);
        await Eventually.TrueAsync(() => spool.IsArchived(Scene.Located(Scene.Segment)), "it is archived", cancellationToken: Token);

        // The answer as it is now: the process renews its own as soon as it finds the file changed.
        var kept = Scene.MakeDirectory("kept");
        File.Copy(Path.Combine(Options.SpoolDirectory, "push", Scene.Segment + ".ok"), Path.Combine(Directory.CreateDirectory(Path.Combine(kept, "push")).FullName, Scene.Segment + ".ok"));
        File.SetLastWriteTimeUtc(Scene.Located(Scene.Segment), DateTime.UnixEpoch);
        var touched = new WalPushSpool(kept).IsArchived(Scene.Located(Scene.Segment));
        File.Delete(status);
        await Eventually.TrueAsync(() => !File.Exists(Path.Combine(Options.SpoolDirectory, "push", Scene.Segment + ".ok")), "the answer is dropped", cancellationToken: Token);

        touched.Should().BeFalse();
    }

    [Fact]
    public async Task Answers_of_an_earlier_run_do_not_count_for_other_destinations()
    {
        MakeReady(Scene.Add());
        var spool = new WalPushSpool(Options.SpoolDirectory);
        await using (var before = Scene.Archiver().To(d => d.Directory(Scene.MakeDirectory("one"))).Build())
        await using (await RunningResident.StartAsync(before, Options, Token))
            await Eventually.TrueAsync(() => spool.IsArchived(Scene.Located(Scene.Segment)), "it is archived", cancellationToken: Token);
        var two = Scene.MakeDirectory("two");
        await using var archiver = Scene.Archiver().To(d => d.Directory(two)).Build();

        await using var resident = await RunningResident.StartAsync(archiver, Options, Token);
        var answer = await WalResidentClient.TryArchiveAsync(Options.SocketPath!, Scene.Located(Scene.Segment), Token);

        answer.Should().Be(new ResidentAnswer(true));
        ArchiveScene.FilesIn(two).Should().Equal(Scene.Segment.ToString());
    }

    [Fact]
    public async Task A_file_that_was_replaced_after_it_was_read_has_no_answer()
    {
        MakeReady(Scene.Add());
        var store = new FaultyStore("archive");
        store.AfterCommit = () =>
        {
            store.AfterCommit = null;
            store.Fault = FaultAt.Write;
            File.WriteAllBytes(Scene.Located(Scene.Segment), Scene.Original(Scene.Segments[2]));
        };
        await using var archiver = Scene.Archiver().BindTo(ArchiveBinding.None).To(d => d.Store(store)).Build();
        await using var resident = await RunningResident.StartAsync(archiver, Options, Token);

        await Eventually.TrueAsync(() => resident.Events.Any(e => e.Kind == ArchiveEventKind.Archived), "the old content is archived", cancellationToken: Token);

        new WalPushSpool(Options.SpoolDirectory).IsArchived(Scene.Located(Scene.Segment)).Should().BeFalse();
    }

    [Fact]
    public async Task A_file_of_the_same_name_in_another_cluster_is_not_acknowledged()
    {
        MakeReady(Scene.Add());
        var other = Path.Combine(Scene.MakeDirectory("other/pg_wal"), Scene.Segment.ToString());
        File.Copy(Scene.Located(Scene.Segment), other);
        await using var archiver = Scene.Archiver().To(d => d.Directory(Scene.MakeDirectory("archive"))).Build();
        await using var resident = await RunningResident.StartAsync(archiver, Options, Token);

        var own = await WalResidentClient.TryArchiveAsync(Options.SocketPath!, Scene.Located(Scene.Segment), Token);
        var foreign = await WalResidentClient.TryArchiveAsync(Options.SocketPath!, other, Token);

        own.Should().Be(new ResidentAnswer(true));
        foreign!.Ok.Should().BeFalse();
        foreign.Code.Should().Be("wal.archive.mismatch");
    }

    [Fact]
    public async Task A_client_is_answered_from_the_spool_while_every_pool_thread_is_busy()
    {
        var path = Scene.Add();
        MakeReady(path);
        await using var archiver = Scene.Archiver().To(d => d.Directory(Scene.MakeDirectory("archive"))).Build();
        await using var resident = await RunningResident.StartAsync(archiver, Options, Token);
        var spool = new WalPushSpool(Options.SpoolDirectory);
        await Eventually.TrueAsync(() => spool.IsArchived(Scene.Located(Scene.Segment)), "it is archived", cancellationToken: Token);
        using var release = new ManualResetEventSlim();
        using var busy = new CountdownEvent(1000);
        for (var i = 0; i < busy.InitialCount; i++)
            ThreadPool.UnsafeQueueUserWorkItem(
                _ =>
                {
                    release.Wait();
                    busy.Signal();
                },
                null);

        var asked = WalResidentClient.TryArchiveAsync(Options.SocketPath!, path, Token);
        var answered = ((IAsyncResult)asked).AsyncWaitHandle.WaitOne(TimeSpan.FromSeconds(10));
        release.Set();
        busy.Wait(Token);

        answered.Should().BeTrue("neither client nor server needs the pool for it");
        (await asked).Should().Be(new ResidentAnswer(true));
    }

    [Fact]
    public async Task A_client_that_is_cancelled_stops_waiting()
    {
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(Options.SocketPath!));
        listener.Listen();
        using var stop = new CancellationTokenSource();

        var asked = WalResidentClient.TryArchiveAsync(Options.SocketPath!, ArchiveScene.PathOf(Scene.Segment), stop.Token);
        using var accepted = await listener.AcceptAsync(Token);
        await stop.CancelAsync();

        await FluentActions.Awaiting(() => asked).Should().ThrowAsync<OperationCanceledException>();
    }

    [Theory]
    [InlineData("nonsense\n")]
    [InlineData("{}\n")]
    [InlineData("{\"archive\":\"../../etc/passwd\"}\n")]
    public async Task A_request_that_names_no_file_is_refused(string line)
    {
        await using var archiver = Scene.Archiver().To(d => d.Store(new MemoryObjectStore())).Build();
        await using var resident = await RunningResident.StartAsync(archiver, Options, Token);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(Options.SocketPath!), Token);

        await socket.SendAsync(Encoding.UTF8.GetBytes(line), SocketFlags.None, Token);
        var buffer = new byte[1000];
        var count = await socket.ReceiveAsync(buffer, SocketFlags.None, Token);

        Encoding.UTF8.GetString(buffer, 0, count).Should().Be("""{"ok":false,"code":"wal.resident.request","message":"The request names no WAL file."}""" + "\n");
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"archive\":\"/srv/pg_wal/0000")]
    public async Task A_client_that_goes_away_in_the_middle_of_its_question_hinders_nobody(string part)
    {
        await using var archiver = Scene.Archiver().To(d => d.Store(new MemoryObjectStore())).Build();
        await using var resident = await RunningResident.StartAsync(archiver, Options, Token);
        using (var gone = await ConnectedAsync())
            await gone.SendAsync(Encoding.UTF8.GetBytes(part), SocketFlags.None, Token);
        // One that says nothing and stays is waited for, and nobody with it.
        using var silent = await ConnectedAsync();

        var asked = await WalResidentClient.TryArchiveAsync(Options.SocketPath!, Scene.Add(Scene.Segments[0]), Token);

        asked.Should().Be(new ResidentAnswer(true));
    }

    [Fact]
    public async Task A_question_without_an_end_is_cut_off()
    {
        await using var archiver = Scene.Archiver().To(d => d.Store(new MemoryObjectStore())).Build();
        await using var resident = await RunningResident.StartAsync(archiver, Options, Token);
        using var socket = await ConnectedAsync();

        var line = new byte[SocketLine.LongestLine];
        for (var sent = 0; sent < line.Length;)
            sent += await socket.SendAsync(line.AsMemory(sent), SocketFlags.None, Token);
        var answer = await socket.ReceiveAsync(new byte[1], SocketFlags.None, Token);
        var asked = await WalResidentClient.TryArchiveAsync(Options.SocketPath!, Scene.Add(Scene.Segments[0]), Token);

        (answer, asked).Should().Be((0, new ResidentAnswer(true)));
    }

    [Fact]
    public async Task A_client_and_a_process_of_different_versions_understand_what_both_know()
    {
        await using var archiver = Scene.Archiver().To(d => d.Store(new MemoryObjectStore())).Build();
        await using var resident = await RunningResident.StartAsync(archiver, Options, Token);
        using var newer = await ConnectedAsync();
        using var older = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        var path = Path.Combine(Scene.MakeDirectory("other"), "s");
        older.Bind(new UnixDomainSocketEndPoint(path));
        older.Listen();

        await newer.SendAsync(Encoding.UTF8.GetBytes($"{{\"version\":7,\"archive\":\"{Scene.Add(Scene.Segments[0])}\",\"hints\":{{\"x\":[1]}}}}\n"), SocketFlags.None, Token);
        var buffer = new byte[1000];
        var served = Encoding.UTF8.GetString(buffer, 0, await newer.ReceiveAsync(buffer, SocketFlags.None, Token));
        var asking = WalResidentClient.TryArchiveAsync(path, Scene.Add(Scene.Segments[1]), Token);
        using (var client = await older.AcceptAsync(Token))
        {
            // The question first: closing with it unread would break the client's connection, answer or not.
            await client.ReceiveAsync(buffer, SocketFlags.None, Token);
            await client.SendAsync("{\"ok\":true,\"took\":{\"ms\":3}}\n"u8.ToArray(), SocketFlags.None, Token);
        }

        served.Should().Be("{\"ok\":true}\n");
        (await asking).Should().Be(new ResidentAnswer(true));
    }

    [Fact]
    public async Task A_spool_that_goes_away_ends_nothing()
    {
        await using var archiver = Scene.Archiver().To(d => d.Store(new MemoryObjectStore())).Build();
        var options = Options;
        await using var resident = await RunningResident.StartAsync(archiver, options, Token);
        Directory.Delete(Path.Combine(options.SpoolDirectory, "push"), recursive: true);

        var asked = await WalResidentClient.TryArchiveAsync(options.SocketPath!, Scene.Add(Scene.Segments[0]), Token);
        MakeReady(Scene.Add(Scene.Segments[1]));
        await Eventually.TrueAsync(() => resident.Events.Count(e => e.Kind == ArchiveEventKind.Archived) >= 2, "the look-ahead goes on", cancellationToken: Token);

        asked.Should().Be(new ResidentAnswer(true));
    }

    [Fact]
    public async Task Only_one_process_uses_a_spool()
    {
        await using var archiver = Scene.Archiver().To(d => d.Store(new MemoryObjectStore())).Build();
        await using var resident = await RunningResident.StartAsync(archiver, Options, Token);

        (await RefusedAsync(archiver, Options)).Should().BeOfType<WalLockedException>();
    }

    [Fact]
    public async Task Only_one_process_serves_a_socket_and_that_of_a_dead_one_is_taken_over()
    {
        await using var archiver = Scene.Archiver().To(d => d.Store(new MemoryObjectStore())).Build();
        var other = Options;
        other.SpoolDirectory = Scene.MakeDirectory("other-spool");
        await using (await RunningResident.StartAsync(archiver, Options, Token))
        {
            (await RefusedAsync(archiver, other)).Should().BeOfType<WalLockedException>().Which.Message.Should().Contain($"The socket '{other.SocketPath}' is served by another process ('{Environment.ProcessId}').");
            (await WalResidentClient.TryArchiveAsync(other.SocketPath!, Scene.Add(), Token)).Should().Be(new ResidentAnswer(true), "the first still answers");
        }

        using (var foreign = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            // Under its first name it goes away with its process.
            var made = Path.Combine(Scene.Root, "t");
            foreign.Bind(new UnixDomainSocketEndPoint(made));
            foreign.Listen();
            File.Move(made, other.SocketPath!);
            (await RefusedAsync(archiver, other)).Should().BeOfType<WalLockedException>().Which.Message.Should().Contain("('unknown')");
        }

        File.Exists(other.SocketPath).Should().BeTrue();
        await using var next = await RunningResident.StartAsync(archiver, other, Token);
        (await WalResidentClient.TryArchiveAsync(other.SocketPath!, Scene.Add(), Token)).Should().Be(new ResidentAnswer(true));
    }

    [Fact]
    public async Task What_is_no_socket_is_not_removed_for_one()
    {
        await using var archiver = Scene.Archiver().To(d => d.Store(new MemoryObjectStore())).Build();
        await File.WriteAllTextAsync(Options.SocketPath!, "precious", Token);

        var refused = await RefusedAsync(archiver, Options);

        refused.Should().BeOfType<WalConfigurationException>().Which.Message.Should().Contain($"'{Options.SocketPath}' is there and is no socket.");
        (await File.ReadAllTextAsync(Options.SocketPath!, Token)).Should().Be("precious");
    }

    [Fact]
    public async Task Nobody_listening_is_no_answer()
    {
        (await WalResidentClient.TryArchiveAsync(Options.SocketPath!, ArchiveScene.PathOf(Scene.Segment), Token)).Should().BeNull();
    }

    [Fact]
    public async Task A_consumer_that_stops_reading_ends_the_mode()
    {
        MakeReady(Scene.Add());
        await using var archiver = Scene.Archiver().To(d => d.Store(new MemoryObjectStore())).Build();

        await foreach (var happened in new WalResident(archiver, Options).RunAsync(Token))
            if (happened.Kind == ArchiveEventKind.Archived)
                break;

        File.Exists(Options.SocketPath).Should().BeFalse();
    }

    /// <summary>What a resident mode that ends at once says; one that does not is ended after a while.</summary>
    private static async Task<Exception> RefusedAsync(WalArchiver archiver, WalResidentOptions options)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(TimeSpan.FromSeconds(30));
        var act = async () =>
        {
            await foreach (var _ in new WalResident(archiver, options).RunAsync(patience.Token))
            {
            }
        };
        return (await act.Should().ThrowAsync<WalException>()).Which;
    }

    private async Task<Socket> ConnectedAsync()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(Options.SocketPath!), Token);
        return socket;
    }

    private WalResidentOptions Options => new()
    {
        SpoolDirectory = Scene.MakeDirectory("spool"), SocketPath = Path.Combine(Scene.Root, "s"), PollInterval = TimeSpan.FromMilliseconds(20),
    };

    private string MakeReady(string path)
    {
        var status = Path.Combine(Scene.DataDirectory, "pg_wal", "archive_status", Path.GetFileName(path) + ".ready");
        File.WriteAllText(status, "");
        return status;
    }
}
