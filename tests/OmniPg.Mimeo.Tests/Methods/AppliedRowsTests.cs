using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>How changed rows come into a table: in the types of all kinds, where rows are missing here, and where a key tells no rows apart.</summary>
public sealed class AppliedRowsTests(PgClusterFixture fixture)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Changes_of_the_log_arrive_with_values_of_all_types_in_binary_and_as_text(bool isText)
    {
        const string Types = "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN word AS varchar(9) NOT NULL; CREATE TYPE pair AS (a int, b text);";
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(
            $"""
            {Types} CREATE TABLE t (id bigint, k numeric, b bool, f float8, n numeric, d date, ts timestamp, tz timestamptz, i interval, w word, c char(5), x bytea, v varbit, m mood, ms mood[], js jsonb, j json, u uuid, a int[], r int4range, ip inet, big text,
                {(isText ? "p pair, " : "")}PRIMARY KEY (id, k));
            ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
            INSERT INTO t (id, k, w, big) SELECT i, 1.50, 'old', repeat(i::text, 3000) FROM generate_series(1, 20) i;
            """);
        await mimeo.Databases.AtDestinationAsync(Types);
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t");

        await mimeo.Databases.AtSourceAsync(
            $$"""
            UPDATE t SET b = true, f = 'NaN', n = 'NaN', d = 'infinity', ts = '-infinity', tz = '0044-03-15 12:00:00+00 BC', i = '1 mon -2 days 3.5 s', c = 'é', x = '\x00ff0d0a5c09', v = B'1011', m = 'ok', ms = '[3:4]={sad,NULL}',
                js = '{"a": [1, null]}', j = '[1,  2]', u = '00112233-4455-6677-8899-aabbccddeeff', a = '{}', r = '[1,5)', ip = '10.0.0.0/8' WHERE id <= 3;
            UPDATE t SET w = E'\\t\n\r', n = -123456789012345678901234567890.123450 WHERE id BETWEEN 4 AND 6;
            UPDATE t SET k = 2.5 WHERE id = 7; DELETE FROM t WHERE id = 8; UPDATE t SET id = 100, w = 'moved' WHERE id = 9;
            INSERT INTO t (id, k, w, big) VALUES (30, 'NaN', 'new', NULL), (31, -0.5, '', repeat('y', 20000)); UPDATE t SET w = 'later' WHERE id = 31;
            {{(isText ? "UPDATE t SET p = (1, E'a\\tb') WHERE id = 2" : "")}}
            """);
        (await mimeo.RefreshAsync("public.t")).Format.Should().Be(isText ? CopyFormat.Text : CopyFormat.Binary);

        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM t");
        (await mimeo.Databases.DestinationAsync<string>("SELECT concat_ws(' ', f, n, d, ts, i, x, ms, length(big)) FROM t WHERE id = 1")).Should().Be(@"NaN NaN infinity -infinity 1 mon -2 days +00:00:03.5 \x00ff0d0a5c09 [3:4]={sad,NULL} 3000");
    }

    [Theory]
    [InlineData(ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Logical)]
    public async Task A_row_that_somebody_took_away_here_comes_back_with_its_next_change(ReplicationKind kind)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text, n int); INSERT INTO t SELECT i, 'old', i FROM generate_series(1, 1000) i");
        await mimeo.CreateAsync(kind, "public.t");
        await mimeo.Databases.AtDestinationAsync("DELETE FROM t WHERE id % 10 = 0; INSERT INTO t VALUES (1001, 'own', 1), (1002, 'own', 1)");

        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'new' WHERE id % 5 = 0; INSERT INTO t VALUES (1001, 'came', 7); DELETE FROM t WHERE id % 7 = 0; UPDATE t SET id = 1002 WHERE id = 1");
        await mimeo.RefreshAsync("public.t");

        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM t");
    }

    [Theory]
    [InlineData(ReplicationKind.Updater)]
    [InlineData(ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Logdel)]
    [InlineData(ReplicationKind.Logical)]
    public async Task A_key_of_another_form_of_its_value_comes_as_it_is(ReplicationKind kind)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(
            """
            CREATE TABLE t (k numeric, i interval, n int, ver int, PRIMARY KEY (k, i, n)); INSERT INTO t SELECT i + 0.5, '1 day', i, i FROM generate_series(1, 10) i
            """);
        await mimeo.CreateAsync(kind, "public.t", o => kind == ReplicationKind.Updater ? o with { Cursor = CursorColumn.Serial("ver", 0) } : o);

        await mimeo.Databases.AtSourceAsync(
            """
            UPDATE t SET k = 1.50, ver = 101 WHERE n = 1; DELETE FROM t WHERE n = 2; INSERT INTO t VALUES (2.50, '24:00', 2, 102); UPDATE t SET k = 3.500, i = '24:00', ver = 103 WHERE n = 3;
            UPDATE t SET i = '24:00', ver = 104 WHERE n = 4; INSERT INTO t VALUES (99, '1 day', 99, 105)
            """);
        await mimeo.RefreshAsync("public.t");

        const string rows = "SELECT k::text, i::text, n, ver FROM t WHERE n < 99";
        await mimeo.Databases.ShouldBeEqualAsync(rows, rows + (kind == ReplicationKind.Logdel ? " AND mimeo_source_deleted IS NULL" : ""));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Two_rows_of_one_key_are_refused_and_not_one_of_them_taken(bool isEqualHere)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        Assert.SkipUnless(!isEqualHere || await mimeo.Databases.DestinationAsync<bool>("SELECT EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i')"), "The server has no collation by which two texts are equal.");
        await mimeo.Databases.AtSourceAsync($"CREATE TABLE t (k text {(isEqualHere ? "PRIMARY KEY" : "NOT NULL")}, w text); INSERT INTO t SELECT 'k' || i, 'old' FROM generate_series(1, 10) i");
        if (isEqualHere)
            await mimeo.Databases.AtDestinationAsync("CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false); CREATE TABLE t (k text COLLATE loose PRIMARY KEY, w text); INSERT INTO t SELECT 'k' || i, 'old' FROM generate_series(1, 10) i");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t", s => s with { Key = ["k"] });

        await mimeo.Databases.AtSourceAsync($"UPDATE t SET w = 'one' WHERE k = 'k1'; INSERT INTO t VALUES ('{(isEqualHere ? "K1" : "k1")}', 'two')");
        var refreshing = () => mimeo.RefreshAsync("public.t");

        (await refreshing.Should().ThrowAsync<MimeoServerException>()).Which.SqlState.Should().Be("21000");
        (await mimeo.Databases.DestinationAsync<string>("SELECT w FROM t WHERE k = 'k1'")).Should().Be("old");
        (await mimeo.Databases.SourceAsync<bool>("SELECT count(*) > 0 FROM omnipg_mimeo.public_t_q")).Should().BeTrue();
    }
}
