using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

public sealed class StatusTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task What_waits_at_the_source_is_told_for_each_kind()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.t");
        await mimeo.CreateAsync(ReplicationKind.Table, "public.t", s => s with { Destination = QualifiedName.Parse("public.whole"), Period = "1 hour" });
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t", s => s with { Destination = QualifiedName.Parse("public.queued") }, new CreateOptions { PullData = false });
        await mimeo.CreateAsync(ReplicationKind.Inserter, "public.t", s => s with { Destination = QualifiedName.Parse("public.grown"), Cursor = CursorColumn.Time("col3", PgInterval.FromTimeSpan(TimeSpan.Zero)) });
        var slot = (await mimeo.CreateAsync(ReplicationKind.Logical, "public.t", s => s with { Destination = QualifiedName.Parse("public.logged") })).Spec.Slot;
        await mimeo.Databases.AtSourceAsync("UPDATE t SET col2 = 'new' WHERE col1 <= 25");

        var whole = await StatusAsync(mimeo, "public.whole");
        (whole.IsDue, whole.Waiting, whole.Behind, whole.RetainedBytes, whole.SlotState).Should().Be((false, null, null, null, null));
        whole.SinceLastRun.Should().BeGreaterThanOrEqualTo(TimeSpan.Zero).And.BeLessThan(TimeSpan.FromHours(1));
        var queued = await StatusAsync(mimeo, "public.queued");
        (queued.Waiting, queued.SinceLastRun, queued.IsDue).Should().Be((25L, null, false));
        var grown = await StatusAsync(mimeo, "public.grown");
        grown.Behind.Should().BeGreaterThan(TimeSpan.Zero).And.BeLessThan(TimeSpan.FromHours(1));
        var logged = await StatusAsync(mimeo, "public.logged");
        (logged.SlotState, logged.Spec.Slot).Should().Be(("reserved", slot));
        logged.RetainedBytes.Should().BeGreaterThan(0);
        logged.UnreadBytes.Should().BeInRange(1, logged.RetainedBytes!.Value);
        (await mimeo.Databases.SourceAsync<string>("SHOW track_commit_timestamp")).Should().Be("off");
        queued.Behind.Should().BeNull();

        await mimeo.Databases.AtSourceAsync("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()");
        (await StatusAsync(mimeo, "public.logged")).SlotState.Should().Be("missing");
        await mimeo.Databases.AtDestinationAsync("UPDATE omnipg_mimeo.refresh_config_table SET last_run = last_run - interval '2 hours'");
        (await StatusAsync(mimeo, "public.whole")).IsDue.Should().BeTrue();
    }

    [Fact]
    public async Task The_age_of_the_oldest_entry_is_known_where_the_source_keeps_times_of_commits_and_the_gauges_tell_it()
    {
        await using var cluster = await PgCluster.StartAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var mimeo = await Mimeo.CreateAsync(cluster);
        await mimeo.MakeSourceAsync("public.t");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t", s => s with { Destination = QualifiedName.Parse("public.aged") });
        await mimeo.Databases.AtSourceAsync("UPDATE t SET col2 = 'old' WHERE col1 = 9");
        await cluster.StopAsync(cancellationToken: TestContext.Current.CancellationToken);
        await cluster.StartAgainAsync(new Dictionary<string, string> { ["track_commit_timestamp"] = "on" }, TestContext.Current.CancellationToken);
        mimeo.Databases.Source.DataSource.Clear();
        mimeo.Databases.Destination.DataSource.Clear();
        // Of an entry that is older than the setting nobody knows the age, nor is it that of a later one.
        (await StatusAsync(mimeo, "public.aged")).Should().Match<TableStatusResult>(s => s.Waiting == 1 && s.Behind == null);
        await mimeo.Databases.AtSourceAsync("UPDATE t SET col2 = 'old' WHERE col1 = 8");
        (await StatusAsync(mimeo, "public.aged")).Should().Match<TableStatusResult>(s => s.Waiting == 2 && s.Behind == null);
        await mimeo.RefreshAsync("public.aged");
        using var meter = new MeterRecorder("OmniPg.Mimeo");
        (await StatusAsync(mimeo, "public.aged")).Behind.Should().Be(TimeSpan.Zero);
        var before = await mimeo.Databases.SourceAsync<DateTime>("UPDATE t SET col2 = 'new' WHERE col1 <= 3 RETURNING clock_timestamp()");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET col2 = 'new' WHERE col1 = 4");

        var status = await StatusAsync(mimeo, "public.aged");

        var most = await mimeo.Databases.SourceAsync<DateTime>("SELECT clock_timestamp()") - before;
        status.Waiting.Should().Be(4);
        status.Behind.Should().BeGreaterThan(TimeSpan.Zero).And.BeLessThanOrEqualTo(most);
        Told("omnipg.mimeo.queue.depth").Should().Equal(0, 4);
        Told("omnipg.mimeo.lag").Should().Equal(0, status.Behind!.Value.TotalSeconds);

        double[] Told(string instrument) => [.. meter.All.Where(m => m.Instrument == instrument && Equals(m.Tags["omnipg.mimeo.destination"], "public.aged")).Select(m => m.Value)];
    }

    private static Task<TableStatusResult> StatusAsync(Mimeo mimeo, string table) => mimeo.Client.StatusAsync(QualifiedName.Parse(table), TestContext.Current.CancellationToken);
}
