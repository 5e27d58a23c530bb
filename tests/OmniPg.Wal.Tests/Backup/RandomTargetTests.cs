using OmniPg.Wal.Benchmarks;

namespace OmniPg.Wal.Tests.Backup;

public sealed class RandomTargetTests
{
    [Fact]
    public async Task Targets_by_chance_are_reached_where_predicted_or_refused()
    {
        var targets = await RandomTargets.RunAsync(4, seed: 3, cancellationToken: TestContext.Current.CancellationToken);

        targets.Should().HaveCount(4).And.OnlyContain(static t => t.Found == t.Predicted).And.Contain(static t => t.Found >= 0);
    }
}
