using System.Globalization;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>The function of a queue's trigger while columns of the source come, go and change: the application's own statements go on.</summary>
public sealed class QueueFunctionTests(PgClusterFixture fixture)
{
    [Theory]
    [InlineData(ReplicationKind.Logdel, false, "ALTER TABLE t DROP COLUMN w CASCADE; ALTER TABLE t ADD other text DEFAULT 'o'", "id")]
    [InlineData(ReplicationKind.Logdel, false, "ALTER TABLE t RENAME w TO other", "id")]
    [InlineData(ReplicationKind.Logdel, true, "ALTER TABLE t RENAME w TO other", "id")]
    [InlineData(ReplicationKind.Dml, true, "ALTER TABLE t RENAME w TO other", "id")]
    [InlineData(ReplicationKind.Dml, false, "ALTER TABLE t RENAME id TO other", "other")]
    [InlineData(ReplicationKind.Logdel, true, "ALTER TABLE t RENAME id TO other", "other")]
    [InlineData(ReplicationKind.Logdel, false, "ALTER TABLE t ALTER n TYPE bigint", "id")]
    [InlineData(ReplicationKind.Logdel, false, "ALTER TABLE t ALTER n TYPE text; ALTER TABLE t ALTER n TYPE int USING n::int", "id")]
    [InlineData(ReplicationKind.Dml, false, "ALTER TABLE t ALTER id TYPE bigint", "id")]
    [InlineData(ReplicationKind.Logdel, false, "ALTER TABLE t ALTER w TYPE varchar(100); UPDATE t SET w = repeat('w', 100)", "id")]
    public async Task No_change_of_columns_stops_a_statement_of_the_application(ReplicationKind kind, bool some, string change, string key)
    {
        await using var mimeo = await CreateAsync(kind, some);
        // One that has planned the function's statements before, one that has not.
        await using var old = await mimeo.Databases.Source.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await ExecuteAsync(old, "INSERT INTO t VALUES (201, 'x', 0), (202, 'x', 0); UPDATE t SET n = 5 WHERE id = 201; UPDATE t SET id = 203 WHERE id = 201; DELETE FROM t WHERE id > 200");

        await mimeo.Databases.AtSourceAsync(change);
        await ExecuteAsync(old, Writes(1));
        await mimeo.Databases.AtSourceAsync(Writes(4));

        (await mimeo.Databases.SourceAsync<long>("SELECT count(*) FROM t")).Should().Be(100);

        string Writes(int first) => string.Create(CultureInfo.InvariantCulture,
            $"INSERT INTO t ({key}) VALUES ({first + 500}); UPDATE t SET n = n + 1 WHERE {key} = {first}; UPDATE t SET {key} = {first + 600} WHERE {key} = {first + 1}; DELETE FROM t WHERE {key} = {first + 2}");
    }

    [Fact]
    public async Task A_column_that_is_gone_from_the_source_of_a_logdel_is_told_and_taken_away_while_deletes_go_on()
    {
        await using var mimeo = await CreateAsync(ReplicationKind.Logdel, some: false);
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id = 1; ALTER TABLE t DROP COLUMN w; DELETE FROM t WHERE id = 2");

        var drift = await mimeo.Client.FindDriftAsync(QualifiedName.Parse("public.t"), TestContext.Current.CancellationToken);
        var refreshed = await mimeo.RefreshAsync("public.t");

        drift.Columns.Should().Equal(new ColumnDrift("w", ColumnDriftKind.MissingAtSource, null, "character varying(10)", null));
        drift.SourceStatements.Should().HaveCount(2);
        drift.SourceStatements[0].Should().StartWith("CREATE OR REPLACE FUNCTION \"omnipg_mimeo\".\"public_t_mimeo_queue\"()");
        drift.SourceStatements[1].Should().Be("ALTER TABLE \"omnipg_mimeo\".\"public_t_q\" DROP COLUMN \"w\";");
        refreshed.Warnings.Should().Equal("Source 'public.t' has no column 'w' any more, which queue 'omnipg_mimeo.public_t_q' has: rows that are deleted from now on bring no value for it. The statements of the column drift take it away.");
        // What was here already stays as it was.
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(concat_ws(' ', id, w, mimeo_source_deleted IS NULL), ', ' ORDER BY id) FROM t WHERE id < 4")).Should().Be("1 w1 f, 2 w2 f, 3 w3 t");
        foreach (var statement in drift.SourceStatements)
        {
            await mimeo.Databases.AtSourceAsync(statement);
            await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id = (SELECT min(id) FROM t)");
        }
        (await mimeo.Client.FindDriftAsync(QualifiedName.Parse("public.t"), TestContext.Current.CancellationToken)).HasDrift.Should().BeFalse();
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().BeEmpty();
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t WHERE mimeo_source_deleted IS NOT NULL")).Should().Be("1 2 3 4");
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT id, n FROM t WHERE mimeo_source_deleted IS NULL");
    }

