using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Segments;

/// <summary>Archive of a server that was backed up, restored from its archive as a standby, promoted, and written to again.</summary>
public sealed class PromotedServer : IAsyncLifetime
{
    private readonly TemporaryDirectory _directory = new(Directory.Exists("/dev/shm") ? "/dev/shm" : null, forServer: true);

    public WalExpectations Expectations { get; private set; } = WalExpectations.Any;

    public WalSegmentSize SegmentSize { get; } = WalSegmentSize.FromBytes(1 << 20);

    public IReadOnlyList<WalFileName> Names { get; private set; } = [];

    public WalFileName Partial => Names.Single(n => n.Kind == WalFileKind.Partial);

    public WalFileName FirstOfNewTimeline => Names.First(n => n is { Kind: WalFileKind.Segment, Timeline: 2 });

    public TimelineHistory History => TimelineHistory.Parse(2, File.ReadAllText(_directory.Combine("archive", "00000002.history")));

    /// <summary>Segments from the first of timeline 1 over the switch to the last of timeline 2.</summary>
    public IEnumerable<WalFileName> Path => Names.Where(n => n.Kind == WalFileKind.Segment && (n.Timeline == 2 || n.Position < FirstOfNewTimeline.Position))
        .OrderBy(n => n.Position);

    public byte[] Read(WalFileName name) => File.ReadAllBytes(_directory.Combine("archive", name.ToString()));

    public WalSegmentSource Source(WalFileName name) => WalSegmentSource.FromFile(_directory.Combine("archive", name.ToString()));

    public WalValidationResult Validate(WalFileName name) => Segments.Validate.Full(name, Read(name), Expectations);

    public async ValueTask InitializeAsync()
    {
        var archive = Directory.CreateDirectory(_directory.Combine("archive")).FullName;
        ServerAccount.Own(_directory.Path);
        var copy = _directory.Combine("standby");
        await using (var primary = await PgCluster.StartAsync(Options(archive)))
        {
            var backup = await ServerProgram.RunAsync(
                primary.Installation.Program("pg_basebackup"),
                ["-h", "127.0.0.1", "-p", $"{primary.Port}", "-U", "postgres", "-D", copy, "-c", "fast", "-X", "none", "--no-sync"]);
            backup.MustSucceed();
            await primary.ExecuteAsync("CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 20000) i");
            await primary.ExecuteAsync("SELECT pg_create_restore_point('before')");
            await primary.ExecuteAsync("SELECT pg_switch_wal()");
            await primary.ExecuteAsync("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 3000) i");
            await primary.StopAsync(PgShutdown.Immediate);
            await CopyUnarchivedAsync(primary.DataDirectory, copy);
        }

        await File.WriteAllTextAsync(System.IO.Path.Combine(copy, "standby.signal"), "");
        ServerAccount.Own(copy);
        await using var standby = await PgCluster.StartAsync(Options(archive) with { ExistingDataDirectory = copy });
        await standby.ExecuteAsync("SELECT pg_promote()");
        await Eventually.TrueAsync(async () => !await standby.ScalarAsync<bool>("SELECT pg_is_in_recovery()"), "the standby is promoted");
        await standby.ExecuteAsync("SELECT pg_create_restore_point('after')");
        await standby.ExecuteAsync("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 20000) i");
        await standby.ExecuteAsync("SELECT pg_switch_wal()");
        await standby.StopAsync();
        Expectations = (await PgControlFile.ReadAsync(standby.DataDirectory)).ToExpectations();
        Names = Directory.EnumerateFiles(archive).Select(f => WalFileName.Parse(System.IO.Path.GetFileName(f), null)).OrderBy(n => n.Position).ToList();
    }

    public ValueTask DisposeAsync()
    {
        _directory.Dispose();
        return ValueTask.CompletedTask;
    }

    private static PgClusterOptions Options(string archive) => new()
    {
        InitDbArguments = ["--wal-segsize=1"],
        Settings = new Dictionary<string, string>
        {
            ["archive_mode"] = "on",
            ["archive_command"] = $"cp %p {archive}/%f",
            ["restore_command"] = $"cp {archive}/%f %p",
            ["fsync"] = "on",
            ["synchronous_commit"] = "on",
        },
    };

    // What a standby would have streamed: the last, unfinished segment.
    private static async Task CopyUnarchivedAsync(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(System.IO.Path.Combine(from, "pg_wal")))
            await File.WriteAllBytesAsync(System.IO.Path.Combine(to, "pg_wal", System.IO.Path.GetFileName(file)), await File.ReadAllBytesAsync(file));
    }
}
