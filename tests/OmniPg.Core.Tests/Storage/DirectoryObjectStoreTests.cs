using OmniPg.Testing;

namespace OmniPg.Core.Tests.Storage;

public sealed class DirectoryObjectStoreTests : ObjectStoreContract, IDisposable
{
    private const string Segment = "000000010000000000000001";
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    protected override IObjectStore CreateEmptyStore() => new DirectoryObjectStore(_directory.Path);

    [Fact]
    public async Task Bytes_then_file_then_name_then_directory_become_durable_in_this_order()
    {
        var files = new RecordingFileSystem(_directory.Path);
        await using var store = new DirectoryObjectStore(_directory.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite, files);

        await store.PutAsync("0000000100000000/" + Segment, new byte[3], Token, DateTimeOffset.UnixEpoch);

        files.Calls.Should().Equal(
            "create directory 0000000100000000",
            "create 0000000100000000/.TEMP",
            "write 0000000100000000/.TEMP 3",
            "set time 0000000100000000/.TEMP",
            "fsync 0000000100000000/.TEMP",
            "publish 0000000100000000/.TEMP as 0000000100000000/" + Segment,
            "fsync directory 0000000100000000",
            "fsync directory ");
    }

    [Fact]
    public async Task A_directory_that_another_writer_has_made_is_durable_before_a_file_in_it_counts()
    {
        Directory.CreateDirectory(_directory.Combine("0000000100000000"));
        var files = new RecordingFileSystem(_directory.Path);
        await using var store = new DirectoryObjectStore(_directory.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite, files);
        await store.PutAsync("0000000100000000/" + Segment, new byte[3], Token);
        var stored = files.Calls[^2..];

        await store.EnsureDurableAsync("0000000100000000/" + Segment, Token);

        stored.Should().Equal("fsync directory 0000000100000000", "fsync directory ");
        files.Calls[^3..].Should().Equal("fsync 0000000100000000/" + Segment, "fsync directory 0000000100000000", "fsync directory ");
    }

    [Theory]
    [InlineData("write")]
    [InlineData("fsync")]
    [InlineData("publish")]
    public async Task A_failure_at_any_step_before_the_name_leaves_no_file(string step)
    {
        var files = new RecordingFileSystem(_directory.Path) { FailAt = step };
        await using var store = new DirectoryObjectStore(_directory.Path, UnixFileMode.UserRead, files);

        var act = () => store.PutAsync(Segment, new byte[3], Token);

        await act.Should().ThrowAsync<IOException>().WithMessage("No space left on device*");
        Directory.EnumerateFileSystemEntries(_directory.Path).Should().BeEmpty();
        files.Calls.Count(c => c.StartsWith(step, StringComparison.Ordinal)).Should().Be(1, "nothing is tried again on the same file");
    }

    [Fact]
    public async Task A_vanished_directory_is_an_error_and_not_absence()
    {
        await using var store = new DirectoryObjectStore(_directory.Combine("not-mounted"));

        await store.Awaiting(s => s.StatAsync(Segment, Token)).Should().ThrowAsync<DirectoryNotFoundException>();
        await store.Awaiting(s => s.OpenReadAsync(Segment, Token)).Should().ThrowAsync<DirectoryNotFoundException>();
        await store.Awaiting(s => s.ListAsync("", Token).ToListAsync(Token).AsTask()).Should().ThrowAsync<DirectoryNotFoundException>();
        await store.Awaiting(s => s.PutAsync(Segment, [1], Token)).Should().ThrowAsync<DirectoryNotFoundException>();
        await store.Awaiting(s => s.PutAsync("0000000100000000/" + Segment, [1], Token)).Should().ThrowAsync<DirectoryNotFoundException>();
        Directory.Exists(store.Root).Should().BeFalse();
    }

    [Theory]
    [InlineData("../outside")]
    [InlineData("/etc/passwd")]
    [InlineData("a//b")]
    [InlineData("a/../../b")]
    [InlineData("a\0b")]
    [InlineData(".")]
    [InlineData("folder/.object.abc.tmp")]
    [InlineData("lost+found/object")]
    public async Task A_key_that_leaves_the_directory_or_is_not_the_stores_to_give_is_refused(string key)
    {
        await using var store = CreateEmptyStore();

        await store.Awaiting(s => s.PutAsync(key, [1], Token)).Should().ThrowAsync<ArgumentException>();
        await store.Awaiting(s => s.OpenReadAsync(key, Token)).Should().ThrowAsync<ArgumentException>();
    }

