using OmniPg.Testing;
using OmniPg.Wal.Tests.Backup;

namespace OmniPg.Wal.Tests.Monitoring;

/// <summary>What the monitor and a drill measure for others: ages by a clock that somebody sets, and the instruments and spans.</summary>
[Collection(nameof(BackupCollection))]
public sealed class MonitorClockTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_age_is_never_negative_however_far_the_clock_is_set_back()
    {
        var (store, ids) = await DailyBackups.MakeAsync(scene, 2);
        var stopped = (await DailyBackups.Catalog(store).GetAsync(ids[1], Token)).Stopped;

        var late = await LookAsync(store, stopped.AddHours(30));
        var early = await LookAsync(store, stopped.AddDays(-10));

        (late.Value, early.Value).Should().Be((30 * 3600.0, 0.0));
        (late.Level, early.Level).Should().Be((WalCheckLevel.Critical, WalCheckLevel.Ok));
    }

    [Fact]
    public async Task A_drill_and_a_look_of_the_monitor_are_spans_with_their_outcome_and_the_checks_are_measured()
    {
        var (store, _) = await scene.MadeAsync();
        var archive = await scene.PlainArchiveAsync();
        var scratch = Directory.CreateDirectory(scene.Fresh("s")).FullName;
        ServerAccount.Own(scratch);
        using var spans = new ActivityRecorder(WalTelemetry.Name);
        using var meter = new MeterRecorder(WalTelemetry.Name);

        var drilled = await new RestoreDrill(
            store, archive, new RestoreDrillOptions { RestoreCommand = $"cp '{archive.Root}/%f' '%p'", ScratchDirectory = scratch, BinDirectory = scene.Server.BinDirectory, Checks = RestoreDrillChecks.None }).RunAsync(cancellationToken: Token);
        var looked = await new WalMonitor(scene.Server.DataSource, scene.ArchiveStore, store).RunAsync(Token);
        meter.Observe();

        spans.Ended.Should().Contain(s => s.OperationName == "wal.drill" && Equals(s.GetTagItem("omnipg.wal.drill.verdict"), drilled.Verdict.ToString()));
        spans.Ended.Should().Contain(s => s.OperationName == "wal.monitor" && Equals(s.GetTagItem("omnipg.wal.monitor.level"), looked.Worst.ToString()));
        foreach (var check in looked.Checks)
            meter.All.Should().Contain(m => m.Instrument == "omnipg.wal.monitor.level" && Equals(m.Tags["check"], check.Name) && (int)m.Value == (int)check.Level, check.Name);
        meter.All.Should().Contain(m => m.Instrument == "omnipg.wal.monitor.rpo" && m.Value >= 0).And.Contain(m => m.Instrument == "omnipg.wal.receive.lag");
    }

    private static async Task<WalCheckResult> LookAsync(IObjectStore backups, DateTimeOffset now)
    {
        var options = new WalMonitorOptions { Checks = [WalCheck.LastFullBackupAge], Thresholds = new Dictionary<WalCheck, WalThreshold> { [WalCheck.LastFullBackupAge] = new(3600, 7200) } };
        return (await new WalMonitor(null, null, backups, options, timeProvider: new StandingClock(now)).RunAsync(Token)).Checks.Single();
    }

    private sealed class StandingClock(DateTimeOffset now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now;
    }
}
