using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>All tests of base backups share one scene.</summary>
[CollectionDefinition(nameof(BackupCollection))]
public sealed class BackupCollection : ICollectionFixture<BackupScene>;

/// <summary>
/// A server that archives through the program (1 MiB segments), with a tablespace in a folder of an odd name, an unlogged table and 1000 rows in two tablespaces, and a
/// begun store for backups.
/// </summary>
public sealed class BackupScene : IAsyncLifetime
{
    private readonly TemporaryDirectory _root = new(Directory.Exists("/dev/shm") ? "/dev/shm" : null, forServer: true);
    private int _folders;
    private (DirectoryObjectStore Store, BackupInfo Backup)? _made;

    /// <summary>The server programs; <see langword="null"/> takes the ones that are found.</summary>
    public PgInstallation? Installation { get; init; }

    /// <summary>Whether the server has a tablespace; without one its rows are all in the data directory.</summary>
    public bool HasTablespace { get; init; } = true;

    public PgCluster Server { get; private set; } = null!;

    public ServerCommand Program { get; } = ServerCommand.Prepare("omnipg-wal");

    public string Archive => _root.Combine("archive");

    public string Tablespace => _root.Combine("space ä %f");

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public IObjectStore ArchiveStore => new DirectoryObjectStore(Archive);

    public string RestoreCommand => Program.Line("restore", "--timeout", "1", "--source", Archive, "%f", "%p");

    public async ValueTask InitializeAsync()
    {
        foreach (var folder in (string[])[Archive, Tablespace])
            Directory.CreateDirectory(folder);
        ServerAccount.Own(_root.Path);
        Server = await PgCluster.StartAsync(
            new PgClusterOptions
            {
                Installation = Installation,
                // Torn pages are what full page writes are there for; off, a backup of a server at work cannot be right.
                Durable = true,
                InitDbArguments = ["--wal-segsize=1", "--data-checksums"],
                Settings = new Dictionary<string, string>
                {
                    ["archive_mode"] = "on",
                    ["archive_command"] = Program.Line("archive", "--dst-local", $"zstd={Archive}", "%p"),
                    ["max_wal_size"] = "64MB",
                    ["fsync"] = "off",
                },
            },
            Token);
        if (HasTablespace)
            await Server.ExecuteAsync($"CREATE TABLESPACE other LOCATION '{Tablespace}'", Token);
        await Server.ExecuteAsync("CREATE TABLE kept (id int PRIMARY KEY, filler text)", Token);
        await Server.ExecuteAsync($"CREATE TABLE far (id int PRIMARY KEY, filler text) {(HasTablespace ? "TABLESPACE other" : "")}", Token);
        await Server.ExecuteAsync("CREATE UNLOGGED TABLE passing AS SELECT generate_series(1, 1000) i", Token);
        await Server.ExecuteAsync("INSERT INTO kept SELECT i, repeat('x', 500) FROM generate_series(1, 1000) i", Token);
        await Server.ExecuteAsync("INSERT INTO far SELECT i, md5(i::text) FROM generate_series(1, 1000) i", Token);
        await Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
        await ArchivedAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
            await Server.DisposeAsync();
        Program.Dispose();
        _root.Dispose();
    }

    /// <summary>A fresh path below the scene's folder; nothing is made.</summary>
    public string Fresh(string name) => _root.Combine($"{name}-{Interlocked.Increment(ref _folders)}");

    /// <summary>A begun store without backups.</summary>
    public async Task<DirectoryObjectStore> NewStoreAsync()
    {
        var store = new DirectoryObjectStore(Directory.CreateDirectory(Fresh("backups")).FullName);
        var control = await PgControlFile.ReadAsync(Server.DataDirectory, cancellationToken: Token);
        await new WalArchiveMarker { SystemIdentifier = control.SystemIdentifier, PgVersion = Server.MajorVersion, WalSegmentSize = control.SegmentSize }.WriteAsync(store, Token);
        return store;
    }

    /// <summary>A store with one backup, the same for all who only read it.</summary>
    public async Task<(DirectoryObjectStore Store, BackupInfo Backup)> MadeAsync()
    {
        if (_made is null)
        {
            var store = await NewStoreAsync();
            _made = (store, (await BackupTo(store).RunAsync(cancellationToken: Token)).Backup);
        }

        return _made.Value;
    }

    /// <summary>A copy of that store, to be damaged.</summary>
    public async Task<(DirectoryObjectStore Store, BackupInfo Backup)> CopyOfMadeAsync()
    {
        var (store, backup) = await MadeAsync();
        var copy = await NewStoreAsync();
        foreach (var file in Directory.GetFiles(Directory.CreateDirectory(Path.Combine(copy.Root, backup.Id)).FullName.Replace(copy.Root, store.Root, StringComparison.Ordinal)))
            File.Copy(file, file.Replace(store.Root, copy.Root, StringComparison.Ordinal));
        return (copy, backup);
    }

