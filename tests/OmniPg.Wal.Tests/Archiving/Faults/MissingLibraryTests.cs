using System.Diagnostics;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Archiving;

public sealed class MissingLibraryTests(WalWorkloads workloads) : ArchiveTests(workloads)
{
    private static readonly string[] Folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"];

    [Theory]
    [InlineData("zstd", "libzstd.so.1")]
    [InlineData("lz4", "liblz4.so.1")]
    public async Task Without_the_library_of_the_system_a_segment_is_archived_and_every_reader_takes_it(string codec, string library)
    {
        var place = Folders.Select(folder => Path.Combine(folder, library)).FirstOrDefault(File.Exists);
        var program = Path.Combine(AppContext.BaseDirectory, "omnipg-wal");
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess && place is not null && File.Exists(program), "Hiding a library needs root on Linux, and the library.");
        var hidden = File.ResolveLinkTarget(place, returnFinalTarget: true)?.FullName ?? place;
        var empty = Path.Combine(Scene.Root, "empty");
        File.WriteAllText(empty, "");
        var archive = Scene.MakeDirectory("archive");

        // An empty file over the library, in a mount namespace of this one program.
        using var process = Process.Start(new ProcessStartInfo("unshare")
        {
            ArgumentList =
            {
                "--mount", "--propagation", "private", "sh", "-c", "mount --bind \"$1\" \"$2\" || exit 77; shift 2; exec \"$@\"", "sh", empty, hidden,
                program, "archive", "--data-dir", Scene.DataDirectory, "--dst-local", $"{codec}={archive}", Scene.Add(),
            },
            RedirectStandardError = true,
        })!;
        var words = await process.StandardError.ReadToEndAsync(Token);
        await process.WaitForExitAsync(Token);

        Assert.SkipWhen(process.ExitCode == 77 || words.Contains("unshare failed", StringComparison.Ordinal), "Mount namespaces are not permitted here.");
        process.ExitCode.Should().Be(0, words);
        var stored = Directory.GetFiles(archive).Single(file => Path.GetFileName(file).StartsWith('0'));
        ArchiveScene.Decode(stored).Should().Equal(Scene.Original(Scene.Segment));
    }
}
