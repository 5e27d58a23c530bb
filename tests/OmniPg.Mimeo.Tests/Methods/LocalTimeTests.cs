using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Cursor columns without a time zone: the destination's zone and the clock changes of the source cost no row.</summary>
public sealed class LocalTimeTests(PgClusterFixture fixture)
{
    private static readonly QualifiedName Table = QualifiedName.Parse("public.local");

    [Theory]
    [InlineData("Europe/Berlin", "Europe/Berlin", "2026-03-29 02:30", "2026-03-29 02:45")]
    [InlineData("UTC", "Europe/Berlin", "2026-07-01 12:00", "2026-07-01 13:00")]
    public async Task A_value_that_the_destinations_zone_moves_hides_no_later_row(string before, string after, string first, string later)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync($"CREATE TABLE local (at timestamp); INSERT INTO local VALUES ('{first}')");
        await using var there = In(mimeo, before);
        await using var here = In(mimeo, after);
        await new MimeoClient(there).CreateAsync(
            new ReplicationSpec { Kind = ReplicationKind.Inserter, From = "erp", Source = Table, Cursor = CursorColumn.Time("at") }, cancellationToken: TestContext.Current.CancellationToken);
        await mimeo.Databases.AtSourceAsync($"INSERT INTO local VALUES ('{later}')");

        var client = new MimeoClient(here);
        var refreshed = await client.RefreshAsync(Table, cancellationToken: TestContext.Current.CancellationToken);

