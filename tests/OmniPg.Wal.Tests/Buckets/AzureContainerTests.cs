using OmniPg.Storage.Azure.Tests;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Backup;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Buckets;

/// <summary>The program on a container of the emulator: archived, restored, verified, shown, backed up, drilled; and a service in trouble.</summary>
[Collection(nameof(BackupCollection))]
public sealed class AzureContainerTests(BackupScene scene, AzuriteFixture azure) : IClassFixture<AzuriteFixture>
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_archive_and_a_backup_live_in_a_container()
    {
        var (wal, backups) = (Place(), Place());
        var data = scene.Server.DataDirectory;
        await BeginAsync(backups);
        var made = await RunAsync("backup", "--connection", scene.Server.ConnectionString, "--data-dir", data, "--dst-azure", $"zstd={backups}", "--archive", scene.Archive);
        await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
        await scene.ArchivedAsync();
        var plain = await scene.PlainArchiveAsync();
        var segments = Directory.GetFiles(plain.Root, "0*").Where(f => Path.GetFileName(f).Length == 24).Order(StringComparer.Ordinal).ToArray();
        foreach (var segment in segments)
            (await RunAsync("archive", "--data-dir", data, "--dst-azure", $"zstd={wal}", "--begin", segment)).MustSucceed();
        var target = scene.Fresh("target");

        var again = await RunAsync("archive", "--data-dir", data, "--dst-azure", $"zstd={wal}", segments[0]);
        var restored = await RunAsync("restore", "--data-dir", data, "--source", wal, "--timeout", "0", Path.GetFileName(segments[0]), target);
        var absent = await RunAsync("restore", "--data-dir", data, "--source", wal, "--timeout", "0", "0000000100000000000000FE", scene.Fresh("absent"));
        var verified = await RunAsync("verify", "--archive", wal);
        var listed = await RunAsync("backups", "--source", backups);
        var scratch = Directory.CreateDirectory(scene.Fresh("s")).FullName;
        ServerAccount.Own(scratch);
        var drilled = await RunAsync("drill", "--source", backups, "--archive", wal, "--restore-command", $"cp '{plain.Root}/%f' '%p'", "--scratch", scratch, "--pg-bin", scene.Server.BinDirectory);

        (made.ExitCode, again.ExitCode, restored.ExitCode, absent.ExitCode, verified.ExitCode, listed.ExitCode, drilled.ExitCode).Should().Be(
            (0, 0, 0, 1, 0, 0, 0), "{0}{1}{2}{3}{4}{5}{6}", made.Error, again.Error, restored.Error, absent.Error, verified.Output + verified.Error, listed.Error, drilled.Output + drilled.Error);
        File.ReadAllBytes(target).AsSpan().SequenceEqual(File.ReadAllBytes(segments[0])).Should().BeTrue();
        verified.Output.Should().Contain("0 invalid, 0 gaps");
        drilled.Output.Should().StartWith("clean:");
    }

    [Theory]
    [InlineData(403, "AuthorizationFailure", "refused (status '403'")]
    [InlineData(404, "ContainerNotFound", "the container does not exist")]
    public async Task A_service_that_does_not_let_in_is_trouble_and_never_absence(int status, string error, string message)
    {
        var (place, segment, data) = (Place(), "000000010000000000000001", scene.Server.DataDirectory);
        await BeginAsync(place);
        await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
        await scene.ArchivedAsync();
        var finished = Directory.GetFiles((await scene.PlainArchiveAsync()).Root, "0*").First(static f => Path.GetFileName(f).Length == 24);
        azure.Proxy.Fault = _ => new S3Fault { Status = status, Error = error };

        var archived = await RunAsync("archive", "--data-dir", data, "--dst-azure", place, "--begin", finished);
        var restored = await RunAsync("restore", "--data-dir", data, "--source", place, "--timeout", "0", segment, scene.Fresh("target"));
        var verified = await RunAsync("verify", "--archive", place);
        var drilled = await RunAsync("drill", "--source", place, "--archive", place);
        azure.Proxy.Fault = static _ => null;

        (archived.ExitCode, restored.ExitCode, verified.ExitCode, drilled.ExitCode).Should().Be((10, 255, 10, 3));
        foreach (var result in (ProgramResult[])[archived, restored, verified, drilled])
            result.Error.Should().Contain(message).And.NotContain("AccountKey");
    }

    private string Place() => $"azure://{AzuriteFixture.Container}/{azure.NewPrefix()}";

    /// <summary>Copies the marker of the scene's archive.</summary>
    private async Task BeginAsync(string place)
    {
        await using var store = azure.Store(o => o.Prefix = place[$"azure://{AzuriteFixture.Container}/".Length..]);
        await store.PutAsync(WalArchiveMarker.Key, await File.ReadAllBytesAsync(Path.Combine(scene.Archive, WalArchiveMarker.Key), Token), Token);
    }

    private Task<ProgramResult> RunAsync(params string[] words) => WalProgram.RunWithAsync([("AZURE_STORAGE_CONNECTION_STRING", azure.Connection)], words);
}
