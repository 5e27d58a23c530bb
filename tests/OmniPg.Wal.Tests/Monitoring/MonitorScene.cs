using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Monitoring;

/// <summary>All tests of the monitor that ask a server share one.</summary>
[CollectionDefinition(nameof(MonitorCollection))]
public sealed class MonitorCollection : ICollectionFixture<MonitorScene>;

/// <summary>A server with 1 MiB segments that nothing but its test writes to, and whose archive_command waits while one file exists and fails while another does.</summary>
public sealed class MonitorScene : IAsyncLifetime
{
    private readonly TemporaryDirectory _root = new(Directory.Exists("/dev/shm") ? "/dev/shm" : null, forServer: true);
    private int _folders;

    public PgCluster Server { get; private set; } = null!;

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public string Archive => _root.Combine("archive");

    public DirectoryObjectStore ArchiveStore => new(Archive);

    /// <summary>While this exists, archive_command hangs.</summary>
    public string Hold => _root.Combine("hold");

    /// <summary>While this exists, archive_command fails.</summary>
    public string Fail => _root.Combine("fail");

    public IReadOnlyList<string> Archived => [.. Directory.GetFiles(Archive).Select(f => Path.GetFileName(f)).Where(n => n.Length == 24).Order(StringComparer.Ordinal)];

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Archive);
        ServerAccount.Own(_root.Path);
        Server = await PgCluster.StartAsync(
            new PgClusterOptions
            {
                InitDbArguments = ["--wal-segsize=1"],
                Settings = new Dictionary<string, string>
                {
                    ["archive_mode"] = "on",
                    ["archive_command"] = $"test ! -f {Fail} && while test -f {Hold}; do sleep 0.05; done && cp %p {Archive}/%f",
                    ["autovacuum"] = "off",
                    ["synchronous_commit"] = "on",
                    ["track_commit_timestamp"] = "on",
                    ["wal_level"] = "replica",
                    ["max_wal_size"] = "256MB",
                },
            },
            Token);
        await MarkAsync(ArchiveStore);
        await Server.ExecuteAsync("CREATE TABLE load (id int)", Token);
    }

    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
        {
            Release();
            await Server.DisposeAsync();
        }

        _root.Dispose();
    }

    public string Fresh(string name) => _root.Combine($"{name}-{Interlocked.Increment(ref _folders)}");

    /// <summary>Begins a store for this cluster.</summary>
    public async Task MarkAsync(IObjectStore store)
    {
        var control = await PgControlFile.ReadAsync(Server.DataDirectory, cancellationToken: Token);
        await new WalArchiveMarker { SystemIdentifier = control.SystemIdentifier, PgVersion = Server.MajorVersion, WalSegmentSize = control.SegmentSize }.WriteAsync(store, Token);
    }

    /// <summary>Lets archive_command go on, and waits until nothing is left to archive.</summary>
    public async Task CaughtUpAsync()
    {
        Release();
        var last = await SwitchAsync();
        // The server counts a file after it has marked it as archived.
        await Eventually.TrueAsync(
            async () => await Server.ScalarAsync<bool>($"SELECT coalesce(last_archived_wal = '{last}', false) FROM pg_stat_archiver", Token) && Directory.GetFiles(Path.Combine(Server.DataDirectory, "pg_wal", "archive_status"), "*.ready").Length == 0,
            "all WAL is archived", TimeSpan.FromSeconds(120), Token);
    }

    /// <summary>A state to begin with: everything archived, no gap, nothing failed, the newest archived segment with a list of running transactions.</summary>
    public async Task HealthyAsync()
    {
        await CaughtUpAsync();
        foreach (var old in Archived)
            File.Delete(Path.Combine(Archive, old));
        await CommitAsync();
        await Server.ExecuteAsync("CHECKPOINT", Token);
        await CaughtUpAsync();
        await Server.ExecuteAsync("SELECT pg_stat_reset_shared('archiver')", Token);
        await Eventually.TrueAsync(() => Server.ScalarAsync<bool>("SELECT failed_count = 0 FROM pg_stat_archiver", Token), "the counts are reset", TimeSpan.FromSeconds(30), Token);
    }

    /// <summary>Commits a row.</summary>
    /// <returns>When, as the server wrote it into WAL.</returns>
    public Task<DateTimeOffset> CommitAsync() => CommitAsync("INSERT INTO load VALUES (1)");

    public async Task<DateTimeOffset> CommitAsync(string sql)
    {
        await Server.ExecuteAsync(sql, Token);
        return new DateTimeOffset(await Server.ScalarAsync<DateTime>("SELECT timestamp FROM pg_last_committed_xact()", Token));
    }

    /// <summary>Ends the segment.</summary>
    /// <returns>Its name.</returns>
    public async Task<string> SwitchAsync()
    {
        await Server.ExecuteAsync("SELECT pg_create_restore_point('end of segment')", Token);
        return await Server.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())", Token);
    }

    /// <summary>Looks once.</summary>
    public Task<WalMonitorResult> LookAsync(WalMonitorOptions? options = null, IObjectStore? backups = null) =>
        new WalMonitor(Server.DataSource, ArchiveStore, backups, options).RunAsync(Token);

    private void Release()
    {
        File.Delete(Hold);
        File.Delete(Fail);
    }
}

internal static class MonitorResultExtensions
{
    public static WalCheckResult Of(this WalMonitorResult result, WalCheck check) => result.Checks.Single(c => c.Check == check);
}
