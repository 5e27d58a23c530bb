using System.Globalization;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Extraction;

public sealed class InstanceNumberTests(PgClusterFixture fixture)
{
    private const string Table = "CREATE TABLE public.t (\n    a integer\n);\n";

    [Theory]
    [InlineData("ALTER TABLE ONLY public.t ALTER COLUMN a SET (pg_attver=1140106176);\n", "")]
    [InlineData("ALTER TABLE ONLY public.t ALTER COLUMN a SET (n_distinct=5, pg_attver=1);\n", "ALTER TABLE ONLY public.t ALTER COLUMN a SET (n_distinct=5);\n")]
    [InlineData("ALTER TABLE ONLY public.t ALTER COLUMN a SET (pg_attver=1, n_distinct=-0.5);\nALTER TABLE ONLY public.t ALTER COLUMN b SET (pg_attver=2);\n",
        "ALTER TABLE ONLY public.t ALTER COLUMN a SET (n_distinct=-0.5);\n")]
    [InlineData("ALTER TABLE ONLY public.t ALTER COLUMN \"x (pg_attver=1)\" SET STATISTICS 5;\n", "ALTER TABLE ONLY public.t ALTER COLUMN \"x (pg_attver=1)\" SET STATISTICS 5;\n")]
    [InlineData("ALTER TABLE ONLY public.t ALTER COLUMN a SET (pg_attver=1);\nALTER TABLE ONLY public.t ALTER COLUMN b SET STATISTICS 5;\n", "ALTER TABLE ONLY public.t ALTER COLUMN b SET STATISTICS 5;\n")]
    public void Option_goes_and_everything_else_stays(string behind, string expected)
    {
        var entry = new TocEntry
        {
            Index = 0, DumpId = 1, Kind = TocKind.Table, Desc = "TABLE", Tag = "t", Section = TocSection.PreData, Pass = TocPass.Main, Definition = Table + behind,
        };

        EntryTransforms.InstanceNumbers.Remove(entry).Definition.Should().Be(Table + expected);
    }

    [Fact]
    public async Task Pg_dump_of_an_older_minor_is_said_and_gives_the_tree_of_the_servers_own()
    {
        var server = await VersionAsync(fixture.Cluster.Installation);
        var older = PgInstallations.Find().Where(i => i.Major == fixture.Cluster.MajorVersion && i.Has("pg_dump")).Select(i => (i.BinDirectory, Version: VersionAsync(i).Result))
            .Where(i => i.Version < server).Select(static i => i.BinDirectory).FirstOrDefault();
        Assert.SkipWhen(older is null, $"There is no pg_dump {fixture.Cluster.MajorVersion} older than {server}; name its directory in OMNIPG_PG_BIN, behind that of the server.");
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("CREATE TABLE t (a integer, b text); ALTER TABLE t ADD c integer DEFAULT 5; ALTER TABLE t ALTER a SET (n_distinct = 7)", TestContext.Current.CancellationToken);

        var own = await work.ExtractAsync(database.DataSource, "own");
        var report = await ExtractionCase.With(older).From(database.DataSource).RunAsync(work.Path("older"), cancellationToken: TestContext.Current.CancellationToken);

        own.DumpWarnings.Should().BeEmpty();
        report.DumpWarnings.Select(static w => w.Kind).Should().Equal(PgDumpWarningKind.OlderThanServer);
        report.IsComplete.Should().BeTrue();
        File.ReadAllText(work.Path("older/tables/public.t.sql")).Should().Be(File.ReadAllText(work.Path("own/tables/public.t.sql"))).And.NotContain("pg_attver").And.Contain("n_distinct=7");
    }

    private static async Task<PgServerVersion> VersionAsync(PgInstallation installation) => PgServerVersion.Parse(
        System.Text.Encoding.UTF8.GetString(await PgTools.RunAsync(installation.Program("pg_dump"), ["--version"])).Trim(), CultureInfo.InvariantCulture);
}
