using OmniPg.Wal.Benchmarks;

namespace OmniPg.Wal.Tests.Receiving;

public sealed class ZeroRpoTests
{
    [Fact]
    public async Task Every_acknowledged_commit_is_restored_after_server_and_receiver_were_killed_together_twice()
    {
        var kills = await ZeroRpoRun.RunAsync(2, seed: 7, cancellationToken: TestContext.Current.CancellationToken);

        kills.Should().HaveCount(2).And.OnlyContain(static kill => kill.Acknowledged > 20 && kill.Lost.Length == 0);
    }
}
