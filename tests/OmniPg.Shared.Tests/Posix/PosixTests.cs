using System.Runtime.InteropServices;
using OmniPg.Testing;

namespace OmniPg.Shared.Tests;

public sealed class PosixTests
{
    // include/uapi/asm-generic/fcntl.h, arch/{arm,arm64,powerpc}/include/uapi/asm/fcntl.h; <sys/fcntl.h> of macOS.
    [Theory]
    [InlineData(false, Architecture.X64, 0x10000, 0x80000)]
    [InlineData(false, Architecture.X86, 0x10000, 0x80000)]
    [InlineData(false, Architecture.Arm64, 0x4000, 0x80000)]
    [InlineData(false, Architecture.Arm, 0x4000, 0x80000)]
    [InlineData(false, Architecture.Ppc64le, 0x4000, 0x80000)]
    [InlineData(false, Architecture.S390x, 0x10000, 0x80000)]
    [InlineData(false, Architecture.RiscV64, 0x10000, 0x80000)]
    [InlineData(true, Architecture.Arm64, 0x100000, 0x1000000)]
    [InlineData(true, Architecture.X64, 0x100000, 0x1000000)]
    public void Flags_have_the_value_of_their_system_and_processor(bool isMacOS, Architecture architecture, int directoryOnly, int closeOnExec)
    {
        Posix.DirectoryOnly(isMacOS, architecture).Should().Be(directoryOnly);
        Posix.CloseOnExec(isMacOS).Should().Be(closeOnExec);
    }

    [Fact]
    public void A_flush_that_is_begun_changes_nothing_of_a_file_and_takes_any_part_of_it()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.Combine("file");
        using (var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write))
        {
            RandomAccess.Write(file, "content"u8, 0);
            Posix.BeginFlush(file, 0, 7);
            Posix.BeginFlush(file, 3, 1 << 20);
            RandomAccess.Write(file, "!"u8, 7);
        }

        File.ReadAllText(path).Should().Be("content!");
    }

    [Fact]
    public void A_directory_and_its_file_system_are_flushed_and_a_file_is_no_directory()
    {
        using var directory = new TemporaryDirectory();
        var file = directory.Combine("file");
        File.WriteAllText(file, "x");

        Posix.FlushDirectory(directory.Path);
        Posix.FlushFileSystem(directory.Path);

        var flush = () => Posix.FlushDirectory(file);
        flush.Should().Throw<IOException>().WithMessage($"Cannot open directory '{file}': * (errno 20).");
        var absent = () => Posix.FlushFileSystem(directory.Combine("absent"));
        absent.Should().Throw<DirectoryNotFoundException>();
    }

    [Fact]
    public void A_new_name_is_given_once_and_a_taken_one_replaced_only_on_request()
    {
        using var directory = new TemporaryDirectory();
        var (one, two, final) = (directory.Combine("one"), directory.Combine("two"), directory.Combine("final"));
        File.WriteAllText(one, "1");
        File.WriteAllText(two, "2");

        Posix.RenameNew(one, final).Should().BeTrue();
        Posix.RenameNew(two, final).Should().BeFalse();
        File.ReadAllText(final).Should().Be("1");
        Posix.RenameOver(two, final);

        File.ReadAllText(final).Should().Be("2");
        Directory.GetFiles(directory.Path).Should().Equal(final);
    }

    [Fact]
    public void A_full_device_is_told_by_its_number()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "there is no /dev/full here");
        using var full = new FileStream("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);

        var write = () => Posix.WriteAll((int)full.SafeFileHandle.DangerousGetHandle(), "x"u8);

        write.Should().Throw<IOException>().Which.HResult.Should().Be(28);
    }

    [Fact]
    public void A_look_at_a_path_tells_kind_size_and_identity()
    {
        using var directory = new TemporaryDirectory();
        var (file, link) = (directory.Combine("file"), directory.Combine("link"));
        File.WriteAllText(file, "four");
        File.CreateSymbolicLink(link, file);

        FileStat.TryGet(file, out var stat).Should().BeTrue();
        (stat.IsRegular, stat.Bytes).Should().Be((true, 4));
        FileStat.TryGet(link, out var linked).Should().BeTrue();
        linked.IsRegular.Should().BeFalse();
        linked.Inode.Should().NotBe(stat.Inode);
        FileStat.TryGet(directory.Combine("absent"), out _).Should().BeFalse();
        FileStat.TryGet(Path.Combine(file, "below"), out _).Should().BeFalse();
    }
}
