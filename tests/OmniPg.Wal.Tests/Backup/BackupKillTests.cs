using OmniPg.Wal.Benchmarks;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>Kills at moments by chance. Hundreds, of backups and drills too, are a command of the benchmarks (<c>backup-kills</c>).</summary>
public sealed class BackupKillTests
{
    [Fact]
    public async Task After_kills_of_restore_and_retention_what_is_there_is_whole_and_the_next_run_does_the_work()
    {
        var kills = await BackupKills.RunAsync(4, seed: 1, kinds: ["backup-restore", "backup-cleanup"], cancellationToken: TestContext.Current.CancellationToken);

        kills.Should().HaveCount(4).And.OnlyContain(static kill => kill.Fault == null);
    }
}
