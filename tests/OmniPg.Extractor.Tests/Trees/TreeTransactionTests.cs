using System.Text;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Trees;

public sealed class TreeTransactionTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string Root => Path.Combine(_directory.Path, "schema");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task Commit_publishes_and_deletes_and_leaves_nothing_beside_the_tree()
    {
        await WriteAsync(("tables/a.sql", "one"), ("views/b.sql", "two"));

        using (var change = TreeTransaction.Begin(Root))
        {
            change.Stage("tables/a.sql", "new"u8);
            change.Stage(TreePaths.ManifestName, "{}"u8);
            await change.CommitAsync(["tables/a.sql", TreePaths.ManifestName], ["views/b.sql"], TestContext.Current.CancellationToken);
        }

        File.ReadAllText(Path.Combine(Root, "tables/a.sql")).Should().Be("new");
        Directory.Exists(Path.Combine(Root, "views")).Should().BeFalse();
        Directory.GetFileSystemEntries(_directory.Path).Should().Equal(Root);
    }

    [Fact]
    public async Task Abandoned_change_leaves_the_tree_as_it_was()
    {
        await WriteAsync(("tables/a.sql", "one"));

        using (var change = TreeTransaction.Begin(Root))
            change.Stage("tables/a.sql", "new"u8);

        File.ReadAllText(Path.Combine(Root, "tables/a.sql")).Should().Be("one");
        Directory.GetFileSystemEntries(_directory.Path).Should().Equal(Root);
    }

    [Fact]
    public void Abandoned_first_change_leaves_no_tree()
    {
        TreeTransaction.Begin(Root).Dispose();

        Directory.GetFileSystemEntries(_directory.Path).Should().BeEmpty();
    }

    [Fact]
    public void Second_writer_is_refused_while_the_first_works()
    {
        using var first = TreeTransaction.Begin(Root);

        var act = () => TreeTransaction.Begin(Root);

        act.Should().Throw<TreeConflictException>().Where(e => e.Code == "extractor.tree.conflict")
            .WithMessage($"Another extraction is writing the tree '{Root}'.*");
    }

    [Fact]
    public void Writers_one_after_the_other_never_share_the_lock()
    {
        var inside = 0;
        var overlaps = 0;

        Parallel.For(0, 400, new ParallelOptions { MaxDegreeOfParallelism = 8 }, _ =>
        {
            using var held = new TreePaths(Root).TryLock();
            if (held is null)
                return;
            if (Interlocked.Increment(ref inside) != 1)
                Interlocked.Increment(ref overlaps);
            Interlocked.Decrement(ref inside);
        });

        overlaps.Should().Be(0);
    }

    [Theory]
    [InlineData("../outside.sql")]
    [InlineData("/etc/outside.sql")]
    [InlineData("tables/../../outside.sql")]
    public void Paths_that_leave_the_tree_are_refused(string path)
    {
        using var change = TreeTransaction.Begin(Root);

        var act = () => change.Exists(path);

        act.Should().Throw<TreeConflictException>().WithMessage($"The path '{path}' leaves the tree*");
    }

    [Fact]
    public void Links_inside_the_tree_are_not_followed()
    {
        var outside = Directory.CreateDirectory(Path.Combine(_directory.Path, "outside")).FullName;
        Directory.CreateDirectory(Root);
        Directory.CreateSymbolicLink(Path.Combine(Root, "tables"), outside);
        File.CreateSymbolicLink(Path.Combine(Root, "database.sql"), Path.Combine(outside, "x"));
        using var change = TreeTransaction.Begin(Root);

        var throughFolder = () => change.Exists("tables/a.sql");
        var throughFile = () => change.Exists("database.sql");

        throughFolder.Should().Throw<TreeConflictException>().WithMessage("*tables' is not a directory*");
        throughFile.Should().Throw<TreeConflictException>().WithMessage("*database.sql' is not a regular file*");
    }

    [Fact]
    public async Task Writer_that_died_before_its_journal_is_rolled_back()
    {
        await WriteAsync(("tables/a.sql", "one"));
        var staging = new TreePaths(Root).NewStagingIn(_directory.Path);
        Put(Path.Combine(staging, "files/tables/a.sql"), "half");

        TreeTransaction.Begin(Root).Dispose();

        File.ReadAllText(Path.Combine(Root, "tables/a.sql")).Should().Be("one");
        Directory.GetFileSystemEntries(_directory.Path).Should().Equal(Root);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Writer_that_died_after_its_journal_is_finished(int alreadyMoved)
    {
        await WriteAsync(("tables/a.sql", "one"), ("tables/b.sql", "one"), ("tables/gone.sql", "one"));
        var paths = new TreePaths(Root);
        var staging = paths.NewStagingIn(_directory.Path);
        string[] names = ["tables/a.sql", "tables/b.sql", TreePaths.ManifestName];
        for (var i = 0; i < names.Length; i++)
            Put(i < alreadyMoved ? Path.Combine(Root, names[i]) : Path.Combine(staging, "files", names[i]), "two");
        Directory.CreateDirectory(staging);
        await new TreeJournal(names, ["tables/gone.sql"]).WriteAsync(staging, TestContext.Current.CancellationToken);

        TreeTransaction.Begin(Root).Dispose();

        names.Select(name => File.ReadAllText(Path.Combine(Root, name))).Should().AllBe("two");
        File.Exists(Path.Combine(Root, "tables/gone.sql")).Should().BeFalse();
        Directory.GetFileSystemEntries(_directory.Path).Should().Equal(Root);
    }

    private static void Put(string path, string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
    }

    private async Task WriteAsync(params (string Path, string Content)[] files)
    {
        using var change = TreeTransaction.Begin(Root);
        foreach (var (path, content) in files)
            change.Stage(path, Encoding.UTF8.GetBytes(content));
        change.Stage(TreePaths.ManifestName, "{ }"u8);
        await change.CommitAsync([.. files.Select(f => f.Path), TreePaths.ManifestName], [], TestContext.Current.CancellationToken);
    }
}
