using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.VersionControl;

public sealed class GitCommitterTests(PgClusterFixture fixture)
{
    private readonly WaitableTimeProvider _time = new(new DateTimeOffset(2026, 3, 4, 5, 6, 7, TimeSpan.Zero));

    [Fact]
    public async Task Only_managed_paths_are_committed_and_nothing_without_a_change()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("CREATE TABLE a (id integer); CREATE TABLE b (id integer)", TestContext.Current.CancellationToken);
        var git = new GitCommitter(timeProvider: _time);
        Directory.CreateDirectory(work.Path("repo"));
        await GitAsync(work, "init", "--quiet");
        await GitAsync(work, "config", "user.email", "dba@example.org");
        await GitAsync(work, "config", "user.name", "DBA");
        File.WriteAllText(work.Path("repo/notes.txt"), "mine");
        await GitAsync(work, "add", "notes.txt");
        File.WriteAllText(work.Path("repo/.gitignore"), "*.sql\n");

        var first = await git.CommitAsync(await work.ExtractAsync(database.DataSource, "repo/schema"), "schema of {0:yyyy-MM-dd}", TestContext.Current.CancellationToken);
        var none = await git.CommitAsync(await work.ExtractAsync(database.DataSource, "repo/schema"), "again", TestContext.Current.CancellationToken);
        await database.ExecuteAsync("DROP TABLE a; COMMENT ON TABLE b IS 'b'", TestContext.Current.CancellationToken);
        var second = await git.CommitAsync(
            await work.ExtractAsync(database.DataSource, "repo/schema", o => o.StaleFiles = StaleFiles.Delete), "drop", TestContext.Current.CancellationToken);

        first!.Paths.Should().Contain([".gitattributes", "omnipg.manifest.json", "tables/public.a.sql", "tables/public.b.sql"]);
        none.Should().BeNull();
        second!.Paths.Should().Equal("omnipg.manifest.json", "tables/public.a.sql", "tables/public.b.sql");
        (await GitAsync(work, "log", "--format=%s")).Should().Be("drop\nschema of 2026-03-04\n");
        (await GitAsync(work, "status", "--porcelain")).Should().Be("A  notes.txt\n?? .gitignore\n");
        (await GitAsync(work, "show", "--name-status", "--format=", "HEAD")).Should()
            .Be("M\tschema/omnipg.manifest.json\nD\tschema/tables/public.a.sql\nM\tschema/tables/public.b.sql\n");
    }

    [Fact]
    public async Task Tree_outside_of_a_repository_is_refused_with_gits_words()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        var report = await work.ExtractAsync(database.DataSource, "schema");

        var act = () => new GitCommitter().CommitAsync(report, "x", TestContext.Current.CancellationToken);

        (await act.Should().ThrowAsync<VersionControlException>()).Where(e => e.Code == "extractor.version-control")
            .WithMessage("'git rev-parse' failed: *not a git repository*");
    }

    [Fact]
    public async Task Commits_are_pushed_on_request_and_a_refused_push_is_an_error()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("CREATE TABLE a (id integer)", TestContext.Current.CancellationToken);
        await PgTools.RunAsync("git", ["init", "--quiet", "--bare", work.Path("origin.git")]);
        await PgTools.RunAsync("git", ["clone", "--quiet", work.Path("origin.git"), work.Path("repo")]);
        await GitAsync(work, "config", "user.email", "dba@example.org");
        await GitAsync(work, "config", "user.name", "DBA");
        await GitAsync(work, "config", "push.default", "current");
        var git = new GitCommitter(new GitOptions { Push = true }, timeProvider: _time);

        var first = await git.CommitAsync(await work.ExtractAsync(database.DataSource, "repo/schema"), "first", TestContext.Current.CancellationToken);
        var none = await git.CommitAsync(await work.ExtractAsync(database.DataSource, "repo/schema"), "again", TestContext.Current.CancellationToken);
        var pushed = await PgTools.RunAsync("git", ["-C", work.Path("origin.git"), "for-each-ref", "--format=%(objectname)"]);
        Directory.Delete(work.Path("origin.git"), recursive: true);
        await database.ExecuteAsync("CREATE TABLE b (id integer)", TestContext.Current.CancellationToken);
        var act = async () => await git.CommitAsync(await work.ExtractAsync(database.DataSource, "repo/schema"), "second", TestContext.Current.CancellationToken);

        System.Text.Encoding.UTF8.GetString(pushed).Should().Be(first!.Id + "\n");
        none.Should().BeNull();
        (await act.Should().ThrowAsync<VersionControlException>()).WithMessage("'git push' failed: *");
        (await GitAsync(work, "log", "--format=%s")).Should().Be("second\nfirst\n", "the commit itself is made");
    }

    private static async Task<string> GitAsync(ExtractionCase work, params string[] arguments) =>
        System.Text.Encoding.UTF8.GetString(await PgTools.RunAsync("git", ["-C", work.Path("repo"), .. arguments]));
}