    public BaseBackup BackupTo(IObjectStore store, bool withArchive = true, BaseBackupOptions? options = null) =>
        new(Server.DataSource, store, withArchive ? ArchiveStore : null, options ?? new BaseBackupOptions());

    /// <summary>Options of a restore that recovers from the scene's archive and opens for writing, with the tablespace mapped to a fresh folder.</summary>
    public BackupRestoreOptions RestoreOptions() => new()
    {
        RestoreCommand = RestoreCommand,
        TargetAction = "promote",
        TablespaceMap = HasTablespace ? new Dictionary<string, string> { [Tablespace] = Fresh("space") } : [],
    };

    /// <summary>Waits until the next backup gets another id.</summary>
    public Task NextSecondAsync(BackupInfo last) => Eventually.TrueAsync(
        () => Server.ScalarAsync<bool>($"SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYYMMDD\"T\"HH24MISS\"Z\"') > '{last.Id}'", Token), "a second passes", TimeSpan.FromSeconds(30), Token);

    /// <summary>Waits until nothing is left to archive: a program is started for each segment.</summary>
    public Task ArchivedAsync() => Eventually.TrueAsync(
        () => Directory.GetFiles(Path.Combine(Server.DataDirectory, "pg_wal", "archive_status"), "*.ready").Length == 0, "all WAL is archived", TimeSpan.FromMinutes(5), Token);

    /// <summary>What the archive holds now, as plain files: a shell fetches them in no time.</summary>
    public async Task<DirectoryObjectStore> PlainArchiveAsync(string? without = null)
    {
        var copy = Directory.CreateDirectory(Fresh("plain")).FullName;
        File.Copy(Path.Combine(Archive, WalArchiveMarker.Key), Path.Combine(copy, WalArchiveMarker.Key));
        await foreach (var file in new WalRepository(ArchiveStore).ListAsync(Token))
        {
            if (file.Name.ToString() == without)
                continue;
            await using var content = await WalContent.OpenReadAsync(ArchiveStore, file.Key, Token);
            await using var target = File.Create(Path.Combine(copy, file.Name.ToString()));
            await content!.CopyToAsync(target, Token);
        }

        ServerAccount.Own(copy);
        return new DirectoryObjectStore(copy);
    }

    /// <summary>Starts a server on a restored folder and waits until its recovery is over.</summary>
    public async Task<PgCluster> StartAsync(string folder)
    {
        var settings = new Dictionary<string, string> { ["archive_mode"] = "off" };
        var server = await PgCluster.StartAsync(new PgClusterOptions { Installation = Installation, ExistingDataDirectory = folder, Settings = settings }, Token);
        try
        {
            await Eventually.TrueAsync(() => server.ScalarAsync<bool>("SELECT NOT pg_is_in_recovery()", Token), "the recovery ends", TimeSpan.FromMinutes(5), Token);
        }
        catch (TimeoutException late)
        {
            throw new TimeoutException($"{late.Message} The server says:\n{server.ReadLog()}", late);
        }

        return server;
    }

    /// <summary>A standby that streams from the server, with the same archive.</summary>
    public async Task<PgCluster> StandbyAsync()
    {
        var (store, _) = await MadeAsync();
        var folder = Fresh("standby");
        var options = RestoreOptions();
        var primary = new Npgsql.NpgsqlConnectionStringBuilder(Server.ConnectionString);
        (options.Standby, options.PrimaryConnectionInfo) = (true, $"host={primary.Host} port={primary.Port} user={primary.Username}");
        await new BackupRestore(store, options).RunAsync(folder, cancellationToken: Token);
        var standby = await PgCluster.StartAsync(
            new PgClusterOptions { Installation = Installation, ExistingDataDirectory = folder, Durable = true, Settings = new Dictionary<string, string> { ["archive_mode"] = "off", ["fsync"] = "off" } }, Token);
        await Eventually.TrueAsync(() => standby.ScalarAsync<bool>("SELECT pg_is_in_recovery() AND EXISTS (SELECT FROM pg_stat_wal_receiver)", Token), "it streams", TimeSpan.FromMinutes(5), Token);
        return standby;
    }

    /// <summary>Waits until a standby has replayed all that the server has written.</summary>
    public async Task ReplayedAsync(PgCluster standby)
    {
        var end = await Server.ScalarAsync<string>("SELECT pg_current_wal_lsn()::text", Token);
        await Eventually.TrueAsync(() => standby.ScalarAsync<bool>($"SELECT pg_last_wal_replay_lsn() >= '{end}'", Token), "the standby has replayed it", TimeSpan.FromMinutes(5), Token);
    }

    /// <summary>Runs a program of the server, such as <c>pg_verifybackup</c>.</summary>
    public Task<ProgramResult> RunAsync(string program, params string[] words) =>
        ServerProgram.RunAsync(Path.Combine(Server.BinDirectory, program), words, null, Token);
}
