using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Trees;

public sealed class LineEndTests(PgClusterFixture fixture)
{
    private const string Schema = "CREATE TABLE t (id integer); CREATE FUNCTION f() RETURNS integer LANGUAGE plpgsql AS E'BEGIN\n RETURN 1;\nEND'; CREATE VIEW v AS SELECT E'a\\r\\nb' AS x";

    [Fact]
    public async Task Tree_checked_out_with_other_line_ends_is_the_tree_that_was_extracted()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var target = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync(Schema.Replace("; CREATE VIEW v AS SELECT E'a\\r\\nb' AS x", "", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        await work.ExtractAsync(database.DataSource, "tree");
        foreach (var file in Directory.GetFiles(work.Path("tree"), "*", SearchOption.AllDirectories))
            File.WriteAllText(file, File.ReadAllText(file).Replace("\n", "\r\n", StringComparison.Ordinal));

        var diff = await work.Tree("tree").DiffAsync(database.DataSource, cancellationToken: TestContext.Current.CancellationToken);
        await work.Tree("tree").ReplayAsync(target.DataSource, cancellationToken: TestContext.Current.CancellationToken);

        diff.ToUnifiedText().Should().BeEmpty();
        diff.Notes.Should().ContainSingle().Which.Should().MatchRegex("^\\d+ files have CRLF line ends, which a checkout gave them; the manifest proves the text behind");
        (await target.ScalarAsync<bool>("SELECT prosrc ~ '\\r' FROM pg_proc WHERE proname = 'f'", TestContext.Current.CancellationToken)).Should().BeFalse();
    }

    [Fact]
    public async Task Difference_in_carriage_returns_alone_is_named()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync(Schema, TestContext.Current.CancellationToken);
        await work.ExtractAsync(database.DataSource, "tree");
        await database.ExecuteAsync("CREATE OR REPLACE FUNCTION f() RETURNS integer LANGUAGE plpgsql AS E'BEGIN\\r\\n RETURN 1;\\r\\nEND'", TestContext.Current.CancellationToken);

        var diff = await work.Tree("tree").DiffAsync(database.DataSource, cancellationToken: TestContext.Current.CancellationToken);

        var changed = diff.Objects.Should().ContainSingle().Which;
        (changed.Status, changed.Classes).Should().Be((DiffStatus.Changed, DiffClasses.LineEnds));
        diff.Notes.Should().Contain(static note => note.StartsWith("1 objects differ in carriage returns", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Rows_with_converted_line_ends_are_refused()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var target = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("CREATE TABLE t (id integer); INSERT INTO t VALUES (1)", TestContext.Current.CancellationToken);
        await work.ExtractAsync(database.DataSource, "tree", o => o.Data = new DataOptions());
        var rows = work.Path("tree/data/public.t.sql");
        File.WriteAllText(rows, File.ReadAllText(rows).Replace("\n", "\r\n", StringComparison.Ordinal));

        var act = () => work.Tree("tree").ReplayAsync(target.DataSource, cancellationToken: TestContext.Current.CancellationToken);

        (await act.Should().ThrowAsync<TreeConflictException>()).WithMessage("'data/public.t.sql' has CRLF line ends*");
    }

    [Theory]
    [InlineData("true")]
    [InlineData("input")]
    public async Task Committed_tree_survives_a_clone_that_converts_line_ends(string autocrlf)
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync(Schema + "; COMMENT ON TABLE t IS E'a\\r\\nb'", TestContext.Current.CancellationToken);
        Directory.CreateDirectory(work.Path("repo"));
        await GitAsync(work.Path("repo"), "init", "--quiet");
        await GitAsync(work.Path("repo"), "config", "user.email", "dba@example.org");
        await GitAsync(work.Path("repo"), "config", "user.name", "DBA");
        await GitAsync(work.Path("repo"), "config", "core.autocrlf", autocrlf);

        await new GitCommitter().CommitAsync(await work.ExtractAsync(database.DataSource, "repo/schema"), "schema", TestContext.Current.CancellationToken);
        await GitAsync(work.Path("repo"), "clone", "--quiet", "-c", $"core.autocrlf={autocrlf}", work.Path("repo"), work.Path("clone"));

        File.ReadAllText(work.Path("repo/schema/.gitattributes")).Should().Be("* -text\n");
        work.Content("clone/schema").Should().Equal(work.Content("repo/schema"));
    }

    [Fact]
    public async Task Repository_that_converts_nothing_gets_no_file_of_attributes()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        Directory.CreateDirectory(work.Path("repo"));
        await GitAsync(work.Path("repo"), "init", "--quiet");
        await GitAsync(work.Path("repo"), "config", "user.email", "dba@example.org");
        await GitAsync(work.Path("repo"), "config", "user.name", "DBA");
        await File.WriteAllTextAsync(work.Path("repo/.gitattributes"), "schema/** -text\n", TestContext.Current.CancellationToken);

        var commit = await new GitCommitter().CommitAsync(await work.ExtractAsync(database.DataSource, "repo/schema"), "schema", TestContext.Current.CancellationToken);

        commit!.Paths.Should().NotContain(".gitattributes");
        File.Exists(work.Path("repo/schema/.gitattributes")).Should().BeFalse();
    }

    private static Task<string> GitAsync(string directory, params string[] arguments) =>
        ExternalProcess.RunAsync(new ExternalProcessOptions { FileName = "git", Arguments = arguments, WorkingDirectory = directory }, cancellationToken: TestContext.Current.CancellationToken);
}
