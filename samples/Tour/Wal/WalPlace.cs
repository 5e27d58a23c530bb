using OmniPg.Testing;

namespace Tour.Wal;

/// <summary>The directories of a chapter and its servers: the one that archives and the one that is recovered.</summary>
internal sealed class WalPlace : IDisposable
{
    private const long SegmentBytes = 16 << 20;

    private readonly TemporaryDirectory _root;
    private readonly ServerCommand _program = ServerCommand.Prepare("omnipg-wal");

    public WalPlace()
    {
        _root = new TemporaryDirectory();
        foreach (var directory in (string[])[ZstdArchive, Lz4Archive, State, Scratch])
            Directory.CreateDirectory(directory);
        ServerAccount.Own(_root.Path);
    }

    public string ZstdArchive => _root.Combine("archive-zstd");

    public string Backup => _root.Combine("backup");

    public string Scratch => _root.Combine("scratch");

    public string RestoreCommand => _program.Line("restore", "--source", ZstdArchive, "%f", "%p");

    private string Lz4Archive => _root.Combine("archive-lz4");

    private string State => _root.Combine("state");

    public Task<PgCluster> StartServerAsync(CancellationToken cancellationToken) => PgCluster.StartAsync(
        new PgClusterOptions
        {
            Settings = new Dictionary<string, string>
            {
                ["archive_mode"] = "on",
                ["archive_command"] = _program.Line("archive", "--state-dir", State, "--dst-local", $"zstd={ZstdArchive}", "--dst-local", $"lz4={Lz4Archive}", "%p"),
            },
        },
        cancellationToken);

    /// <summary>Segments that both archives hold.</summary>
    public List<ArchivedSegment> Archived() =>
    [
        .. from file in Directory.EnumerateFiles(ZstdArchive, "*.zst").Order(StringComparer.Ordinal)
           let name = Path.GetFileNameWithoutExtension(file)
           let twin = new FileInfo(Path.Combine(Lz4Archive, name + ".lz4"))
           where name.Length == 24 && twin.Exists
           select new ArchivedSegment(name, SegmentBytes, new FileInfo(file).Length, twin.Length),
    ];

    public async Task SwitchAndWaitAsync(PgCluster server, CancellationToken cancellationToken)
    {
        var last = await server.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())", cancellationToken);
        await Eventually.TrueAsync(() => Archived().Exists(a => a.Name == last), $"segment '{last}' is archived", TimeSpan.FromMinutes(1), cancellationToken);
    }

    public async Task<PgCluster> RecoverAsync(string moment, CancellationToken cancellationToken)
    {
        await File.WriteAllTextAsync(Path.Combine(Backup, "recovery.signal"), "", cancellationToken);
        ServerAccount.Own(Backup);
        var recovered = await PgCluster.StartAsync(
            new PgClusterOptions
            {
                ExistingDataDirectory = Backup,
                Settings = new Dictionary<string, string>
                {
                    ["restore_command"] = _program.Line("restore", "--source", ZstdArchive, "--source", Lz4Archive, "%f", "%p"),
                    ["recovery_target_time"] = moment,
                    ["recovery_target_action"] = "promote",
                },
            },
            cancellationToken);
        await Eventually.TrueAsync(
            () => recovered.ScalarAsync<bool>("SELECT NOT pg_is_in_recovery()", cancellationToken), "the recovery ends", TimeSpan.FromMinutes(1), cancellationToken);
        return recovered;
    }

    public void Dispose()
    {
        _program.Dispose();
        _root.Dispose();
    }
}