    [Theory]
    [InlineData(ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Logdel)]
    public async Task A_key_whose_column_was_away_is_refused_until_all_rows_are_read(ReplicationKind kind)
    {
        await using var mimeo = await CreateAsync(kind, some: false);
        await mimeo.Databases.AtSourceAsync("ALTER TABLE t RENAME id TO other");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET n = 7 WHERE other = 1; DELETE FROM t WHERE other = 2");
        var refreshing = () => mimeo.RefreshAsync("public.t");

        (await refreshing.Should().ThrowAsync<ColumnDriftException>()).Which.Differences.Should().Contain("the source has no column 'id' any more, which is of the key");
        await mimeo.Databases.AtSourceAsync("ALTER TABLE t RENAME other TO id");
        (await refreshing.Should().ThrowAsync<NoReplicationKeyException>()).Which.Message.Should().Contain("has changed rows without a value in the key (id)");

        await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All });
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", $"SELECT id, w, n FROM t{(kind == ReplicationKind.Logdel ? " WHERE mimeo_source_deleted IS NULL" : "")}");
        (await refreshing()).Status.Should().Be(RefreshStatus.NothingNew);
    }

    [Fact]
    public async Task The_function_of_an_older_version_is_made_anew_by_a_refresh_and_that_of_another_maker_stays()
    {
        await using var mimeo = await CreateAsync(ReplicationKind.Dml, some: false);
        const string Text = "SELECT prosrc FROM pg_proc WHERE proname = 'public_t_mimeo_queue'";
        var ours = await mimeo.Databases.SourceAsync<string>(Text);
        await mimeo.Databases.AtSourceAsync(
            "CREATE OR REPLACE FUNCTION omnipg_mimeo.public_t_mimeo_queue() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN INSERT INTO omnipg_mimeo.public_t_q (id) VALUES (coalesce(NEW.id, OLD.id)); RETURN NULL; END'; UPDATE t SET n = 9 WHERE id = 9");

        (await mimeo.RefreshAsync("public.t")).Rows.Should().Be(1);

        (await mimeo.Databases.SourceAsync<string>(Text)).Should().Be(ours);
        (await mimeo.Databases.SourceAsync<string>("SELECT array_to_string(proconfig, ' ') FROM pg_proc WHERE proname = 'public_t_mimeo_queue'")).Should().Be("search_path=pg_catalog, pg_temp");
        await mimeo.Databases.AtSourceAsync("COMMENT ON TABLE omnipg_mimeo.public_t_q IS 'of somebody else'; CREATE OR REPLACE FUNCTION omnipg_mimeo.public_t_mimeo_queue() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'");
        await mimeo.RefreshAsync("public.t");
        (await mimeo.Databases.SourceAsync<string>(Text)).Should().Be("BEGIN RETURN NULL; END");
    }

    [Fact]
    public async Task A_function_that_the_role_may_not_replace_is_told_with_what_it_lacks()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        var role = $"puller_{Guid.NewGuid():N}";
        await mimeo.Databases.AtSourceAsync($"CREATE TABLE t (id int PRIMARY KEY, w text); CREATE ROLE {role} LOGIN; GRANT SELECT, TRIGGER ON t TO {role}; CREATE SCHEMA omnipg_mimeo AUTHORIZATION {role}");
        await mimeo.Client.AddSourceAsync("erp", new NpgsqlConnectionStringBuilder(mimeo.Databases.Source.ConnectionString) { Username = role }.ConnectionString, TestContext.Current.CancellationToken);
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().BeEmpty();

        await mimeo.Databases.AtSourceAsync(
            $"ALTER SCHEMA omnipg_mimeo OWNER TO postgres; GRANT USAGE ON SCHEMA omnipg_mimeo TO {role}; CREATE OR REPLACE FUNCTION omnipg_mimeo.public_t_mimeo_queue() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'");
        var warned = (await mimeo.RefreshAsync("public.t")).Warnings;

        warned.Should().Equal($"Function 'omnipg_mimeo.public_t_mimeo_queue' of source 'erp', which fills the queue, is not the one that the columns of 'public.t' need by now, and the role may not replace it. Let its owner run there: GRANT CREATE ON SCHEMA omnipg_mimeo TO {role};");
        await mimeo.Databases.AtSourceAsync($"GRANT CREATE ON SCHEMA omnipg_mimeo TO {role}");
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().BeEmpty();
        await mimeo.Databases.AtSourceAsync("INSERT INTO t VALUES (1, 'new')");
        (await mimeo.RefreshAsync("public.t")).Rows.Should().Be(1);
    }

    [Fact]
    public async Task Columns_that_are_called_like_what_the_function_has_are_queued_as_they_are()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        const string Columns = "old int, new text, absent text, present text, found text, was text, becomes text, tg_op text, changed text, c char(3), b bit(3), \"odd \"\"name\" numeric(4,1), PRIMARY KEY (old, new)";
        await mimeo.Databases.AtSourceAsync($"CREATE TABLE t ({Columns}); INSERT INTO t SELECT i, 'k', 'a', 'p', 'f', 'w', 'b', 'o', 'c', 'x', '101', 1.5 FROM generate_series(1, 5) i");
        await mimeo.CreateAsync(ReplicationKind.Logdel, "public.t");

        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE old = 1; UPDATE t SET new = 'other' WHERE old = 2; UPDATE t SET tg_op = 'changed' WHERE old = 3; INSERT INTO t (old, new) VALUES (6, 'k')");
        (await mimeo.RefreshAsync("public.t")).Rows.Should().Be(5);

        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT old, new, absent, present, found, was, becomes, tg_op, changed, c, b, \"odd \"\"name\" FROM t WHERE mimeo_source_deleted IS NULL");
        (await mimeo.Databases.DestinationAsync<string>("SELECT concat_ws(' ', old, new, absent, present, found, was, becomes, tg_op, changed, c, b, \"odd \"\"name\") FROM t WHERE mimeo_source_deleted IS NOT NULL")).Should().Be("1 k a p f w b o c x   101 1.5");
    }

    private async Task<Mimeo> CreateAsync(ReplicationKind kind, bool some)
    {
        var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w varchar(10), n int); INSERT INTO t SELECT i, 'w' || i, i FROM generate_series(1, 100) i");
        await mimeo.CreateAsync(kind, "public.t", s => s with { Columns = some ? ["id", "w"] : [] });
        return mimeo;
    }

    private static async Task ExecuteAsync(NpgsqlConnection session, string sql)
    {
        await using var command = new NpgsqlCommand(sql, session);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }
}