        (refreshed.Status, refreshed.Rows).Should().Be((RefreshStatus.Refreshed, 1));
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM local", "SELECT * FROM local");
        (await client.RefreshAsync(Table, cancellationToken: TestContext.Current.CancellationToken)).Status.Should().Be(RefreshStatus.NothingNew);
    }

    [Theory]
    [InlineData("timestamp", "2026-10-24T23:00:00Z", RefreshStatus.PausedForDst)]
    [InlineData("timestamp", "2026-10-24T22:29:59Z", RefreshStatus.Refreshed)]
    [InlineData("timestamp", "2026-10-25T01:30:00Z", RefreshStatus.Refreshed)]
    [InlineData("timestamp", "2026-10-26T00:00:00Z", RefreshStatus.Refreshed)]
    [InlineData("timestamptz", "2026-10-24T23:00:00Z", RefreshStatus.Refreshed)]
    public async Task A_table_of_the_extension_pauses_in_the_hours_in_which_clocks_change(string type, string now, RefreshStatus status)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync($"CREATE TABLE local (at {type})");
        await mimeo.CreateAsync(ReplicationKind.Inserter, "public.local", s => s with { Cursor = CursorColumn.Time("at") });
        // The columns' defaults, which stand in every such row of the extension where the server's zone is not UTC.
        await mimeo.Databases.AtDestinationAsync("UPDATE omnipg_mimeo.refresh_config_inserter_time SET dst_active = true, last_run = NULL");
        await mimeo.Databases.AtSourceAsync("INSERT INTO local VALUES ('2026-01-01')");
        await using var here = In(mimeo, "Europe/Berlin");

        var result = await new MimeoClient(here, time: new WaitableTimeProvider(DateTimeOffset.Parse(now, System.Globalization.CultureInfo.InvariantCulture)))
            .RefreshAsync(Table, cancellationToken: TestContext.Current.CancellationToken);

        (result.Status, result.Rows).Should().Be((status, status == RefreshStatus.Refreshed ? 1L : 0L));
        (await mimeo.Client.FindAsync(Table, TestContext.Current.CancellationToken))!.LastRun.Should().NotBeNull();
    }

    [Fact]
    public async Task A_repull_that_pauses_has_read_no_rows_and_a_column_made_anew_is_told_on()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE local (at timestamp, w text); INSERT INTO local VALUES ('2026-01-01', 'x')");
        await mimeo.CreateAsync(ReplicationKind.Inserter, "public.local", s => s with { Cursor = CursorColumn.Time("at") });
        await mimeo.Databases.AtDestinationAsync("UPDATE omnipg_mimeo.refresh_config_inserter_time SET dst_active = true");
        await mimeo.Databases.AtSourceAsync("ALTER TABLE local DROP w; ALTER TABLE local ADD w text DEFAULT 'anew'");
        await using var here = In(mimeo, "Europe/Berlin");
        Task<RefreshResult> AtAsync(string now, Repull? repull) => new MimeoClient(here, time: new WaitableTimeProvider(DateTimeOffset.Parse(now, System.Globalization.CultureInfo.InvariantCulture)))
            .RefreshAsync(Table, new RefreshOptions { Repull = repull }, cancellationToken: TestContext.Current.CancellationToken);

        (await AtAsync("2026-10-24T23:00:00Z", Repull.All)).Status.Should().Be(RefreshStatus.PausedForDst);
        (await AtAsync("2026-10-26T00:00:00Z", null)).Warnings.Should().ContainSingle().Which.Should().Contain("was made anew");
        (await AtAsync("2026-10-26T00:00:00Z", Repull.All)).Warnings.Should().BeEmpty();
        (await AtAsync("2026-10-26T00:00:00Z", null)).Warnings.Should().BeEmpty();
    }

    [Theory]
    [InlineData("timestamp")]
    [InlineData("timestamptz")]
    public async Task Rows_within_the_boundary_of_an_empty_set_up_arrive_later(string type)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync($"CREATE TABLE local (at {type}); INSERT INTO local VALUES (now() - interval '1 min')");
        await mimeo.CreateAsync(ReplicationKind.Inserter, "public.local", s => s with { Cursor = CursorColumn.Time("at") });
        (await mimeo.RefreshAsync("public.local")).Rows.Should().Be(0);

        await mimeo.Databases.AtDestinationAsync("UPDATE omnipg_mimeo.refresh_config_inserter_time SET boundary = '0'");

        (await mimeo.RefreshAsync("public.local")).Rows.Should().Be(1);
    }

    [Fact]
    public async Task Without_first_rows_an_empty_destination_begins_at_the_set_up()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE local (at timestamptz); INSERT INTO local VALUES (now() - interval '1 day')");
        await mimeo.CreateAsync(ReplicationKind.Inserter, "public.local", s => s with { Cursor = CursorColumn.Time("at", PgInterval.FromTimeSpan(TimeSpan.Zero)) }, new CreateOptions { PullData = false });
        await mimeo.Databases.AtSourceAsync("INSERT INTO local VALUES (clock_timestamp())");

        (await mimeo.RefreshAsync("public.local")).Rows.Should().Be(1);
    }

    [Fact]
    public async Task Times_that_the_clock_of_the_source_will_show_again_wait_for_the_second_time()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        // A zone whose clock goes back by an hour in 2 to 17 minutes, at a quarter of an hour.
        var end = await mimeo.Databases.SourceAsync<DateTime>("SELECT to_timestamp(ceil((extract(epoch FROM now()) + 120) / 900) * 900)");
        var zone = $"STD0DST-1,0/0,{end.DayOfYear - 1}/{end.Hour + 1}:{end.Minute}:00";
        await mimeo.Databases.AtSourceAsync($"ALTER DATABASE \"{mimeo.Databases.Source.Name}\" SET TimeZone = '{zone}'");
        await mimeo.Databases.AtSourceAsync(
            $"SET TimeZone = '{zone}'; CREATE TABLE local (at timestamp, t text); INSERT INTO local VALUES ('{end:yyyy-MM-dd HH:mm:ss}'::timestamp - interval '1 s', 'once'), (now()::timestamp - interval '1 s', 'twice')");

        await mimeo.CreateAsync(ReplicationKind.Inserter, "public.local", s => s with { Cursor = CursorColumn.Time("at", PgInterval.FromTimeSpan(TimeSpan.Zero)) });

        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(t, ' ') FROM local")).Should().Be("once");
    }

    private static NpgsqlDataSource In(Mimeo mimeo, string zone) =>
        NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(mimeo.Databases.Destination.ConnectionString) { Timezone = zone, Pooling = false }.ConnectionString);
}
