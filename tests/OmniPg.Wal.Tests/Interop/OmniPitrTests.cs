using System.Diagnostics;
using OmniPg.Wal.Tests.Archiving;
using OmniPg.Wal.Tests.Cli;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Interop;

/// <summary>Beside the original programs, when they are installed: their archives restored here, our archives restored there.</summary>
public sealed class OmniPitrTests(WalWorkloads workloads) : ArchiveTests(workloads)
{
    [Theory]
    [InlineData("gzip", ".gz")]
    [InlineData("lz4", ".lz4")]
    [InlineData("xz", ".xz")]
    [InlineData("bzip2", ".bz2")]
    public async Task An_archive_of_omnipitr_archive_is_restored(string codec, string extension)
    {
        var archive = Scene.MakeDirectory("archive");
        Scene.Add();

        await OmniPitrAsync("omnipitr-archive", "-D", Scene.DataDirectory, "-l", Log, "-dl", $"{codec}={archive}", ArchiveScene.PathOf(Scene.Segment));
        var restored = await WalProgram.RunAsync("restore", "-D", Scene.DataDirectory, "-s", $"{codec}={archive}", Scene.Segment.ToString(), "restored");

        ArchiveScene.FilesIn(archive).Should().Equal(Scene.Segment + extension);
        restored.ExitCode.Should().Be(0, restored.Error);
        File.ReadAllBytes(Path.Combine(Scene.DataDirectory, "restored")).Should().Equal(Scene.Original(Scene.Segment));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("lz4")]
    public async Task Omnipitr_restore_reads_our_archive(string codec)
    {
        var archive = Scene.MakeDirectory("archive");
        var archived = await WalProgram.RunAsync("archive", "-D", Scene.DataDirectory, "-dl", $"{codec}={archive}", Scene.Add());

        await OmniPitrAsync("omnipitr-restore", "-D", Scene.DataDirectory, "-l", Log, "-s", $"{codec}={archive}", "-sr", Scene.Segment.ToString(), "restored");

        archived.ExitCode.Should().Be(0, archived.Error);
        File.ReadAllBytes(Path.Combine(Scene.DataDirectory, "restored")).Should().Equal(Scene.Original(Scene.Segment));
    }

    private string Log => Path.Combine(Scene.Root, "omnipitr.log");

    private async Task OmniPitrAsync(string program, params string[] words)
    {
        var path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(d => Path.Combine(d, program)).FirstOrDefault(File.Exists);
        Assert.SkipWhen(path is null, $"{program} is not in PATH.");
        using var process = Process.Start(new ProcessStartInfo(path, words) { RedirectStandardError = true, WorkingDirectory = Scene.DataDirectory })!;
        var error = await process.StandardError.ReadToEndAsync(Token);
        await process.WaitForExitAsync(Token);
        process.ExitCode.Should().Be(0, error + (File.Exists(Log) ? File.ReadAllText(Log) : ""));
    }
}
