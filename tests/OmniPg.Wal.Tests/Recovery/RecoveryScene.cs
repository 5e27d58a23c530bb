using System.Globalization;
using Npgsql;
using OmniPg.Shared;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Recovery;

/// <summary>All tests of recovery share one scene.</summary>
[CollectionDefinition(nameof(RecoveryCollection))]
public sealed class RecoveryCollection : ICollectionFixture<RecoveryScene>;

/// <summary>The tests of the program beside the recoveries have a scene of their own, so that both sets run side by side.</summary>
[CollectionDefinition(nameof(ProgramCollection))]
public sealed class ProgramCollection : ICollectionFixture<RecoveryScene>;

/// <summary>
/// A server that archives through the program (1 MiB segments, zstd, and a plain copy for comparison), a base backup, and a history of known moments:
/// 100 rows, a restore point, 100 more rows, the table dropped. Made once for each of the two collections.
/// </summary>
public sealed class RecoveryScene : IAsyncLifetime
{
    public const string PointName = "before the \"accident\" %f $(x)";

    private readonly TemporaryDirectory _root = new(Directory.Exists("/dev/shm") ? "/dev/shm" : null, forServer: true);

    /// <summary>The server programs; <see langword="null"/> takes the ones that are found.</summary>
    public PgInstallation? Installation { get; init; }

    public PgCluster Primary { get; private set; } = null!;

    public ServerCommand Program { get; } = ServerCommand.Prepare("omnipg-wal");

    public string Archive => _root.Combine("archive");

    public string PlainCopies => _root.Combine("plain");

    public string Backup => _root.Combine("backup");

    public string Lsn { get; private set; } = "";

    public string Time { get; private set; } = "";

    public string Xid { get; private set; } = "";

    public string Root => _root.Path;

    public async ValueTask InitializeAsync()
    {
        var token = TestContext.Current.CancellationToken;
        foreach (var directory in (string[])[Archive, PlainCopies])
            Directory.CreateDirectory(directory);
        ServerAccount.Own(_root.Path);
        Primary = await PgCluster.StartAsync(
            new PgClusterOptions
            {
                Installation = Installation,
                InitDbArguments = ["--wal-segsize=1"],
                Settings = new Dictionary<string, string>
                {
                    ["archive_mode"] = "on",
                    ["archive_command"] = $"{Program.Line("archive", "--dst-local", $"zstd={Archive}", "%p")} && cp %p {PlainCopies}/%f",
                    ["max_wal_size"] = "64MB",
                    // A segment that a test asks for must not go with a checkpoint that a slow machine reaches.
                    ["wal_keep_size"] = "1GB",
                },
            },
            token);
        await Primary.ExecuteAsync("CREATE TABLE kept (id int PRIMARY KEY, filler text)", token);
        await FileBackup.TakeAsync(Primary, Backup, token);
        await LiveAsync(token);
        await AllArchivedAsync(token);
    }

    public async ValueTask DisposeAsync()
    {
        if (Primary is not null)
            await Primary.DisposeAsync();
        await EndFetchingAheadAsync();
        Program.Dispose();
        _root.Dispose();
    }

    // A run that fetches ahead outlives the server that it fetches for, and would write into the directory while it is deleted. Without a position it ends.
    private async Task EndFetchingAheadAsync()
    {
        foreach (var position in Directory.GetFiles(Root, ".position", SearchOption.AllDirectories))
            File.Delete(position);
        foreach (var held in Directory.GetFiles(Root, ".lock", SearchOption.AllDirectories).Where(l => Path.GetFileName(Path.GetDirectoryName(l)) == "get"))
            await Eventually.TrueAsync(() => !FileLock.IsHeld(held), $"nobody fetches ahead under '{held}'", TimeSpan.FromSeconds(60), CancellationToken.None);
    }

