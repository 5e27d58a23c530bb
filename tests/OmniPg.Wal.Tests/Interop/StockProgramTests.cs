using System.Diagnostics;
using OmniPg.Wal.Tests.Archiving;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Interop;

/// <summary>Archives are read without this package too, and those of other programs with it.</summary>
public sealed class StockProgramTests(WalWorkloads workloads) : ArchiveTests(workloads)
{
    [Theory]
    [InlineData("gzip", ".gz")]
    [InlineData("zstd", ".zst")]
    [InlineData("lz4", ".lz4")]
    [InlineData("bzip2", ".bz2")]
    [InlineData("xz", ".xz")]
    [InlineData("lzma", ".lzma")]
    [InlineData("brotli", ".br")]
    public async Task A_codecs_own_program_unpacks_what_is_archived_and_its_files_are_restored(string program, string extension)
    {
        Assert.SkipUnless(File.Exists($"/usr/bin/{program}") || File.Exists($"/bin/{program}"), $"{program} is not installed.");
        var (archive, foreign) = (Scene.MakeDirectory("archive"), Scene.MakeDirectory("foreign"));
        await using var archiver = Scene.Archiver().To(d => d.Directory($"{program}={archive}")).Build();
        await archiver.ArchiveAsync(Scene.Add(), Token);
        var options = new WalRestoreOptions { DataDirectory = Scene.DataDirectory };
        options.Sources = [.. options.Sources, WalRestoreSource.Directory(foreign)];

        var unpacked = await RunAsync(program, "--decompress", "--stdout", Path.Combine(archive, Scene.Segment + extension));
        await File.WriteAllBytesAsync(Path.Combine(foreign, Scene.Segment + extension), await RunAsync(program, "--stdout", Scene.Located(Scene.Segment)), Token);
        var restored = await new WalRestorer(options).RestoreAsync(Scene.Segment.ToString(), "restored", Token);

        unpacked.Should().Equal(Scene.Original(Scene.Segment));
        restored.Status.Should().Be(WalRestoreStatus.Restored);
        File.ReadAllBytes(Path.Combine(Scene.DataDirectory, "restored")).Should().Equal(Scene.Original(Scene.Segment));
    }

    private static async Task<byte[]> RunAsync(string program, params string[] words)
    {
        using var process = Process.Start(new ProcessStartInfo(program, words) { RedirectStandardOutput = true })!;
        using var output = new MemoryStream();
        await process.StandardOutput.BaseStream.CopyToAsync(output, Token);
        await process.WaitForExitAsync(Token);
        process.ExitCode.Should().Be(0);
        return output.ToArray();
    }
}