    [Fact]
    public async Task Only_the_owner_may_read_new_files()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Windows has no mode bits.");
            return;
        }

        await using var store = CreateEmptyStore();

        await store.PutAsync(Segment, [1], Token);

        File.GetUnixFileMode(_directory.Combine(Segment)).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    [Fact]
    public async Task Abandoned_temporary_files_are_removed_and_younger_ones_stay()
    {
        await using var store = new DirectoryObjectStore(_directory.Path);
        Directory.CreateDirectory(_directory.Combine("0000000100000000"));
        var old = _directory.Combine("0000000100000000", $".{Segment}.abc.tmp");
        var young = _directory.Combine($".{Segment}.def.tmp");
        File.WriteAllText(old, "");
        File.WriteAllText(young, "");
        File.SetLastWriteTimeUtc(old, DateTime.UtcNow.AddHours(-2));

        (await store.RemoveAbandonedAsync(DateTimeOffset.UtcNow.AddHours(-1), cancellationToken: Token)).Should().Be(1);

        File.Exists(old).Should().BeFalse();
        File.Exists(young).Should().BeTrue();
    }

    [Fact]
    public async Task Temporary_files_of_somebody_else_stay()
    {
        await using var store = new DirectoryObjectStore(_directory.Path);
        string[] theirs = [_directory.Combine("backups", "monday", ".theirs.abc.tmp"), _directory.Combine("lost+found", ".theirs.abc.tmp")];
        foreach (var file in theirs)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, "");
            File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddHours(-2));
        }

        (await store.RemoveAbandonedAsync(DateTimeOffset.UtcNow.AddHours(-1), depth: 1, Token)).Should().Be(0);

        theirs.Should().OnlyContain(file => File.Exists(file));
    }

    [Fact]
    public async Task An_abandoned_file_that_cannot_be_removed_is_an_error_and_stays()
    {
        var abandoned = _directory.Combine($".{Segment}.abc.tmp");
        File.WriteAllText(abandoned, "");
        File.SetLastWriteTimeUtc(abandoned, DateTime.UtcNow.AddHours(-2));
        var files = new RecordingFileSystem(_directory.Path) { FailAt = "delete" };
        await using var store = new DirectoryObjectStore(_directory.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite, files);

        await store.Awaiting(s => s.RemoveAbandonedAsync(DateTimeOffset.UtcNow.AddHours(-1), cancellationToken: Token)).Should().ThrowAsync<IOException>();

        files.Calls.Should().Equal("delete .TEMP");
        File.Exists(abandoned).Should().BeTrue();
    }

    [Fact]
    public async Task A_writer_whose_temporary_file_cannot_be_removed_ends_quietly_and_publishes_nothing()
    {
        var files = new RecordingFileSystem(_directory.Path) { FailAt = "delete" };
        await using var store = new DirectoryObjectStore(_directory.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite, files);

        await using (var writer = await store.CreateAsync(Segment, new ObjectInfo(), Token))
            await writer.WriteAsync(new byte[3], Token);

        files.Calls.Should().Equal("create .TEMP", "write .TEMP 3", "delete .TEMP");
        (await store.ListAsync("", Token).ToListAsync(Token)).Should().BeEmpty();
        Directory.GetFiles(_directory.Path).Should().ContainSingle().Which.Should().EndWith(".tmp");
    }

    [Fact]
    public async Task What_the_disk_keeps_in_its_lost_and_found_is_no_object()
    {
        await using var store = new DirectoryObjectStore(_directory.Path);
        Directory.CreateDirectory(_directory.Combine("lost+found"));
        File.WriteAllText(_directory.Combine("lost+found", "#12345"), "");
        await store.PutAsync("folder/lost+found/object", [1], Token);

        (await store.ListAsync("", Token).ToListAsync(Token)).Select(e => e.Key).Should().Equal("folder/lost+found/object");
    }

    [Theory]
    [InlineData("with blanks and 'quotes'")]
    [InlineData("日本語 %p")]
    public async Task Any_directory_name_works(string name)
    {
        await using var store = new DirectoryObjectStore(Directory.CreateDirectory(_directory.Combine(name)).FullName);

        await store.PutAsync(Segment, [1, 2], Token);

        (await store.ReadAllAsync(Segment, Token)).Should().Equal(1, 2);
    }

    [Fact]
    public async Task A_directory_that_another_one_has_taken_the_place_of_is_not_the_same()
    {
        await using var store = new DirectoryObjectStore(Directory.CreateDirectory(_directory.Combine("archive")).FullName);
        var before = await store.IdentifyAsync(Token);
        Directory.Move(store.Root, store.Root + ".gone");
        Directory.CreateDirectory(store.Root);

        (await store.IdentifyAsync(Token)).Should().NotBe(before);
        Directory.Delete(store.Root);
        await store.Awaiting(s => s.IdentifyAsync(Token)).Should().ThrowAsync<DirectoryNotFoundException>();
    }

    [Fact]
    public async Task A_file_that_cannot_be_made_durable_is_an_error()
    {
        File.WriteAllText(_directory.Combine(Segment), "");
        var files = new RecordingFileSystem(_directory.Path) { FailAt = "fsync directory" };
        await using var store = new DirectoryObjectStore(_directory.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite, files);

        await store.Awaiting(s => s.EnsureDurableAsync(Segment, Token)).Should().ThrowAsync<IOException>().WithMessage("No space left on device*");

        files.Calls.Should().Equal($"fsync {Segment}", "fsync directory ");
    }

    [Fact]
    public async Task A_linked_directory_is_listed_in_the_root_and_no_link_leads_in_a_circle()
    {
        await using var store = new DirectoryObjectStore(Directory.CreateDirectory(_directory.Combine("store")).FullName);
        var disk = Directory.CreateDirectory(_directory.Combine("disk")).FullName;
        Directory.CreateSymbolicLink(Path.Combine(store.Root, "linked"), disk);
        await store.PutAsync("linked/deep/object", [1], Token);
        Directory.CreateSymbolicLink(Path.Combine(disk, "deep", "up"), store.Root);

        (await store.ListAsync("", Token).ToListAsync(Token)).Select(e => e.Key).Should().Equal("linked/deep/object");
    }
}
