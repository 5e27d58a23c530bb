using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Tables that keep every image of a deleted row: the newest one in the table, unless its key is back, and all others beside it.</summary>
public sealed class HistoryTests(PgClusterFixture fixture)
{
    private const string Queue = "omnipg_mimeo.public_t_q";

    [Theory]
    [InlineData(false, "DELETE FROM t WHERE id = 1", "INSERT INTO t VALUES (1, 'again')", "", "1 old")]
    [InlineData(false, "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'again')", "", "", "1 old")]
    [InlineData(false, "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'again'); DELETE FROM t WHERE id = 1", "", "1 again", "1 old")]
    [InlineData(false, "DELETE FROM t WHERE id = 1", "INSERT INTO t VALUES (1, 'again'); DELETE FROM t WHERE id = 1", "1 again", "1 old")]
    [InlineData(true, "DELETE FROM t WHERE id = 1", "INSERT INTO t VALUES (1, 'again'); DELETE FROM t WHERE id = 1", "1 again", "1 old")]
    [InlineData(false, "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'again')", "DELETE FROM t WHERE id = 1", "1 again", "1 old")]
    [InlineData(true, "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'a'); DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'b'); DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'c')", "DELETE FROM t WHERE id = 1", "1 c", "1 a, 1 b, 1 old")]
    [InlineData(false, "DELETE FROM t WHERE id IN (1, 2)", "INSERT INTO t VALUES (1, 'again'); UPDATE t SET id = 2000 WHERE id = 1", "2 old", "1 old")]
    public async Task Each_image_stands_in_the_table_or_beside_it_and_once_even_where_the_queue_tells_it_again(bool isReplaced, string first, string second, string deleted, string history)
    {
        await using var mimeo = await CreateAsync();
        // Without an index of the key rows are deleted and inserted.
        if (isReplaced)
            await mimeo.Databases.AtDestinationAsync("ALTER TABLE t DROP CONSTRAINT t_id_pk");

        foreach (var change in (string[])[first, second])
        {
            if (change.Length > 0)
                await mimeo.Databases.AtSourceAsync(change);
            await mimeo.Databases.AtSourceAsync($"DROP TABLE IF EXISTS told; CREATE TABLE told AS TABLE {Queue}");
            await mimeo.RefreshAsync("public.t");
            // What the source did not forget.
            await mimeo.Databases.AtSourceAsync($"INSERT INTO {Queue} SELECT * FROM told");
            await mimeo.RefreshAsync("public.t");
        }

        await LiveRowsAreThoseOfTheSourceAsync(mimeo);
        (await RowsAsync(mimeo, "t WHERE mimeo_source_deleted IS NOT NULL")).Should().Be(deleted);
        (await RowsAsync(mimeo, "t_deleted")).Should().Be(history);
        (await mimeo.Databases.DestinationAsync<bool>("SELECT bool_and(mimeo_source_deleted BETWEEN now() - interval '10 min' AND now()) FROM t_deleted")).Should().BeTrue();
    }

    [Fact]
    public async Task Writers_at_the_source_while_it_is_refreshed_lose_no_image_of_a_deleted_row()
    {
        await using var mimeo = await CreateAsync();
        await mimeo.Databases.AtSourceAsync(
            """
            CREATE TABLE seen (id int, w text);
            CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.seen VALUES (OLD.id, OLD.w); RETURN NULL; END';
            CREATE TRIGGER tell AFTER DELETE ON t FOR EACH ROW EXECUTE FUNCTION tell();
            """);
        var all = Task.WhenAll(Enumerable.Range(0, 8).Select(n => QueueWriters.WriteAsync(mimeo.Databases.Source, n, transactions: 60)));

        while (!all.IsCompleted)
            await mimeo.RefreshAsync("public.t", new RefreshOptions { Limit = 50 });
        await all;
        await mimeo.RefreshAsync("public.t");

        await LiveRowsAreThoseOfTheSourceAsync(mimeo);
        await mimeo.Databases.ShouldBeEqualAsync("SELECT id, w FROM seen", "SELECT id, w FROM t WHERE mimeo_source_deleted IS NOT NULL UNION ALL SELECT id, w FROM t_deleted");
        (await mimeo.Databases.SourceAsync<long>("SELECT count(*) FROM seen")).Should().BePositive();
    }

