using OmniPg.Wal.Benchmarks;

namespace OmniPg.Wal.Tests.Receiving;

/// <summary>Kills at moments by chance. Hundreds are a command of the benchmarks (<c>receiver-kills</c>).</summary>
public sealed class ReceiverKillTests
{
    [Fact]
    public async Task Ten_kills_under_load_leave_every_byte_that_the_server_was_told_of_and_in_the_end_no_gap()
    {
        var kills = await ReceiverKills.RunAsync(10, seed: 11, cancellationToken: TestContext.Current.CancellationToken);

        kills.Should().HaveCount(11).And.OnlyContain(static kill => kill.Fault == null);
    }
}
