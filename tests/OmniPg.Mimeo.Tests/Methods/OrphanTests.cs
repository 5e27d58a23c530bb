using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>What stands at a source for tables that nobody manages any more.</summary>
public sealed class OrphanTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task A_function_that_fills_another_queue_is_no_part_of_an_orphan_that_its_text_names()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (public_t_q int PRIMARY KEY, w text)");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        await mimeo.CreateAsync(ReplicationKind.Logdel, "public.u");
        await mimeo.Client.DropAsync(QualifiedName.Parse("public.t"), keepTable: false, SourceCleanup.Skip, TestContext.Current.CancellationToken);

        var orphan = (await mimeo.Client.FindOrphansAsync("erp", TestContext.Current.CancellationToken)).Single();

        $"{orphan.Name} {orphan.Table} {orphan.IsMadeHere}".Should().Be("omnipg_mimeo.public_t_q public.t True");
        orphan.Statements.Should().Equal("DROP TRIGGER public_t_mimeo_trig ON public.t;", "DROP FUNCTION omnipg_mimeo.public_t_mimeo_queue();", "DROP TABLE omnipg_mimeo.public_t_q;");
        await mimeo.Databases.AtSourceAsync(string.Join('\n', orphan.Statements) + "INSERT INTO u VALUES (1, 'new')");
        (await mimeo.RefreshAsync("public.u")).Rows.Should().Be(1);
    }

    [Fact]
    public async Task Queues_and_slots_that_feed_nothing_here_are_told_with_what_takes_them_away_and_others_are_not_touched()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        var odd = "odd_" + new string('n', 59);
        await mimeo.Databases.AtSourceAsync($"CREATE TABLE t (id int PRIMARY KEY, w text); CREATE TABLE {odd} (id int PRIMARY KEY); CREATE TABLE own_q (id int, processed boolean)");
        await using var other = await Mimeo.CreateAsync(fixture.Cluster);
        await other.Client.AddSourceAsync("erp", mimeo.Databases.Source.ConnectionString, TestContext.Current.CancellationToken);
        var kept = (await mimeo.CreateAsync(ReplicationKind.Dml, "public.t", s => s with { Destination = QualifiedName.Parse("public.kept") })).Spec;
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t", s => s with { Destination = QualifiedName.Parse("public.followed") });
        await other.CreateAsync(ReplicationKind.Logdel, "public.t");
        foreach (var (kind, source, destination) in ((ReplicationKind, string, string)[])[(ReplicationKind.Dml, "public.t", "public.gone"), (ReplicationKind.Logdel, $"public.{odd}", "public.long"), (ReplicationKind.Logical, "public.t", "public.lost")])
        {
            await mimeo.CreateAsync(kind, source, s => s with { Destination = QualifiedName.Parse(destination) });
            await mimeo.Client.DropAsync(QualifiedName.Parse(destination), keepTable: false, SourceCleanup.Skip, TestContext.Current.CancellationToken);
        }

        var orphans = await FindAsync();

        orphans.Select(o => $"{o.Name} {o.Table} {o.IsMadeHere} {o.Statements.Count}").Should().Equal(
            $"omnipg_mimeo.public_{odd[..54]}_q public.{odd} True 3", "omnipg_mimeo.public_t_q01 public.t False 3", "omnipg_mimeo.public_t_q02 public.t True 3", $"{orphans[3].Name} public.t False 2");
        foreach (var orphan in orphans.Where(o => o.IsMadeHere || o.Statements.Count == 2))
            await mimeo.Databases.AtSourceAsync(string.Join('\n', orphan.Statements));
        (await FindAsync()).Select(o => o.Name).Should().Equal("omnipg_mimeo.public_t_q01");
        await mimeo.Databases.AtSourceAsync("INSERT INTO t VALUES (1, 'x')");
        foreach (var table in (string[])["public.kept", "public.followed"])
            (await mimeo.RefreshAsync(table)).Rows.Should().Be(1);
        (await other.RefreshAsync("public.t")).Rows.Should().Be(1);
        (await mimeo.Databases.SourceAsync<long>("SELECT count(*) FROM own_q")).Should().Be(0);
        kept.Queue!.Value.ToString().Should().Be("omnipg_mimeo.public_t_q");

        Task<IReadOnlyList<SourceOrphan>> FindAsync() => mimeo.Client.FindOrphansAsync("erp", TestContext.Current.CancellationToken);
    }
}
