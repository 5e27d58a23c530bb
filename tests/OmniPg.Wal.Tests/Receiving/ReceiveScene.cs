using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Receiving;

/// <summary>The tests of the receiver that do not stop or change its server share one.</summary>
[CollectionDefinition(nameof(ReceiveCollection))]
public sealed class ReceiveCollection : ICollectionFixture<ReceiveScene>;

/// <summary>A server with 1 MiB segments that keeps its WAL, and a role with the documented rights.</summary>
public sealed class ReceiveScene : IAsyncLifetime
{
    /// <summary>As docs/receiver.md has it.</summary>
    public const string Grants =
        """
        CREATE ROLE receiver LOGIN REPLICATION;
        GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text) TO receiver;
        """;

    private static int _number;
    private readonly TemporaryDirectory _root = new(Directory.Exists("/dev/shm") ? "/dev/shm" : null, forServer: true);

    public PgCluster Server { get; private set; } = null!;

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public string Connection => Server.GetConnectionString(user: "receiver");

    public async ValueTask InitializeAsync()
    {
        Server = await StartServerAsync();
        await Server.ExecuteAsync("CREATE TABLE load (id serial PRIMARY KEY, filler text)", Token);
    }

    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
            await Server.DisposeAsync();
        _root.Dispose();
    }

    public static async Task<PgCluster> StartServerAsync(params (string Name, string Value)[] settings)
    {
        var all = new Dictionary<string, string> { ["wal_keep_size"] = "1GB", ["max_wal_size"] = "64MB", ["wal_level"] = "replica" };
        foreach (var (name, value) in settings)
            all[name] = value;
        var server = await PgCluster.StartAsync(new PgClusterOptions { InitDbArguments = ["--wal-segsize=1"], Settings = all }, Token);
        await server.ExecuteAsync(Grants, Token);
        return server;
    }

    /// <summary>A fresh, empty directory.</summary>
    public string Fresh(string name) => Directory.CreateDirectory(_root.Combine($"{name}-{Interlocked.Increment(ref _number)}")).FullName;

    /// <summary>Options for a slot of its own in a directory of its own.</summary>
    public WalReceiverOptions Options(params WalDestinationOptions[] destinations) => new()
    {
        Slot = $"slot_{Interlocked.Increment(ref _number)}",
        CreateSlot = true,
        Directory = Fresh("into"),
        FlushInterval = TimeSpan.FromMilliseconds(50),
        LongestWait = TimeSpan.FromMilliseconds(500),
        Destinations = destinations,
    };

    /// <summary>Starts a receiver; disposing stops it and drops its slot.</summary>
    public Task<RunningReceiver> StartAsync(WalReceiverOptions options) => RunningReceiver.StartAsync(Server, Connection, options);

    /// <summary>Writes about <paramref name="megabytes"/> MiB of WAL.</summary>
    public static Task LoadAsync(PgCluster server, int megabytes = 3) =>
        server.ExecuteAsync($"INSERT INTO load (filler) SELECT string_agg(md5(random()::text), '') FROM generate_series(1, {megabytes * 1000}) g, generate_series(1, 30) GROUP BY g", Token);

    /// <summary>The bytes of the server's segment.</summary>
    public static byte[] Original(PgCluster server, string name) => File.ReadAllBytes(Path.Combine(server.DataDirectory, "pg_wal", name));
}

/// <summary>A receiver at work.</summary>
public sealed class RunningReceiver : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private bool _isDisposed;

    private RunningReceiver(PgCluster server, WalReceiver receiver, WalReceiverOptions options)
    {
        (Server, Receiver, Options) = (server, receiver, options);
        Task = receiver.RunAsync(_stop.Token);
    }

    public PgCluster Server { get; set; }

    public WalReceiver Receiver { get; }

    public WalReceiverOptions Options { get; }

    public Task Task { get; }

    public string Into => Options.Directory;

    /// <summary>Complete segments in the directory, in order.</summary>
    public IReadOnlyList<string> Segments => [.. Directory.GetFiles(Into).Select(f => Path.GetFileName(f)!).Where(static n => n.Length == 24).Order(StringComparer.Ordinal)];

    public static async Task<RunningReceiver> StartAsync(PgCluster server, string connection, WalReceiverOptions options, TimeProvider? time = null)
    {
        var running = new RunningReceiver(server, new WalReceiver(connection, options, timeProvider: time), options);
        await running.UntilAsync(() => running.Receiver.Status.State == WalReceiverState.Streaming || running.Task.IsCompleted, "WAL flows");
        return running;
    }

    /// <summary>Why a receiver ends that must not run.</summary>
    public static async Task<Exception> FailureOfAsync(WalReceiver receiver)
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        return (await Record.ExceptionAsync(() => receiver.RunAsync(stop.Token)))!;
    }

    public Task UntilAsync(Func<bool> condition, string what) => Eventually.TrueAsync(
        () => Task.IsFaulted ? throw Task.Exception!.InnerException! : condition(), what, TimeSpan.FromSeconds(60), ReceiveScene.Token);

    /// <summary>Waits until everything that the server has written is on the receiver's disk.</summary>
    public async Task CaughtUpAsync()
    {
        var end = NpgsqlTypes.NpgsqlLogSequenceNumber.Parse(await Server.ScalarAsync<string>("SELECT pg_current_wal_insert_lsn()::text", ReceiveScene.Token));
        await UntilAsync(() => Receiver.Status.Flushed >= end, $"'{end}' is received");
    }

    /// <summary>Ends the current segment and waits until the one that held the last write is complete here.</summary>
    public async Task<string> SwitchAsync()
    {
        // Something to switch from: at the very start of a segment there is nothing to end.
        var last = await Server.ScalarAsync<string>("SELECT pg_walfile_name(pg_create_restore_point('switch'))", ReceiveScene.Token);
        await Server.ExecuteAsync("SELECT pg_switch_wal()", ReceiveScene.Token);
        await UntilAsync(() => Segments is [.., var newest] && string.CompareOrdinal(newest, last) >= 0, $"'{last}' is complete");
        return last;
    }

    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await Task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public async ValueTask DisposeAsync()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        await StopAsync();
        _stop.Dispose();
        if (!Server.IsRunning)
            return;
        await Eventually.TrueAsync(
            () => Server.ScalarAsync<bool>($"SELECT NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{Options.Slot}' AND active)", CancellationToken.None), "the slot is free");
        await Server.ExecuteAsync($"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{Options.Slot}'", CancellationToken.None);
    }
}
