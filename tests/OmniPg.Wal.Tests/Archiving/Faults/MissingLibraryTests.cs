using System.Diagnostics;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Archiving;

public sealed class MissingLibraryTests(WalWorkloads workloads) : ArchiveTests(workloads)
{
    private static readonly string[] Places = ["/usr/lib/x86_64-linux-gnu/libzstd.so.1", "/usr/lib/aarch64-linux-gnu/libzstd.so.1", "/usr/lib64/libzstd.so.1"];

    [Fact]
    public async Task Without_its_library_a_codec_is_refused_before_the_first_byte()
    {
        var library = Places.FirstOrDefault(File.Exists);
        var program = Path.Combine(AppContext.BaseDirectory, "omnipg-wal");
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess && library is not null && File.Exists(program), "Hiding a library needs root on Linux.");
        var hidden = File.ResolveLinkTarget(library, returnFinalTarget: true)?.FullName ?? library;
        var empty = Path.Combine(Scene.Root, "empty");
        File.WriteAllText(empty, "");
        var archive = Scene.MakeDirectory("archive");

        // An empty file over the library, in a mount namespace of this one program.
        using var process = Process.Start(new ProcessStartInfo("unshare")
        {
            ArgumentList =
            {
                "--mount", "--propagation", "private", "sh", "-c", "mount --bind \"$1\" \"$2\" || exit 77; shift 2; exec \"$@\"", "sh", empty, hidden,
                program, "archive", "--data-dir", Scene.DataDirectory, "--dst-local", $"zstd={archive}", Scene.Add(),
            },
            RedirectStandardError = true,
        })!;
        var words = await process.StandardError.ReadToEndAsync(Token);
        await process.WaitForExitAsync(Token);

        Assert.SkipWhen(process.ExitCode == 77 || words.Contains("unshare failed", StringComparison.Ordinal), "Mount namespaces are not permitted here.");
        words.Should().Contain("Codec 'zstd' needs 'libzstd.so.1', which is not on this machine.\nhint: Install the package 'libzstd1'");
        process.ExitCode.Should().Be(24);
        ArchiveScene.FilesIn(archive).Should().BeEmpty();
    }
}
