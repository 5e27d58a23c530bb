using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Columns whose domain takes no null, or has a collation of its own.</summary>
public sealed class DomainTests(PgClusterFixture fixture)
{
    private const string Domains =
        """CREATE DOMAIN word AS varchar(9) COLLATE "C" NOT NULL; CREATE DOMAIN sure AS word CHECK (VALUE <> ''); CREATE DOMAIN price AS numeric(8, 2) NOT NULL; CREATE DOMAIN list AS int[] NOT NULL;""";

    [Theory]
    [InlineData(ReplicationKind.Dml, "id integer, processed boolean")]
    [InlineData(ReplicationKind.Logdel, "id integer, w character varying C, p numeric, l integer[], mimeo_source_deleted timestamp with time zone, processed boolean")]
    public async Task The_application_writes_on_where_a_domain_takes_no_null(ReplicationKind kind, string queue)
    {
        await using var mimeo = await CreateAsync("CREATE TABLE t (id int PRIMARY KEY, w sure, p price, l list); INSERT INTO t SELECT i, 'w', i, '{1}' FROM generate_series(1, 20) i", kind);

        await mimeo.Databases.AtSourceAsync("INSERT INTO t VALUES (30, 'new', 0.5, '{2,3}'); UPDATE t SET w = 'x' WHERE id = 7; UPDATE t SET id = 31 WHERE id = 8; DELETE FROM t WHERE id = 6");
        await mimeo.RefreshAsync("public.t");

        var isKept = kind == ReplicationKind.Logdel;
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", $"SELECT id, w, p, l FROM t {(isKept ? "WHERE mimeo_source_deleted IS NULL" : "")}");
        (await mimeo.Databases.DestinationAsync<string>("SELECT coalesce(string_agg(concat_ws(' ', id, w, p, l), ', ' ORDER BY id), '') FROM t WHERE id IN (6, 8)")).Should().Be(isKept ? "6 w 6.00 {1}" : "");
        (await mimeo.Databases.SourceAsync<string>(
            """
            SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), l.collname), ', ' ORDER BY a.attnum) FROM pg_attribute a LEFT JOIN pg_collation l ON l.oid = a.attcollation AND l.collname <> 'default'
            WHERE a.attrelid = 'omnipg_mimeo.public_t_q'::regclass AND a.attnum > 0
            """)).Should().Be(queue);
    }

    [Theory]
    [InlineData(ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Logdel)]
    [InlineData(ReplicationKind.Logical)]
    [InlineData(ReplicationKind.Updater)]
    public async Task Rows_are_found_by_a_key_whose_domain_has_a_collation(ReplicationKind kind)
    {
        await using var mimeo = await CreateAsync(
            "CREATE TABLE t (k word, ver int, PRIMARY KEY (k)); INSERT INTO t SELECT chr(64 + i % 2 * 32 + i) || i, i FROM generate_series(1, 20) i", kind,
            s => kind == ReplicationKind.Updater ? s with { Cursor = CursorColumn.Serial("ver", 0) } : s);

        await mimeo.Databases.AtSourceAsync("UPDATE t SET ver = ver + 100 WHERE ver IN (3, 4); INSERT INTO t VALUES ('B1', 1000), ('b1', 1001), ('a', 1002)");
        await mimeo.Databases.AtSourceAsync(kind == ReplicationKind.Updater ? "SELECT 1" : "UPDATE t SET k = 'moved' WHERE ver = 6; DELETE FROM t WHERE ver IN (7, 8)");
        await mimeo.RefreshAsync("public.t");

        await mimeo.Databases.ShouldBeEqualAsync(
            "SELECT * FROM t" + (kind == ReplicationKind.Updater ? " WHERE ver < 1002" : ""), "SELECT k, ver FROM t" + (kind == ReplicationKind.Logdel ? " WHERE mimeo_source_deleted IS NULL" : ""));
    }

    [Fact]
    public async Task A_queue_that_has_a_domain_is_told_with_the_statement_that_takes_it_away()
    {
        await using var mimeo = await CreateAsync("CREATE TABLE t (id int PRIMARY KEY, w sure); INSERT INTO t SELECT i, 'w' FROM generate_series(1, 20) i", ReplicationKind.Logdel);
        await mimeo.Databases.AtSourceAsync("ALTER TABLE omnipg_mimeo.public_t_q ALTER w TYPE sure");

        var drift = await mimeo.Client.FindDriftAsync(QualifiedName.Parse("public.t"), TestContext.Current.CancellationToken);
        foreach (var statement in drift.SourceStatements)
            await mimeo.Databases.AtSourceAsync(statement);
        await mimeo.Databases.AtSourceAsync("INSERT INTO t VALUES (30, 'new'); DELETE FROM t WHERE id = 6");
        await mimeo.RefreshAsync("public.t");

        drift.SourceStatements[0].Should().Be("""ALTER TABLE "omnipg_mimeo"."public_t_q" ALTER COLUMN "w" TYPE character varying COLLATE pg_catalog."C" USING "w"::character varying;""");
        (await mimeo.Client.FindDriftAsync(QualifiedName.Parse("public.t"), TestContext.Current.CancellationToken)).HasDrift.Should().BeFalse();
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(id || ' ' || w, ', ' ORDER BY id) FROM t WHERE mimeo_source_deleted IS NOT NULL OR id = 30")).Should().Be("6 w, 30 new");
    }

    [Fact]
    public async Task A_column_that_a_logdel_gets_later_stops_no_writer_where_its_domain_takes_no_null()
    {
        await using var mimeo = await CreateAsync("CREATE TABLE t (id int PRIMARY KEY, w sure); INSERT INTO t SELECT i, 'w' FROM generate_series(1, 20) i", ReplicationKind.Logdel, s => s with { Drift = DriftPolicy.AddColumns });
        await mimeo.Databases.AtSourceAsync("ALTER TABLE t ADD later price DEFAULT 1");
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE t ADD later price DEFAULT 1");

        await mimeo.RefreshAsync("public.t");
        await mimeo.Databases.AtSourceAsync("INSERT INTO t VALUES (30, 'new', 3); UPDATE t SET later = 2 WHERE id = 1; DELETE FROM t WHERE id = 6");
        await mimeo.RefreshAsync("public.t");

        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT id, w, later FROM t WHERE mimeo_source_deleted IS NULL");
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(concat_ws(' ', id, w, later), ', ') FROM t WHERE mimeo_source_deleted IS NOT NULL")).Should().Be("6 w 1.00");
    }

    private async Task<Mimeo> CreateAsync(string table, ReplicationKind kind, Func<ReplicationSpec, ReplicationSpec>? change = null)
    {
        var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(Domains + table);
        await mimeo.Databases.AtDestinationAsync(Domains);
        await mimeo.CreateAsync(kind, "public.t", change);
        return mimeo;
    }
}
