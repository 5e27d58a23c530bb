using Npgsql;
using NpgsqlTypes;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Segments;

/// <summary>Archived WAL of a server that did a bit of everything, and what SQL said about it. The server is gone; the files stay until the end of the run.</summary>
public sealed class WalWorkload : IDisposable
{
    private readonly TemporaryDirectory _directory;
    private readonly List<(string Name, NpgsqlLogSequenceNumber Lsn)> _restorePoints = [];
    private readonly List<(uint Xid, DateTimeOffset Time)> _commits = [];

    private WalWorkload(TemporaryDirectory directory) => _directory = directory;

    public int Major { get; private set; }

    public ulong SystemIdentifier { get; private set; }

    public WalSegmentSize SegmentSize { get; private set; }

    public string ArchiveDirectory => _directory.Combine("archive");

    /// <summary>All complete segments, oldest first.</summary>
    public IReadOnlyList<WalFileName> Segments { get; private set; } = [];

    /// <summary>Restore points with the position that <c>pg_create_restore_point</c> returned: the end of their record.</summary>
    public IReadOnlyList<(string Name, NpgsqlLogSequenceNumber Lsn)> RestorePoints => _restorePoints;

    /// <summary>Transactions with the time of <c>pg_xact_commit_timestamp</c>.</summary>
    public IReadOnlyList<(uint Xid, DateTimeOffset Time)> Commits => _commits;

    public NpgsqlLogSequenceNumber LastPosition { get; private set; }

    public PgControlFile ControlFile { get; private set; } = null!;

    /// <summary>The server's <c>pg_control</c> as it is.</summary>
    public byte[] ControlFileBytes { get; private set; } = [];

    public string BinDirectory { get; private set; } = "";

    public WalExpectations Expectations => new() { SystemIdentifier = SystemIdentifier, SegmentSize = SegmentSize.Bytes, PgMajor = Major };

    public string PathOf(WalFileName segment) => Path.Combine(ArchiveDirectory, segment.ToString());

    public byte[] Read(WalFileName segment) => File.ReadAllBytes(PathOf(segment));

    public IEnumerable<WalSegmentSource> Sources => Segments.Select(s => WalSegmentSource.FromFile(PathOf(s)));

    /// <summary>The segment with the most commits, aborts, restore points and other records that are decoded.</summary>
    public async Task<int> FindBusiestAsync()
    {
        var details = new int[Segments.Count];
        await foreach (var record in WalSegmentReader.ReadChainAsync(Sources))
        {
            if (record.Detail is not null)
                details[(int)(((ulong)record.Lsn - (ulong)Segments[0].StartLsn(SegmentSize)) / (uint)SegmentSize.Bytes)]++;
        }

        return Array.IndexOf(details, details.Max());
    }

    /// <summary>State of the chain of records before a segment, from the first one on.</summary>
    public WalChainState? StateBefore(int index)
    {
        WalChainState? state = null;
        foreach (var segment in Segments.Take(index))
            state = Validate.Full(segment, Read(segment), Expectations with { Previous = state }).Next;
        return state;
    }

    public static async Task<WalWorkload> CreateAsync(
        int? major, int segmentMegabytes, int rounds, CancellationToken cancellationToken, PgInstallation? installation = null)
    {
        var workload = new WalWorkload(new TemporaryDirectory(Directory.Exists("/dev/shm") ? "/dev/shm" : null, forServer: true));
        var archive = Directory.CreateDirectory(workload.ArchiveDirectory).FullName;
        ServerAccount.Own(archive);
        await using var cluster = await PgCluster.StartAsync(
            new PgClusterOptions
            {
                Version = major,
                Installation = installation,
                InitDbArguments = [$"--wal-segsize={segmentMegabytes}"],
                Settings = new Dictionary<string, string>
                {
                    ["archive_mode"] = "on",
                    ["archive_command"] = $"cp %p {archive}/%f",
                    ["full_page_writes"] = "on",
                    ["track_commit_timestamp"] = "on",
                    ["max_wal_size"] = $"{Math.Max(64, segmentMegabytes * 4)}MB",
                    ["min_wal_size"] = $"{segmentMegabytes * 2}MB",
                    ["log_min_messages"] = "error",
                },
            },
            cancellationToken);
        await workload.RunAsync(cluster, rounds, cancellationToken);
        return workload;
    }