    /// <summary>Switches the segment and waits until nothing is left to archive.</summary>
    public async Task AllArchivedAsync(CancellationToken cancellationToken)
    {
        var last = await Primary.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())", cancellationToken);
        await Eventually.TrueAsync(
            () => File.Exists(Path.Combine(PlainCopies, last)), $"'{last}' is archived", TimeSpan.FromSeconds(120), cancellationToken);
    }

    public string RestoreCommand(params string[] sources) =>
        Program.Line(["restore", "--timeout", "1", .. (sources.Length == 0 ? [Archive] : sources).SelectMany(s => (string[])["--source", s]), "%f", "%p"]);

    /// <summary>Unpacks the backup and starts a server on it that recovers to a target and opens for writing.</summary>
    public async Task<PgCluster> RecoverAsync(string restoreCommand, params (string Name, string Value)[] settings) => await StartAsync(
        await FileBackup.UnpackAsync(Backup, Root, "recovery.signal", TestContext.Current.CancellationToken), restoreCommand, Installation, settings);

    /// <summary>Starts a server on an unpacked backup and waits until its recovery is over.</summary>
    public static Task<PgCluster> StartAsync(string data, string restoreCommand, params (string Name, string Value)[] settings) =>
        StartAsync(data, restoreCommand, null, settings);

    private static async Task<PgCluster> StartAsync(string data, string restoreCommand, PgInstallation? installation, params (string Name, string Value)[] settings)
    {
        var token = TestContext.Current.CancellationToken;
        var cluster = await PgCluster.StartAsync(new PgClusterOptions { Installation = installation, ExistingDataDirectory = data, Settings = Settings(restoreCommand, settings) }, token);
        await Eventually.TrueAsync(
            () => cluster.ScalarAsync<bool>("SELECT NOT pg_is_in_recovery()", token), "the recovery ends", TimeSpan.FromSeconds(120), token);
        return cluster;
    }

    public static Dictionary<string, string> Settings(string restoreCommand, params (string Name, string Value)[] settings)
    {
        var all = new Dictionary<string, string>
        {
            ["restore_command"] = restoreCommand,
            ["recovery_target_action"] = "promote",
            ["archive_mode"] = "off",
        };
        foreach (var (name, value) in settings)
            all[name] = value;
        return all;
    }

    private async Task LiveAsync(CancellationToken token)
    {
        await using var session = await Primary.DataSource.OpenConnectionAsync(token);
        Xid = await ScalarAsync(session, "INSERT INTO kept SELECT i, repeat('x', 20000) FROM generate_series(1, 100) i RETURNING xmin::text", token);
        await using (var point = new NpgsqlCommand("SELECT pg_create_restore_point($1)", session) { Parameters = { new() { Value = PointName } } })
            await point.ExecuteNonQueryAsync(token);
        Lsn = await ScalarAsync(session, "SELECT pg_current_wal_insert_lsn()::text", token);
        Time = await ScalarAsync(session, "SELECT clock_timestamp()::text FROM pg_sleep(0.05)", token);
        await ScalarAsync(session, "INSERT INTO kept SELECT i, md5(i::text) FROM generate_series(101, 200) i RETURNING id::text", token);
        await ScalarAsync(session, "CREATE TABLE load AS SELECT i, md5(i::text) AS t FROM generate_series(1, 35000) i; SELECT ''", token);
        await ScalarAsync(session, "UPDATE load SET t = t || 'x'; SELECT ''", token);
        await ScalarAsync(session, "CREATE TABLE after_all (id int); DROP TABLE load; SELECT ''", token);
    }

    private static async Task<string> ScalarAsync(NpgsqlConnection session, string sql, CancellationToken token)
    {
        await using var command = new NpgsqlCommand(sql, session);
        await using var reader = await command.ExecuteReaderAsync(token);
        do
        {
            if (reader.FieldCount > 0 && await reader.ReadAsync(token))
                return Convert.ToString(reader.GetValue(0), CultureInfo.InvariantCulture)!;
        }
        while (await reader.NextResultAsync(token));
        return "";
    }
}
