using System.Text.Json;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>The verbs of base backups on a bucket: made, listed, drilled, restored, kept.</summary>
[Collection(nameof(BackupCollection))]
public sealed class BucketBackupTests(BackupScene scene)
{
    private const string Place = "s3://omnipg/base";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_backup_lives_in_a_bucket_from_its_making_to_its_removal()
    {
        await using var bucket = await S3Endpoint.StartAsync();
        string[] way = ["--s3-endpoint", bucket.Url.AbsoluteUri];
        Task<ProgramResult> Run(params string[] words) => WalProgram.RunAsync([.. words, .. way]);
        var data = scene.Server.DataDirectory;
        bucket.Put($"base/{WalArchiveMarker.Key}", await File.ReadAllBytesAsync(Path.Combine(scene.Archive, WalArchiveMarker.Key), Token));

        var made = await Run("backup", "--connection", scene.Server.ConnectionString, "--data-dir", data, "--dst-s3", $"zstd={Place}", "--archive", scene.Archive);
        made.ExitCode.Should().Be(0, made.Error);
        await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
        await scene.ArchivedAsync();
        var plain = await scene.PlainArchiveAsync();
        foreach (var file in Directory.GetFiles(plain.Root))
            bucket.Put($"wal/{Path.GetFileName(file)}", await File.ReadAllBytesAsync(file, Token));
        var listed = await Run("backups", "--source", Place, "--json");
        var id = JsonDocument.Parse(listed.Output).RootElement.GetProperty("backups")[0].GetProperty("id").GetString()!;
        var scratch = Directory.CreateDirectory(scene.Fresh("s")).FullName;
        ServerAccount.Own(scratch);
        var drilled = await Run("drill", "--source", Place, "--archive", "s3://omnipg/wal", "--restore-command", $"cp '{plain.Root}/%f' '%p'", "--scratch", scratch, "--pg-bin", scene.Server.BinDirectory);
        var restored = await Run("backup-restore", "--source", Place, "--archive", "s3://omnipg/wal", "--to", scene.Fresh("restored"), "--map", $"{scene.Tablespace}:{scene.Fresh("space")}");
        var settings = await File.ReadAllTextAsync(Directory.GetFiles(Path.GetDirectoryName(scene.Archive)!, "postgresql.auto.conf", SearchOption.AllDirectories).MaxBy(File.GetLastWriteTimeUtc)!, Token);
        var cleaned = await Run("backup-cleanup", "--backup-dir", Place, "--archive", "s3://omnipg/wal", "--keep-days", "1");

        (restored.ExitCode, cleaned.ExitCode).Should().Be((0, 0), "{0}{1}", restored.Error, cleaned.Error);
        drilled.ExitCode.Should().Be(0, drilled.Output + drilled.Error);
        drilled.Output.Should().StartWith("clean:").And.Contain(id);
        settings.Should().Contain($"''restore'' ''--source'' ''s3://omnipg/wal'' ''--s3-endpoint={bucket.Url.AbsoluteUri}''");
        settings.Should().NotContain(S3Endpoint.SecretKey);
        cleaned.Output.Should().Contain("kept 1 backups");
        bucket.UnfinishedUploads.Should().Be(0);
    }

    [Fact]
    public async Task A_bucket_that_answers_no_more_ends_a_backup_without_a_trace_of_one()
    {
        await using var bucket = await S3Endpoint.StartAsync();
        string[] way = ["--s3-endpoint", bucket.Url.AbsoluteUri];
        bucket.Put($"base/{WalArchiveMarker.Key}", await File.ReadAllBytesAsync(Path.Combine(scene.Archive, WalArchiveMarker.Key), Token));
        bucket.Fault = call => call.Method == "PUT" && call.Key.Contains("base.tar", StringComparison.Ordinal) ? new S3Fault { Status = 403, Error = "AccessDenied" } : null;

        var failed = await WalProgram.RunAsync(
            ["backup", "--connection", scene.Server.ConnectionString, "--data-dir", scene.Server.DataDirectory, "--dst-s3", Place, "--archive", scene.Archive, .. way]);

        failed.ExitCode.Should().Be(10, failed.Error);
        failed.Error.Should().NotContain(S3Endpoint.SecretKey);
        bucket.Keys.Should().NotContain(k => k.Contains("backup.json", StringComparison.Ordinal));
        bucket.UnfinishedUploads.Should().Be(0);
    }

    [Theory]
    [InlineData("wants 's3://…', not '/tmp'", "--dst-s3", "/tmp")]
    [InlineData("wants a directory, not 's3://omnipg/base'", "--dst-local", "s3://omnipg/base")]
    [InlineData("A backup goes to one place", "--dst-s3", "s3://omnipg/base", "--dst-local", "/tmp")]
    public async Task A_place_that_its_option_does_not_mean_is_wrong_use(string message, params string[] words)
    {
        var result = await WalProgram.RunAsync(["backup", "--connection", "Host=/nowhere", .. words]);

        result.ExitCode.Should().Be(64);
        result.Error.Should().Contain(message);
    }
}
