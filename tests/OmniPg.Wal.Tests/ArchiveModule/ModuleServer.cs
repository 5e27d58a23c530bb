using OmniPg.Testing;

namespace OmniPg.Wal.Tests.ArchiveModule;

/// <summary>A server whose <c>archive_library</c> is the module, with segments of 1 MiB, and a place for its resident process.</summary>
public sealed class ModuleServer : IAsyncLifetime
{
    private const int OldestMajor = 15;
    private readonly TemporaryDirectory _root = new(Directory.Exists("/dev/shm") ? "/dev/shm" : null, forServer: true);
    private string _module = "";
    private PgCluster? _cluster;
    private string? _missing;

    /// <summary>The server programs; <see langword="null"/> takes the ones that are found.</summary>
    public PgInstallation? Installation { get; init; }

    /// <summary>The server. Skips the test where there can be none with the module: a fixture that skips while it is made has its tests fail.</summary>
    public PgCluster Cluster
    {
        get
        {
            Assert.SkipWhen(_missing is not null, _missing ?? "");
            return _cluster!;
        }
    }

    public ServerCommand Program { get; } = ServerCommand.Prepare("omnipg-wal");

    public string Archive => _root.Combine("archive");

    public string Spool => _root.Combine("spool");

    public string Socket => _root.Combine("s");

    public string Root => _root.Path;

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var programs = Installation ?? (PgInstallations.Find() is [var best, ..] ? best : null);
        if (programs?.Major < OldestMajor)
            _missing = $"PostgreSQL {programs.Major} has no archive_library.";
        else if (!OperatingSystem.IsLinux())
            _missing = "The module is for Linux.";
        else if (await BuiltModule.TryCopyAsync(_root.Path) is { } module)
            _module = module;
        else
            _missing = "There is no C linker, or the package source has no native runtime pack for this SDK.";
        if (_missing is not null)
            return;
        _cluster = await StartAsync(null);
        await ConfigureAsync(Socket);
    }

    public async ValueTask DisposeAsync()
    {
        if (_cluster is not null)
            await _cluster.DisposeAsync();
        Program.Dispose();
        _root.Dispose();
    }

    /// <summary>Another server with the module, of a data directory that is there.</summary>
    public Task<PgCluster> StartAsync(string? data, string archiveMode = "on", params (string Name, string Value)[] more)
    {
        var settings = new Dictionary<string, string>
        {
            ["archive_mode"] = archiveMode,
            ["archive_library"] = _module,
            ["log_min_messages"] = "debug1",
            // What a test compares with its copy must not go with a checkpoint.
            ["wal_keep_size"] = "1GB",
        };
        foreach (var (name, value) in more)
            settings[name] = value;
        return PgCluster.StartAsync(
            new PgClusterOptions { Installation = Installation, InitDbArguments = ["--wal-segsize=1"], ExistingDataDirectory = data, Settings = settings }, Token);
    }

    /// <summary>Writes the socket, and more settings, into the configuration file and has the server read it; the archiver does so when it is next awake.</summary>
    public Task ConfigureAsync(string socket, params string[] lines)
    {
        // What an earlier test set is set back; of two lines the later holds.
        File.AppendAllLines(Path.Combine(Cluster.DataDirectory, "postgresql.conf"), ["omnipg_archive.shutdown_timeout = 10s", $"omnipg_archive.socket = '{socket.Replace("'", "''", StringComparison.Ordinal)}'", .. lines]);
        return Cluster.ExecuteAsync("SELECT pg_reload_conf()", Token);
    }

    public Task<ServerResident> StartResidentAsync() => ServerResident.StartAsync(Program, Cluster.DataDirectory, Archive, Spool, Socket);

    /// <summary>Ends a segment that holds something, and has the archiver look.</summary>
    /// <returns>Its name.</returns>
    public static async Task<string> EndSegmentAsync(PgCluster cluster)
    {
        await cluster.ExecuteAsync("SELECT pg_logical_emit_message(false, 'test', repeat('x', 5000))", Token);
        return await cluster.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())", Token);
    }

    public Task<string> EndSegmentAsync() => EndSegmentAsync(Cluster);

    /// <summary>Waits until the server itself says that a file is archived.</summary>
    public static Task ArchivedAsync(PgCluster cluster, string name) => Eventually.TrueAsync(
        () => File.Exists(Path.Combine(cluster.DataDirectory, "pg_wal", "archive_status", name + ".done")), $"the server says that '{name}' is archived:\n{cluster.ReadLog()}", TimeSpan.FromSeconds(120), Token);

    public Task ArchivedAsync(string name) => ArchivedAsync(Cluster, name);

    /// <summary>The archiver's process; waits until the server has started it.</summary>
    public async Task<int> ArchiverAsync()
    {
        var process = 0;
        await Eventually.TrueAsync(
            async () => (process = await Cluster.ScalarAsync<int>("SELECT coalesce((SELECT pid FROM pg_stat_activity WHERE backend_type = 'archiver'), 0)", Token)) != 0, "the archiver runs", cancellationToken: Token);
        return process;
    }

    public Task<long> FailuresAsync() => Cluster.ScalarAsync<long>("SELECT failed_count FROM pg_stat_archiver", Token);

    /// <summary>Waits for a line of the server's log that was not there before.</summary>
    public Task LoggedAsync(string text, int from) =>
        Eventually.TrueAsync(() => Cluster.ReadLog()[from..].Contains(text, StringComparison.Ordinal), $"the log says '{text}'", TimeSpan.FromSeconds(60), Token);
}
