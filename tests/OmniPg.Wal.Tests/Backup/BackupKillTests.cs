using OmniPg.Wal.Benchmarks;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>Kills at moments by chance. Hundreds are a command of the benchmarks (<c>backup-kills</c>).</summary>
public sealed class BackupKillTests
{
    private const int Kills = 10;

    [Theory]
    [InlineData("backup")]
    [InlineData("backup-restore")]
    [InlineData("drill")]
    [InlineData("backup-cleanup")]
    [InlineData("synch")]
    [InlineData("copy")]
    public async Task After_ten_kills_what_is_there_is_whole_and_the_next_run_does_the_work(string work)
    {
        var kills = await BackupKills.RunAsync(Kills, seed: 1, kinds: [work], cancellationToken: TestContext.Current.CancellationToken);

        kills.Should().HaveCount(Kills).And.OnlyContain(static kill => kill.Fault == null);
    }
}
