using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Npgsql.Replication;
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
        var status = running.Receiver.Status;
        // One look: it tries again soon.
        await running.UntilAsync(() => (status = running.Receiver.Status) is { State: WalReceiverState.Waiting, LastError: not null }, "the silence is noticed");
        relay.Speak();
        var last = await running.SwitchAsync();

        status.LastError.Should().BeAssignableTo<NpgsqlException>().Which.InnerException.Should().BeOfType<TimeoutException>();
        RequireEqual(running.Into, last);
        running.Receiver.Status.LastError.Should().BeNull();
    }

    [Fact]
    public async Task A_confirmation_that_meets_the_end_of_its_connection_says_that_it_is_broken()
    {
        await using var relay = new TcpRelay(_server.Port);
        var options = Options();
        await using var server = await ConfirmationHook.WithLoggerAsync(() => ReceiveServer.OpenAsync(Through(relay), options, Token));
        await server.TryCreateSlotAsync(Token);
        var start = (ulong)server.End - ((ulong)server.End % (uint)server.SegmentSize.Bytes);
        await using var messages = server.Connection.StartReplication(new PhysicalReplicationSlot(options.Slot), new(start), Token, server.Cluster.Timeline).GetAsyncEnumerator(Token);
        for (var taken = start; taken < (ulong)server.End; taken = (ulong)messages.Current.WalStart + (ulong)messages.Current.Data.Length)
            (await messages.MoveNextAsync()).Should().BeTrue();
        var pending = messages.MoveNextAsync().AsTask();

        // The driver has found the connection to be there, and then the read beside it finds that it is not.
        ConfirmationHook.Run(() =>
        {
            relay.Cut();
            Record.Exception(() =>
            {
                while (pending.GetAwaiter().GetResult())
                    pending = messages.MoveNextAsync().AsTask();
            }).Should().BeAssignableTo<NpgsqlException>();
        });
        var failure = await Record.ExceptionAsync(() => server.ConfirmAsync(server.End, Token));
        var later = await Record.ExceptionAsync(() => server.ConfirmAsync(server.End, Token));

        failure.Should().BeOfType<NpgsqlException>().Which.InnerException.Should().BeOfType<NullReferenceException>();
        later.Should().BeOfType<NpgsqlException>().Which.InnerException.Should().BeOfType<InvalidOperationException>();
    }

    [Fact]
    public async Task What_is_no_word_for_a_broken_connection_stays_what_it_is()
    {
#pragma warning disable CA2201 // As the driver has it.
        var unexpected = new Exception("Received unexpected backend message NoticeResponse.");
#pragma warning restore CA2201

        var broken = await Record.ExceptionAsync(() => ReceiveServer.DriverAsync<int>(() => throw unexpected));
        var refused = await Record.ExceptionAsync(() => ReceiveServer.DriverAsync<int>(static () => throw new NotSupportedException("PostgreSQL 9")));

        broken.Should().BeOfType<NpgsqlException>().Which.Message.Should().Contain("is broken");
        refused.Should().BeOfType<NotSupportedException>();
    }

    [Fact]
    public async Task An_idle_server_is_not_taken_for_a_lost_one()
    {
        await using var relay = new TcpRelay(_server.Port);
        // As long as this the server says nothing by itself.
        await _server.ExecuteAsync("ALTER SYSTEM SET wal_sender_timeout = 0", Token);
        await _server.ExecuteAsync("SELECT pg_reload_conf()", Token);
        var options = Options();
        options.ReceiveTimeout = TimeSpan.FromSeconds(5);
        await using var running = await RunningReceiver.StartAsync(_server, Through(relay), options);
        var walsender = await _server.ScalarAsync<int>("SELECT pid FROM pg_stat_replication", Token);

        await Eventually.TrueAsync(() => _server.ScalarAsync<bool>("SELECT clock_timestamp() > backend_start + '12s' FROM pg_stat_replication", Token), "time passes", TimeSpan.FromSeconds(60), Token);

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
        var behind = receiver.Status;
        await Eventually.TrueAsync(
            () => receiving.IsCompleted || (behind = receiver.Status) is { State: WalReceiverState.Waiting, LastError: not null }, "it sees where the server ends", TimeSpan.FromSeconds(60), Token);
        var waiting = WalIn(options.Directory);
        var isWaiting = !receiving.IsCompleted;
        await ReceiveScene.LoadAsync(restored, 6);
        var failure = await Record.ExceptionAsync(() => receiving.WaitAsync(TimeSpan.FromSeconds(60), Token));

        isWaiting.Should().BeTrue();
        var told = behind.LastError.Should().BeOfType<WalReceiveException>().Which;
        (told.Code, told.IsTransient).Should().Be(("wal.receive.behind", true));
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

    /// <summary>Something that happens between two steps of the driver's confirmation: right behind its look at the state of the connection it logs.</summary>
    private sealed class ConfirmationHook : ILoggerFactory, ILogger
    {
        private static readonly AsyncLocal<Action?> Next = new();

        /// <summary>Makes a connection of the driver log here; what others open meanwhile does so too, and nothing comes of it.</summary>
        public static async Task<T> WithLoggerAsync<T>(Func<Task<T>> open)
        {
            using var hook = new ConfirmationHook();
            NpgsqlLoggingConfiguration.InitializeLogging(hook);
            try
            {
                return await open();
            }
            finally
            {
                NpgsqlLoggingConfiguration.InitializeLogging(NullLoggerFactory.Instance);
            }
        }

        /// <summary>Runs something at the next confirmation of the caller.</summary>
        public static void Run(Action next) => Next.Value = next;

        public ILogger CreateLogger(string categoryName) => this;

        public bool IsEnabled(LogLevel logLevel) => Next.Value is not null;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (Next.Value is not { } next || eventId.Name != "SendingReplicationStandbyStatusUpdate")
                return;
            Next.Value = null;
            next();
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public void Dispose()
        {
        }
    }
}
