using OmniPg.Wal.Benchmarks;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>Kills at moments by chance. Hundreds, of backups and drills too, are a command of the benchmarks (<c>backup-kills</c>).</summary>
public sealed class BackupKillTests
{
    [Fact]
    public async Task After_kills_of_restore_retention_and_copy_what_is_there_is_whole_and_the_next_run_does_the_work()
    {
        var kills = await BackupKills.RunAsync(6, seed: 1, kinds: ["backup-restore", "backup-cleanup", "copy"], cancellationToken: TestContext.Current.CancellationToken);

        kills.Should().HaveCount(6).And.OnlyContain(static kill => kill.Fault == null);
    }
}
