using System.Globalization;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.ArchiveModule;

/// <summary>A server that hands its WAL over by <c>omnipg-wal-push</c>, and the client where the resident process dies under it.</summary>
public sealed class WaysInTests : IDisposable
{
    private readonly TemporaryDirectory _root = new(Directory.Exists("/dev/shm") ? "/dev/shm" : null, forServer: true);
    private readonly ServerCommand _program = ServerCommand.Prepare("omnipg-wal");
    private readonly ServerCommand _push = ServerCommand.Prepare("omnipg-wal-push");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Archive => _root.Combine("archive");

    private string Socket => _root.Combine("s");

    public void Dispose()
    {
        _push.Dispose();
        _program.Dispose();
        _root.Dispose();
    }

    [Fact]
    public async Task A_server_under_load_archives_every_segment_by_the_push_client()
    {
        await using var server = await StartAsync(_push.Line(Socket, "%p"));
        await using var resident = await ServerResident.StartAsync(_program, server.DataDirectory, Archive, _root.Combine("spool"), Socket);
        var port = server.Port.ToString(CultureInfo.InvariantCulture);
        (await server.RunProgramAsync("pgbench", "-i", "-q", "-s", "1", "-h", "127.0.0.1", "-p", port, "-U", "postgres", "postgres")).MustSucceed();

        (await server.RunProgramAsync("pgbench", "-T", "5", "-c", "2", "-n", "-h", "127.0.0.1", "-p", port, "-U", "postgres", "postgres")).MustSucceed();
        var last = await ModuleServer.EndSegmentAsync(server);
        await ModuleServer.ArchivedAsync(server, last);
        var verified = await WalProgram.RunAsync("verify", "--archive", Archive, "--connection", server.ConnectionString);

        (await server.ScalarAsync<long>("SELECT failed_count FROM pg_stat_archiver", Token)).Should().Be(0, server.ReadLog() + resident.Messages());
        var archived = Directory.GetFiles(Path.Combine(server.DataDirectory, "pg_wal", "archive_status"), "*.done").Select(f => Path.GetFileNameWithoutExtension(f)!).ToList();
        archived.Should().HaveCountGreaterThan(10).And.Contain(last);
        foreach (var name in archived)
            await RequireEqualAsync(server, name);
        verified.ExitCode.Should().Be(0, verified.Output + verified.Error);
    }

    [Fact]
    public async Task A_resident_process_killed_before_it_answers_leaves_the_file_to_the_fallback_and_to_the_next_try()
    {
        await using var server = await StartAsync("false");
        await using var hung = await ServerResident.StartAsync(_program, server.DataDirectory, Archive, _root.Combine("spool"), Socket);
        var first = await ModuleServer.EndSegmentAsync(server);
        (await PushAsync(server, first)).ExitCode.Should().Be(0);
        var second = await ModuleServer.EndSegmentAsync(server);
        await hung.HangAsync();

        var (alone, fallback) = (PushAsync(server, second), PushAsync(server, second, "--", "sh", "-c", "echo fallback; exit 7"));
        await Eventually.TrueAsync(() => File.ReadLines("/proc/net/unix").Count(line => line.EndsWith(' ' + Socket, StringComparison.Ordinal)) > 2, "both ask", cancellationToken: Token);
        hung.Kill();
        var (refused, fell) = (await alone, await fallback);
        var byItself = await PushAsync(server, second, "--", _program.Path, "archive", "--data-dir", server.DataDirectory, "--dst-local", "zstd=" + Archive, Path.Combine("pg_wal", second));

        refused.ExitCode.Should().Be(10, refused.Error);
        (fell.ExitCode, fell.Output).Should().Be((7, "fallback\n"));
        byItself.ExitCode.Should().Be(0, byItself.Error);
        foreach (var name in (string[])[first, second])
            await RequireEqualAsync(server, name);
    }

    private static async Task<PgCluster> StartAsync(string command)
    {
        var settings = new Dictionary<string, string> { ["archive_mode"] = "on", ["archive_command"] = command, ["wal_keep_size"] = "1GB" };
        return await PgCluster.StartAsync(new PgClusterOptions { InitDbArguments = ["--wal-segsize=1"], Settings = settings }, Token);
    }

    private Task<ProgramResult> PushAsync(PgCluster server, string name, params string[] fallback) =>
        _push.RunAsync([Socket, Path.Combine("pg_wal", name), .. fallback], server.DataDirectory, Token);

    private async Task RequireEqualAsync(PgCluster server, string name)
    {
        using var content = new MemoryStream();
        await using var unpacked = Codec.Zstd.Decompress(File.OpenRead(Path.Combine(Archive, name + ".zst")));
        await unpacked.CopyToAsync(content, Token);
        content.ToArray().AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(server.DataDirectory, "pg_wal", name))).Should().BeTrue(name);
    }
}
