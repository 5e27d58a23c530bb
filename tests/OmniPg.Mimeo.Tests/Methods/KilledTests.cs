using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>The destination's backend dies in a phase of a refresh: what stands there is old or new as a whole, and the place in the source never runs ahead of the rows.</summary>
public sealed class KilledTests(PgClusterFixture fixture)
{
    private const string Truncate = "CREATE TRIGGER hold BEFORE TRUNCATE ON {0} FOR EACH STATEMENT EXECUTE FUNCTION hold()";
    private const string Row = "CREATE TRIGGER hold BEFORE INSERT ON {0} FOR EACH ROW EXECUTE FUNCTION hold()";
    private const string Commit = "CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON {0} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold()";
    private const string Place = "CREATE TRIGGER hold BEFORE UPDATE OF last_value ON omnipg_mimeo.refresh_config_{0}_serial FOR EACH ROW EXECUTE FUNCTION hold()";
    private const string Ran = "CREATE TRIGGER hold BEFORE UPDATE OF last_run ON omnipg_mimeo.refresh_config_{0} FOR EACH ROW EXECUTE FUNCTION hold()";
    private const string View = "CREATE EVENT TRIGGER {0} ON ddl_command_{1} WHEN TAG IN ('CREATE VIEW') EXECUTE FUNCTION hold_ddl()";
    private const string Token = "CREATE CONSTRAINT TRIGGER hold AFTER UPDATE ON omnipg_mimeo.table_state DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.change_token IS NOT NULL) EXECUTE FUNCTION hold()";

    [Theory]
    [InlineData(ReplicationKind.Table, Truncate, "t")]
    [InlineData(ReplicationKind.Table, Row, "t")]
    [InlineData(ReplicationKind.Table, Ran, "table")]
    [InlineData(ReplicationKind.Table, Commit, "t")]
    [InlineData(ReplicationKind.Inserter, Row, "t")]
    [InlineData(ReplicationKind.Inserter, Place, "inserter")]
    [InlineData(ReplicationKind.Inserter, Ran, "inserter_serial")]
    [InlineData(ReplicationKind.Inserter, Commit, "t")]
    [InlineData(ReplicationKind.Updater, Row, "t")]
    [InlineData(ReplicationKind.Updater, Place, "updater")]
    [InlineData(ReplicationKind.Updater, Commit, "t")]
    [InlineData(ReplicationKind.Dml, Row, "t")]
    [InlineData(ReplicationKind.Dml, Ran, "dml")]
    [InlineData(ReplicationKind.Dml, Commit, "t")]
    [InlineData(ReplicationKind.Logdel, Row, "t")]
    [InlineData(ReplicationKind.Logdel, Commit, "t")]
    [InlineData(ReplicationKind.Logical, Row, "t")]
    [InlineData(ReplicationKind.Logical, "CREATE TRIGGER hold BEFORE UPDATE OF applied_lsn ON omnipg_mimeo.refresh_config_{0} FOR EACH ROW EXECUTE FUNCTION hold()", "logical")]
    [InlineData(ReplicationKind.Logical, Ran, "logical")]
    [InlineData(ReplicationKind.Logical, Commit, "t")]
    [InlineData(ReplicationKind.Snapshot, Truncate, "t_snap2")]
    [InlineData(ReplicationKind.Snapshot, Row, "t_snap2")]
    [InlineData(ReplicationKind.Snapshot, Commit, "t_snap2")]
    [InlineData(ReplicationKind.Snapshot, View, "hold_t", "start")]
    [InlineData(ReplicationKind.Snapshot, View, "hold_t", "end")]
    [InlineData(ReplicationKind.Snapshot, Token, "")]
    public async Task What_stands_there_is_old_as_a_whole_and_the_next_refresh_makes_it_new(ReplicationKind kind, string hold, string on, string when = "")
    {
        await using var mimeo = await ChangedAsync(kind);
        var old = await ContentAsync(mimeo);

        await KillAsync(mimeo, string.Format(System.Globalization.CultureInfo.InvariantCulture, hold, on, when));

        (await ContentAsync(mimeo)).Should().Be(old);
        await AheadAsync(mimeo, kind);
        (await mimeo.RefreshAsync("public.t")).Status.Should().Be(RefreshStatus.Refreshed);
        await NewAsync(mimeo, kind);
    }