    [Fact]
    public async Task Rows_that_come_back_in_several_slices_leave_all_of_their_images()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t SELECT i, repeat(md5(i::text), 12) FROM generate_series(1, 40000) i; CREATE TABLE old AS TABLE t");
        await mimeo.CreateAsync(ReplicationKind.Logdel, "public.t", s => s with { KeepHistory = true });
        await mimeo.Databases.AtSourceAsync("DELETE FROM t");
        (await mimeo.RefreshAsync("public.t")).Rows.Should().Be(40_000);

        await mimeo.Databases.AtSourceAsync("INSERT INTO t SELECT id, w || 'x' FROM old");
        (await mimeo.RefreshAsync("public.t")).Rows.Should().Be(40_000);

        await LiveRowsAreThoseOfTheSourceAsync(mimeo);
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM old", "SELECT id, w FROM t_deleted");
    }

    [Fact]
    public async Task A_repull_and_a_repair_keep_what_their_rows_push_out()
    {
        await using var mimeo = await CreateAsync();
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id IN (1, 2, 3)");
        await mimeo.RefreshAsync("public.t");

        await mimeo.Databases.AtSourceAsync("INSERT INTO t VALUES (1, 'again')");
        await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All });
        (await RowsAsync(mimeo, "t_deleted")).Should().Be("1 old");
        await mimeo.Databases.AtSourceAsync($"INSERT INTO t VALUES (2, 'again'); DELETE FROM {Queue}");
        (await mimeo.Client.RepairAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken)).IsRepaired.Should().BeTrue();

        await LiveRowsAreThoseOfTheSourceAsync(mimeo);
        (await RowsAsync(mimeo, "t WHERE mimeo_source_deleted IS NOT NULL")).Should().Be("3 old");
        (await RowsAsync(mimeo, "t_deleted")).Should().Be("1 old, 2 old");
    }

    [Fact]
    public async Task A_history_that_cannot_hold_an_image_stops_the_refresh_and_nothing_is_lost()
    {
        await using var mimeo = await CreateAsync();
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id = 1");
        await mimeo.RefreshAsync("public.t");
        await mimeo.Databases.AtSourceAsync("INSERT INTO t VALUES (1, 'again')");
        var refreshing = () => mimeo.RefreshAsync("public.t");

        await mimeo.Databases.AtDestinationAsync("ALTER TABLE t_deleted ADD CONSTRAINT no CHECK (w <> 'old') NOT VALID");
        (await refreshing.Should().ThrowAsync<MimeoServerException>()).Which.SqlState.Should().Be("23514");
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE t_deleted DROP w");
        (await refreshing.Should().ThrowAsync<ColumnDriftException>()).Which.Differences.Should().Equal("'w' (text) is missing in 'public.t_deleted'");
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE t_deleted RENAME TO elsewhere");
        var gone = (await refreshing.Should().ThrowAsync<DestinationMissingException>()).Which;
        gone.Sentence.Should().Be("Relation 'public.t_deleted' of the destination is missing, where older images of deleted rows of 'public.t' have to stand.");
        gone.Hint.Should().Contain("call UpdateAsync with the specification as it is, which makes it anew and empty");

        (await RowsAsync(mimeo, "t WHERE mimeo_source_deleted IS NOT NULL")).Should().Be("1 old");
        (await mimeo.Databases.SourceAsync<long>($"SELECT count(*) FROM {Queue}")).Should().Be(1);
        var spec = (await mimeo.Client.FindAsync(QualifiedName.Parse("public.t"), TestContext.Current.CancellationToken))!;
        await mimeo.Client.UpdateAsync(spec, TestContext.Current.CancellationToken);
        await mimeo.RefreshAsync("public.t");
        (await RowsAsync(mimeo, "t_deleted")).Should().Be("1 old");
    }

    [Fact]
    public async Task A_column_that_is_new_at_the_source_comes_into_the_history_too_or_is_told_with_what_adds_it()
    {
        await using var mimeo = await CreateAsync();
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id = 1");
        await mimeo.RefreshAsync("public.t");
        await mimeo.Databases.AtSourceAsync("ALTER TABLE t ADD more int; INSERT INTO t VALUES (1, 'again', 7)");

        var drift = await mimeo.Client.FindDriftAsync(QualifiedName.Parse("public.t"), TestContext.Current.CancellationToken);
        drift.Columns.Select(c => $"{c.Column} {c.Kind} {c.Statement}").Should().Equal(
            "more MissingHere ALTER TABLE \"public\".\"t\" ADD COLUMN \"more\" integer;", "more MissingHere ALTER TABLE \"public\".\"t_deleted\" ADD COLUMN \"more\" integer;");
        await mimeo.Databases.AtDestinationAsync(string.Join('\n', drift.Columns.Select(c => c.Statement)));
        await mimeo.Databases.AtSourceAsync(string.Join('\n', drift.SourceStatements));
        await mimeo.RefreshAsync("public.t");
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'last', 8)");
        await mimeo.RefreshAsync("public.t");
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(concat_ws(' ', id, w, more), ', ' ORDER BY w) FROM t_deleted")).Should().Be("1 again 7, 1 old");

        await mimeo.Client.UpdateAsync((await mimeo.Client.FindAsync(QualifiedName.Parse("public.t"), TestContext.Current.CancellationToken))! with { Drift = DriftPolicy.AddColumns }, TestContext.Current.CancellationToken);
        await mimeo.Databases.AtSourceAsync("ALTER TABLE t ADD most text DEFAULT 'm'");
        await mimeo.RefreshAsync("public.t");
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'end', 9, 'n')");
        await mimeo.RefreshAsync("public.t");
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(concat_ws(' ', id, w, more, most), ', ' ORDER BY w) FROM t_deleted")).Should().Be("1 again 7, 1 last 8 m, 1 old");
    }

    [Fact]
    public async Task Values_of_a_column_that_the_source_does_not_have_any_more_are_a_part_of_the_image()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text, gone text); INSERT INTO t VALUES (1, 'old', 'kept')");
        await mimeo.CreateAsync(ReplicationKind.Logdel, "public.t", s => s with { KeepHistory = true });
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id = 1");
        await mimeo.RefreshAsync("public.t");

        await mimeo.Databases.AtSourceAsync("ALTER TABLE t DROP gone; INSERT INTO t VALUES (1, 'again')");
        await mimeo.RefreshAsync("public.t");

        (await mimeo.Databases.DestinationAsync<string>("SELECT concat_ws(' ', id, w, gone) FROM t_deleted")).Should().Be("1 old kept");
    }

    [Fact]
    public async Task An_image_whose_key_was_away_stays_when_the_table_is_repulled()
    {
        await using var mimeo = await CreateAsync();
        await mimeo.Databases.AtSourceAsync("ALTER TABLE t RENAME id TO other; UPDATE t SET w = 'last' WHERE other = 1");
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE other = 1; ALTER TABLE t RENAME other TO id");
        await mimeo.Databases.AtSourceAsync($"CREATE TABLE told AS TABLE {Queue}");

        await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All });

        await LiveRowsAreThoseOfTheSourceAsync(mimeo);
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(coalesce(id::text, '?') || ' ' || w, ', ') FROM t_deleted")).Should().Be("? last");
        // What the source did not forget.
        await mimeo.Databases.AtSourceAsync($"INSERT INTO {Queue} SELECT * FROM told");
        await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All });
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(coalesce(id::text, '?') || ' ' || w, ', ') FROM t_deleted")).Should().Be("? last");
    }

    [Theory]
    [InlineData("int", "bigint", "7", "7")]
    [InlineData("timestamp", "timestamptz", "2026-01-15 12:00", "2026-01-15 12:00+09")]
    [InlineData("text", "varchar(40)", "as long as it was", "as long as it was")]
    public async Task An_older_image_comes_in_the_type_that_its_column_has_by_now_though_the_queue_has_the_former_one(string was, string becomes, string value, string image)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("DO $$BEGIN EXECUTE format($f$ALTER DATABASE %I SET timezone = 'Asia/Tokyo'$f$, current_database()); END$$");
        await mimeo.Databases.AtSourceAsync($"CREATE TABLE t (id int PRIMARY KEY, v {was}); INSERT INTO t VALUES (1, '{value}')");
        await mimeo.CreateAsync(ReplicationKind.Logdel, "public.t", s => s with { KeepHistory = true });
        await mimeo.Databases.AtSourceAsync($"DELETE FROM t; INSERT INTO t VALUES (1, '{value}')");
        await mimeo.Databases.AtSourceAsync($"ALTER TABLE t ALTER v TYPE {becomes}");
        await mimeo.Databases.AtDestinationAsync($"ALTER TABLE t ALTER v TYPE {becomes}; ALTER TABLE t_deleted ALTER v TYPE {becomes}");

        await mimeo.RefreshAsync("public.t");
        (await mimeo.Databases.DestinationAsync<string>($"SELECT string_agg(id || ' ' || (v = '{image}')::text, ', ') FROM t_deleted")).Should().Be("1 true");

        // The same where the key was away.
        await mimeo.Databases.AtSourceAsync($"INSERT INTO {Queue} (v, mimeo_source_deleted) VALUES ('{value}', now())");
        await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All });
        (await mimeo.Databases.DestinationAsync<string>($"SELECT string_agg(coalesce(id::text, '?') || ' ' || (v = '{image}')::text, ', ' ORDER BY id) FROM t_deleted")).Should().Be("1 true, ? true");
    }

    [Fact]
    public async Task A_process_that_was_there_before_an_upgrade_refreshes_nothing_behind_it()
    {
        await using var mimeo = await CreateAsync();
        await mimeo.RefreshAsync("public.t");
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id = 1");
        await mimeo.Databases.AtDestinationAsync("UPDATE omnipg_mimeo.schema_version SET version = version + 1");

        var refreshing = () => mimeo.RefreshAsync("public.t");

        (await refreshing.Should().ThrowAsync<MimeoStoreException>()).Which.Message.Should().Contain(" has tables of version '7' of this package in schema 'omnipg_mimeo'; it needs version '6'.");
        (await mimeo.Databases.SourceAsync<long>($"SELECT count(*) FROM {Queue}")).Should().Be(1);
        await mimeo.Databases.AtDestinationAsync("UPDATE omnipg_mimeo.schema_version SET version = version - 1");
        (await mimeo.RefreshAsync("public.t")).Rows.Should().Be(1);
    }

    [Fact]
    public async Task The_history_stays_with_its_table_and_goes_with_it()
    {
        await using var mimeo = await CreateAsync();
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'again')");
        await mimeo.RefreshAsync("public.t");
        await mimeo.DropAsync("public.t");
        (await RowsAsync(mimeo, "t_deleted")).Should().Be("1 old");

        var again = await mimeo.CreateAsync(ReplicationKind.Logdel, "public.t", s => s with { KeepHistory = true });
        again.Warnings.Should().Equal("'public.t_deleted' was there and keeps its rows.");
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'last')");
        await mimeo.RefreshAsync("public.t");
        (await RowsAsync(mimeo, "t_deleted")).Should().Be("1 again, 1 old");
        (await mimeo.DropAsync("public.t", keepTable: false)).Dropped.Should().Equal(QualifiedName.Parse("public.t"), QualifiedName.Parse("public.t_deleted"));

        await mimeo.CreateAsync(ReplicationKind.Logdel, "public.t", s => s with { KeepHistory = true });
        await mimeo.DropAsync("public.t");
        await mimeo.Databases.AtDestinationAsync("DROP TABLE t; ALTER TABLE t_deleted DROP w, DROP mimeo_source_deleted");
        var creating = () => mimeo.CreateAsync(ReplicationKind.Logdel, "public.t", s => s with { KeepHistory = true });
        (await creating.Should().ThrowAsync<ColumnDriftException>()).Which.Differences.Should().Equal(
            "'w' (text) is missing in 'public.t_deleted'", "'mimeo_source_deleted' (timestamp with time zone) is missing in 'public.t_deleted'");
        (await mimeo.Databases.SourceAsync<long>("SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass")).Should().Be(0);
        (await mimeo.Databases.DestinationAsync<bool>("SELECT to_regclass('public.t') IS NULL")).Should().BeTrue();
    }

    [Fact]
    public async Task It_begins_and_ends_with_the_option_and_ends_without_losing_anything()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t SELECT i, 'old' FROM generate_series(1, 10) i");
        var plain = ReplicationSpec.Parse(QualifiedName.Parse("public.t"), [new("kind", "logdel"), new("from", "erp")]);
        var kept = ReplicationSpec.Parse(QualifiedName.Parse("public.t"), [new("kind", "logdel"), new("from", "erp"), new("keepHistory", "true")]);
        await mimeo.Client.ApplyTablesAsync([plain], cancellationToken: TestContext.Current.CancellationToken);
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id = 1");
        await mimeo.RefreshAsync("public.t");

        (await mimeo.Client.ApplyTablesAsync([kept], cancellationToken: TestContext.Current.CancellationToken)).Single().Changed.Should().Equal("KeepHistory");
        (await mimeo.Client.PlanTablesAsync([kept], TestContext.Current.CancellationToken)).Single().Outcome.Should().Be(DeclaredFate.Unchanged);
        await mimeo.Databases.AtSourceAsync("INSERT INTO t VALUES (1, 'again')");
        await mimeo.RefreshAsync("public.t");
        (await RowsAsync(mimeo, "t_deleted")).Should().Be("1 old");
        await mimeo.Client.ApplyTablesAsync([plain], cancellationToken: TestContext.Current.CancellationToken);
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'more')");
        await mimeo.RefreshAsync("public.t");
        (await RowsAsync(mimeo, "t_deleted")).Should().Be("1 old");

        await mimeo.DropAsync("public.t");
        (await RowsAsync(mimeo, "t_deleted")).Should().Be("1 old");
    }

    [Theory]
    [InlineData(ReplicationKind.Dml, "t", "KeepHistory means nothing for Dml.")]
    [InlineData(ReplicationKind.Snapshot, "t", "KeepHistory means nothing for Snapshot.")]
    [InlineData(ReplicationKind.Logdel, "t23456789012345678901234567890123456789012345678901234567", "The name 't23456789012345678901234567890123456789012345678901234567' has more than 55 bytes, and '_deleted' has to fit behind it.")]
    public async Task It_is_refused_where_it_means_nothing_or_its_table_can_have_no_name(ReplicationKind kind, string name, string why)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);

        var creating = () => mimeo.CreateAsync(kind, "public.t", s => s with { KeepHistory = true, Destination = QualifiedName.Create("public", name) });

        (await creating.Should().ThrowAsync<ArgumentException>()).Which.Message.Should().StartWith(why);
    }

    [Fact]
    public async Task A_column_that_the_destination_alone_has_is_a_part_of_an_image()
    {
        await using var mimeo = await CreateAsync();
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id IN (1, 2)");
        await mimeo.RefreshAsync("public.t");
        await mimeo.Databases.AtDestinationAsync("CREATE DOMAIN remark AS text NOT NULL; ALTER TABLE t ADD note text; ALTER TABLE t ADD said remark DEFAULT 'none'; UPDATE t SET note = 'seen', said = 'much' WHERE id = 1");

        await mimeo.Databases.AtSourceAsync("INSERT INTO t VALUES (1, 'again')");
        await mimeo.RefreshAsync("public.t");
        await mimeo.Databases.AtSourceAsync("INSERT INTO t VALUES (2, 'again')");
        await mimeo.RefreshAsync("public.t");

        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(concat_ws(' ', id, w, note, said), ', ' ORDER BY id) FROM t_deleted")).Should().Be("1 old seen much, 2 old none");
    }

    [Fact]
    public async Task Who_may_read_the_table_or_add_to_it_may_do_so_with_its_history()
    {
        await using var mimeo = await CreateAsync();
        var (reader, writer) = ($"reader_{Guid.NewGuid():N}", $"writer_{Guid.NewGuid():N}");
        var spec = (await mimeo.Client.FindAsync(QualifiedName.Parse("public.t"), TestContext.Current.CancellationToken))!;
        await mimeo.DropAsync("public.t");
        await mimeo.Databases.AtDestinationAsync($"DROP TABLE t_deleted; CREATE ROLE {reader}; CREATE ROLE {writer}; GRANT SELECT, TRUNCATE ON t TO {reader}; GRANT SELECT, INSERT, UPDATE ON t TO {writer}");

        await mimeo.Client.CreateAsync(spec with { Queue = null }, cancellationToken: TestContext.Current.CancellationToken);

        const string Rights = "SELECT string_agg(right_of, ' ') FROM unnest('{SELECT,INSERT,UPDATE,TRUNCATE}'::text[]) right_of WHERE has_table_privilege('{0}', 't_deleted', right_of)";
        (await mimeo.Databases.DestinationAsync<string>(Rights.Replace("{0}", reader, StringComparison.Ordinal))).Should().Be("SELECT");
        (await mimeo.Databases.DestinationAsync<string>(Rights.Replace("{0}", writer, StringComparison.Ordinal))).Should().Be("SELECT INSERT");
    }

    [Fact]
    public async Task Tables_of_the_extension_cannot_hold_it_which_is_said_before_anything_is_made()
    {
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        Assert.SkipUnless(await databases.DestinationAsync<bool>("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'mimeo')"), "The extension mimeo is not installed.");
        await databases.AtSourceAsync("CREATE SCHEMA ext; CREATE TABLE t (id int PRIMARY KEY, w text)");
        await databases.AtDestinationAsync("CREATE SCHEMA dblink; CREATE EXTENSION dblink SCHEMA dblink; CREATE SCHEMA ext; CREATE EXTENSION mimeo SCHEMA ext");
        var client = new MimeoClient(databases.Destination.DataSource);
        await client.EnsureCreatedAsync(TestContext.Current.CancellationToken);
        await client.AddSourceAsync("erp", databases.Source.ConnectionString, TestContext.Current.CancellationToken);
        var spec = new ReplicationSpec { Kind = ReplicationKind.Logdel, From = "erp", Source = QualifiedName.Parse("public.t"), KeepHistory = true };

        var creating = () => client.CreateAsync(spec, cancellationToken: TestContext.Current.CancellationToken);
        (await creating.Should().ThrowAsync<ReplicationConflictException>()).Which.Message.Should().StartWith("Destination 'public.t' would stand in tables of the extension, whose own refresh loses older images of deleted rows (KeepHistory).");
        (await databases.SourceAsync<long>("SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass")).Should().Be(0);
        var made = (await client.CreateAsync(spec with { KeepHistory = false }, cancellationToken: TestContext.Current.CancellationToken)).Spec;
        var updating = () => client.UpdateAsync(made with { KeepHistory = true }, TestContext.Current.CancellationToken);
        await updating.Should().ThrowAsync<ReplicationConflictException>();

        await client.ImportFromExtensionAsync(TestContext.Current.CancellationToken);
        await client.UpdateAsync(made with { KeepHistory = true }, TestContext.Current.CancellationToken);
        var exporting = () => client.ExportToExtensionAsync(TestContext.Current.CancellationToken);
        (await exporting.Should().ThrowAsync<ReplicationConflictException>()).Which.Message.Should().StartWith("'public.t' would be refreshed by the extension, which loses older images of deleted rows (KeepHistory).");
        await client.UpdateAsync(made, TestContext.Current.CancellationToken);
        (await client.ExportToExtensionAsync(TestContext.Current.CancellationToken)).Tables.Should().Equal(QualifiedName.Parse("public.t"));
        (await databases.DestinationAsync<long>("SELECT count(*) FROM t_deleted")).Should().Be(0);
    }

    [Fact]
    public async Task It_belongs_to_the_owner_of_the_table_and_what_a_role_lacks_for_it_is_told()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        var (owner, role) = ($"owner_{Guid.NewGuid():N}", $"keeper_{Guid.NewGuid():N}");
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text)");
        await mimeo.Databases.AtDestinationAsync($"CREATE ROLE {owner}; GRANT CREATE ON SCHEMA public TO {owner}; CREATE ROLE {role} LOGIN");
        var made = (await mimeo.CreateAsync(ReplicationKind.Logdel, "public.t", s => s with { KeepHistory = true }, new CreateOptions { Owner = owner })).Spec;

        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(tablename || ' ' || tableowner, ', ' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'")).Should().Be($"t {owner}, t_deleted {owner}");
        await using var data = Npgsql.NpgsqlDataSource.Create(new Npgsql.NpgsqlConnectionStringBuilder(mimeo.Databases.Destination.ConnectionString) { Username = role }.ConnectionString);
        var access = await new MimeoClient(data).CheckAccessAsync(made, TestContext.Current.CancellationToken);
        access.DestinationStatements.Should().Contain([$"GRANT INSERT, SELECT ON public.t_deleted TO {role};", $"GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON public.t TO {role};"]);
        await mimeo.Databases.AtDestinationAsync("DROP TABLE t_deleted");
        access = await new MimeoClient(data).CheckAccessAsync(made, TestContext.Current.CancellationToken);
        access.DestinationStatements.Should().Contain($"GRANT CREATE ON SCHEMA public TO {role};");
    }

    private async Task<Mimeo> CreateAsync()
    {
        var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t SELECT i, 'old' FROM generate_series(1, 1000) i");
        await mimeo.CreateAsync(ReplicationKind.Logdel, "public.t", s => s with { KeepHistory = true });
        return mimeo;
    }

    private static Task LiveRowsAreThoseOfTheSourceAsync(Mimeo mimeo) => mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT id, w FROM t WHERE mimeo_source_deleted IS NULL");

    private static Task<string> RowsAsync(Mimeo mimeo, string from) => mimeo.Databases.DestinationAsync<string>($"SELECT coalesce(string_agg(id || ' ' || w, ', ' ORDER BY id, w), '') FROM {from}");
}