    public void Dispose() => _directory.Dispose();

    private async Task RunAsync(PgCluster cluster, int rounds, CancellationToken cancellationToken)
    {
        Major = cluster.MajorVersion;
        BinDirectory = cluster.BinDirectory;
        SystemIdentifier = (ulong)await cluster.ScalarAsync<long>("SELECT system_identifier FROM pg_control_system()", cancellationToken);
        await using (var connection = await cluster.DataSource.OpenConnectionAsync(cancellationToken))
        {
            foreach (var statement in WorkloadSql.Setup)
                await ExecuteAsync(connection, statement, cancellationToken);
            await RunPgbenchAsync(cluster, cancellationToken);
            for (var round = 0; round < rounds; round++)
                await RunRoundAsync(connection, round, cancellationToken);
            LastPosition = (NpgsqlLogSequenceNumber)(await new NpgsqlCommand("SELECT pg_switch_wal()", connection).ExecuteScalarAsync(cancellationToken))!;
        }
        await cluster.StopAsync(cancellationToken: cancellationToken);
        ControlFile = await PgControlFile.ReadAsync(cluster.DataDirectory, cancellationToken: cancellationToken);
        ControlFileBytes = await File.ReadAllBytesAsync(Path.Combine(cluster.DataDirectory, PgControlFile.RelativePath), cancellationToken);
        SegmentSize = WalSegmentSize.FromBytes(ControlFile.SegmentSize);
        Directory.EnumerateFiles(Path.Combine(cluster.DataDirectory, "pg_wal", "archive_status"), "*.ready").Should().BeEmpty();
        Segments = Directory.EnumerateFiles(ArchiveDirectory).Select(f => WalFileName.Parse(Path.GetFileName(f)))
            .Where(n => n.Kind == WalFileKind.Segment).OrderBy(n => n.Position).ToList();
    }

    // Transactions side by side: their records interleave. The downloaded servers have no pgbench.
    private static async Task RunPgbenchAsync(PgCluster cluster, CancellationToken cancellationToken)
    {
        if (!cluster.Installation.Has("pgbench"))
            return;
        string[] server = ["-h", "127.0.0.1", "-p", $"{cluster.Port}", "-U", "postgres", "postgres"];
        foreach (string[] arguments in new[] { (string[])["-i", "-q", "-s", "1"], ["-n", "-c", "4", "-j", "2", "-t", "150"] })
        {
            var result = await ServerProgram.RunAsync(
                cluster.Installation.Program("pgbench"), [.. arguments, .. server], cluster.RootDirectory, cancellationToken);
            result.MustSucceed();
        }
    }

    private async Task RunRoundAsync(NpgsqlConnection connection, int round, CancellationToken cancellationToken)
    {
        foreach (var statement in WorkloadSql.Round(round))
            await ExecuteAsync(connection, statement, cancellationToken);
        await NoteCommitAsync(connection, cancellationToken);
        var name = $"point {round} 'ü'";
        await using var restorePoint = new NpgsqlCommand("SELECT pg_create_restore_point($1)", connection) { Parameters = { new() { Value = name } } };
        _restorePoints.Add((name, (NpgsqlLogSequenceNumber)(await restorePoint.ExecuteScalarAsync(cancellationToken))!));
    }

    private async Task NoteCommitAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var xid = uint.Parse((string)(await new NpgsqlCommand("SELECT pg_current_xact_id()::text", connection).ExecuteScalarAsync(cancellationToken))!);
        var time = (DateTime)(await new NpgsqlCommand($"SELECT pg_xact_commit_timestamp('{xid}'::xid)", connection).ExecuteScalarAsync(cancellationToken))!;
        _commits.Add((xid, new DateTimeOffset(time)));
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
