using System.Text;
using OmniPg.Testing;

namespace OmniPg.Core.Tests.Unit;

public sealed class DurableFileTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Publishing_gives_the_final_name_and_leaves_no_other()
    {
        var temporary = _directory.Combine(".a.tmp");
        File.WriteAllText(temporary, "new");

        DurableFile.PublishNew(temporary, _directory.Combine("a")).Should().BeTrue();

        File.ReadAllText(_directory.Combine("a")).Should().Be("new");
        Directory.GetFileSystemEntries(_directory.Path).Should().Equal(_directory.Combine("a"));
    }

    [Fact]
    public void Publishing_never_replaces()
    {
        File.WriteAllText(_directory.Combine("a"), "old");
        File.WriteAllText(_directory.Combine(".a.tmp"), "new");

        DurableFile.PublishNew(_directory.Combine(".a.tmp"), _directory.Combine("a")).Should().BeFalse();

        File.ReadAllText(_directory.Combine("a")).Should().Be("old");
        File.ReadAllText(_directory.Combine(".a.tmp")).Should().Be("new");
    }

    [Fact]
    public void Only_one_of_many_publishers_wins()
    {
        var wins = 0;
        Parallel.For(0, 32, i =>
        {
            var temporary = DurableFile.TemporaryNameFor(_directory.Combine("a"));
            File.WriteAllText(temporary, $"{i}");
            if (DurableFile.PublishNew(temporary, _directory.Combine("a")))
                Interlocked.Increment(ref wins);
        });

        wins.Should().Be(1);
    }

    [Fact]
    public async Task Writing_replaces_the_old_content_and_leaves_no_temporary_file()
    {
        var path = _directory.Combine("state");
        await DurableFile.WriteAllBytesAsync(path, Encoding.UTF8.GetBytes("one"), Token);
        await DurableFile.WriteAllBytesAsync(path, Encoding.UTF8.GetBytes("two"), Token);

        (await File.ReadAllTextAsync(path, Token)).Should().Be("two");
        Directory.GetFileSystemEntries(_directory.Path).Should().Equal(path);
    }

    [Fact]
    public async Task A_full_disk_leaves_the_old_content()
    {
        using var mount = TmpfsMount.TryCreate(1 << 20);
        Assert.SkipUnless(mount is not null, "Mounting is not permitted here.");
        var path = Path.Combine(mount!.Path, "state");
        await DurableFile.WriteAllBytesAsync(path, Encoding.UTF8.GetBytes("old"), Token);

        var write = () => DurableFile.WriteAllBytesAsync(path, new byte[2 << 20], Token);

        await write.Should().ThrowAsync<IOException>();
        (await File.ReadAllTextAsync(path, Token)).Should().Be("old");
        Directory.GetFileSystemEntries(mount.Path).Should().Equal(path);
    }

    [Fact]
    public void A_missing_directory_is_named()
    {
        var flush = () => DurableFile.FlushDirectory(_directory.Combine("nowhere"));

        flush.Should().Throw<DirectoryNotFoundException>().WithMessage($"Cannot open directory '{_directory.Combine("nowhere")}'*");
    }

    [Fact]
    public void Missing_parents_are_created()
    {
        DurableFile.CreateDirectory(_directory.Combine("a", "b", "c"));

        Directory.Exists(_directory.Combine("a", "b", "c")).Should().BeTrue();
    }
}