    [Fact]
    public async Task A_snapshot_that_is_shown_already_is_new_though_its_former_rows_still_take_their_space()
    {
        await using var mimeo = await ChangedAsync(ReplicationKind.Snapshot);

        await KillAsync(mimeo, "CREATE TRIGGER hold BEFORE TRUNCATE ON t_snap1 FOR EACH STATEMENT EXECUTE FUNCTION hold()");

        await NewAsync(mimeo, ReplicationKind.Snapshot);
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM t_snap1")).Should().Be(1000);
        (await mimeo.RefreshAsync("public.t", new RefreshOptions { SkipUnchanged = false })).Status.Should().Be(RefreshStatus.Refreshed);
        await NewAsync(mimeo, ReplicationKind.Snapshot);
    }

    [Theory]
    [InlineData(ReplicationKind.Inserter)]
    [InlineData(ReplicationKind.Updater)]
    public async Task A_repull_that_dies_at_its_place_keeps_rows_and_place(ReplicationKind kind)
    {
        await using var mimeo = await ChangedAsync(kind);
        var old = await ContentAsync(mimeo);

        await KillAsync(mimeo, Place.Replace("{0}", kind == ReplicationKind.Inserter ? "inserter" : "updater", StringComparison.Ordinal), new RefreshOptions { Repull = Repull.All });

        (await ContentAsync(mimeo)).Should().Be(old);
        await AheadAsync(mimeo, kind);
    }

    private async Task<Mimeo> ChangedAsync(ReplicationKind kind)
    {
        var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        var growing = kind is ReplicationKind.Inserter or ReplicationKind.Updater;
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, ver bigint, w text); INSERT INTO t SELECT i, i, 'old' FROM generate_series(1, 1000) i");
        await mimeo.CreateAsync(kind, "public.t", s => s with { Cursor = growing ? CursorColumn.Serial("ver", 0) : null });
        await mimeo.Databases.AtSourceAsync(
            (kind == ReplicationKind.Inserter ? "" : "UPDATE t SET w = 'new', ver = 2000 + id WHERE id <= 100; ") + "INSERT INTO t SELECT i, 3000 + i, 'new' FROM generate_series(1001, 1500) i");
        await Eventually.TrueAsync(
            async () => await mimeo.Databases.SourceAsync<long>("SELECT pg_stat_get_tuples_inserted('t'::regclass)") == 1500, "the counters have arrived", cancellationToken: TestContext.Current.CancellationToken);
        await mimeo.Databases.AtDestinationAsync(
            """
            CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END';
            CREATE FUNCTION hold_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(4711); END';
            """);
        return mimeo;
    }

    private static async Task KillAsync(Mimeo mimeo, string hold, RefreshOptions? options = null)
    {
        await mimeo.Databases.AtDestinationAsync(hold.Replace("FUNCTION hold", "FUNCTION public.hold", StringComparison.Ordinal));
        await using (await QueueTests.HoldAsync(mimeo.Databases.Destination, "SELECT pg_advisory_lock(4711)"))
        {
            var refreshing = mimeo.RefreshAsync("public.t", options);
            await Eventually.TrueAsync(
                async () => await mimeo.Databases.DestinationAsync<bool>(
                    "SELECT coalesce(bool_or(pg_terminate_backend(pid)), false) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"),
                "the refresh has come to the phase", cancellationToken: TestContext.Current.CancellationToken);
            var killed = () => refreshing;
            await killed.Should().ThrowAsync<MimeoException>();
        }
        await mimeo.Databases.AtDestinationAsync("DROP FUNCTION hold CASCADE; DROP FUNCTION hold_ddl CASCADE");
    }

    private static Task<string> ContentAsync(Mimeo mimeo) => TwoDatabases.ContentAsync(mimeo.Databases.Destination, "SELECT * FROM t");

    private static async Task AheadAsync(Mimeo mimeo, ReplicationKind kind)
    {
        if (kind is ReplicationKind.Inserter or ReplicationKind.Updater)
            (await mimeo.Client.FindAsync(QualifiedName.Parse("public.t"), TestContext.Current.CancellationToken))!.LastValue.Should().Be("999");
    }

    // The row with the largest number waits.
    private static Task NewAsync(Mimeo mimeo, ReplicationKind kind) => mimeo.Databases.ShouldBeEqualAsync(
        "SELECT * FROM t" + (kind is ReplicationKind.Inserter or ReplicationKind.Updater ? " WHERE ver < (SELECT max(ver) FROM t)" : ""), "SELECT id, ver, w FROM t");
}
