using System.Text;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.VersionControl;

public sealed class SvnCommitterTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task Managed_files_are_added_deleted_and_committed()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/svn") && File.Exists("/usr/bin/svnadmin"), "The package subversion is not installed.");
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("CREATE TABLE a (id integer); CREATE TABLE \"ü b\" (id integer)", TestContext.Current.CancellationToken);
        await PgTools.RunAsync("svnadmin", ["create", work.Path("repository")]);
        await PgTools.RunAsync("svn", ["checkout", "--quiet", "file://" + work.Path("repository"), work.Path("copy")]);
        File.WriteAllText(work.Path("copy/notes.txt"), "mine");
        var svn = new SvnCommitter(new SvnOptions { ConfigDirectory = work.Path("config") });

        var first = await svn.CommitAsync(await work.ExtractAsync(database.DataSource, "copy/schema"), "first {{}}", TestContext.Current.CancellationToken);
        var none = await svn.CommitAsync(await work.ExtractAsync(database.DataSource, "copy/schema"), "again", TestContext.Current.CancellationToken);
        await database.ExecuteAsync("DROP TABLE a; COMMENT ON TABLE \"ü b\" IS 'b'", TestContext.Current.CancellationToken);
        var second = await svn.CommitAsync(
            await work.ExtractAsync(database.DataSource, "copy/schema", o => o.StaleFiles = StaleFiles.Delete), "second", TestContext.Current.CancellationToken);

        first!.Id.Should().Be("1");
        none.Should().BeNull();
        second!.Id.Should().Be("2");
        second.Paths.Should().Equal("omnipg.manifest.json", "tables/public.a.sql", "tables/public.ü,20,b.sql");
        Encoding.UTF8.GetString(await PgTools.RunAsync("svn", ["log", "--quiet", "file://" + work.Path("repository")])).Should().Contain("r2 |");
        Encoding.UTF8.GetString(await PgTools.RunAsync("env", ["LC_ALL=C.UTF-8", "svn", "status", work.Path("copy")])).Should().Be($"?       {work.Path("copy/notes.txt")}\n");
    }
}
