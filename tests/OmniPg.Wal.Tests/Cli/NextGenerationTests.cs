using OmniPg.Testing;
using OmniPg.Wal.Tests.Backup;

namespace OmniPg.Wal.Tests.Cli;

/// <summary>The archive of a cluster that was upgraded: another one, beside the old one.</summary>
[Collection(nameof(BackupCollection))]
public sealed class NextGenerationTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_archive_of_an_upgraded_cluster_begins_beside_the_old_one_from_which_backups_are_restored_as_before()
    {
        var (store, _) = await scene.CopyOfMadeAsync();
        var archive = await scene.PlainArchiveAsync();
        await using var upgraded = await PgCluster.StartAsync(new PgClusterOptions { Installation = scene.Server.Installation, InitDbArguments = ["--wal-segsize=1"] }, Token);
        var control = await PgControlFile.ReadAsync(upgraded.DataDirectory, cancellationToken: Token);
        var place = Path.Combine(archive.Root, "generations", $"{upgraded.MajorVersion}-{control.SystemIdentifier}");
        string[] Words(PgCluster server, string to) => ["init", "--next", "--data-dir", server.DataDirectory, "--archive", to];
        string[] show = ["show", "--archive", archive.Root, "--source", store.Root, "--json"];
        var before = await WalProgram.RunAsync(show);
        var segment = await upgraded.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())", Token);

        var begun = await WalProgram.RunAsync(Words(upgraded, archive.Root));
        var again = await WalProgram.RunAsync(Words(upgraded, archive.Root));
        var own = await WalProgram.RunAsync(Words(scene.Server, archive.Root));
        var absent = await WalProgram.RunAsync(Words(upgraded, Directory.CreateDirectory(scene.Fresh("empty")).FullName));
        var refused = await WalProgram.RunAsync("archive", "--data-dir", upgraded.DataDirectory, "--dst-local", archive.Root, $"pg_wal/{segment}");
        var archived = await WalProgram.RunAsync("archive", "--data-dir", upgraded.DataDirectory, "--dst-local", $"zstd={place}", $"pg_wal/{segment}");
        var after = await WalProgram.RunAsync(show);
        var folder = scene.Fresh("restored");
        var options = scene.RestoreOptions();
        options.RestoreCommand = scene.Program.Line("restore", "--timeout", "1", "--source", archive.Root, "%f", "%p");
        await new BackupRestore(store, options, archive).RunAsync(folder, cancellationToken: Token);
        await using var server = await scene.StartAsync(folder);

        (begun.ExitCode, again.ExitCode, own.ExitCode, absent.ExitCode, refused.ExitCode, archived.ExitCode).Should().Be((0, 0, 10, 10, 21, 0), "{0}{1}{2}", begun.Error, again.Error, archived.Error);
        begun.Output.Split('\n')[0].Should().Be($"archive '{archive.Root}': cluster {(await PgControlFile.ReadAsync(scene.Server.DataDirectory, cancellationToken: Token)).SystemIdentifier}, PostgreSQL {scene.Server.MajorVersion}, stays as it is");
        begun.Output.Split('\n')[1].Should().StartWith($"archive '{place}': cluster {control.SystemIdentifier}, PostgreSQL {upgraded.MajorVersion}, ");
        again.Output.Should().Be(begun.Output);
        own.Error.Should().Contain("is that of this cluster");
        absent.Error.Should().Contain("holds no archive beside which a next one could begin");
        File.Exists(Path.Combine(place, $"{segment}.zst")).Should().BeTrue();
        after.Output.Should().Be(before.Output);
        (await server.ScalarAsync<long>("SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM far)", Token)).Should().Be(2000);
    }
}
