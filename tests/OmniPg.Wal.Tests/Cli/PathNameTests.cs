using OmniPg.Wal.Tests.Archiving;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Cli;

public sealed class PathNameTests(WalWorkloads workloads) : ArchiveTests(workloads)
{
    // 200 bytes: the longest that leaves room for the temporary names made from a file's own.
    private static readonly string Hostile = "it's \"100%\" $HOME `id` ünï 日本 \\ ;&|" + new string('x', 200 - 41);

    [Fact]
    public async Task Directories_of_any_name_serve_for_data_state_archives_log_and_target()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such names.");
        System.Text.Encoding.UTF8.GetByteCount(Hostile).Should().Be(200);
        Scene.Add();
        var root = Scene.MakeDirectory(Hostile);
        var data = Path.Combine(root, "data " + Hostile[..150]);
        Directory.Move(Scene.DataDirectory, data);
        string[] archives = [Path.Combine(root, Hostile), Path.Combine(root, "b=" + Hostile[..150])];
        var state = Path.Combine(root, "state " + Hostile[..150]);
        foreach (var directory in (string[])[.. archives, state])
            Directory.CreateDirectory(directory);
        var log = Path.Combine(root, "log " + Hostile[..150]);

        var archived = await WalProgram.RunAsync(
            "archive", "--data-dir", data, "--state-dir", state, "--log", log, "--dst-local", "zstd=" + archives[0], "--dst-local", archives[1], ArchiveScene.PathOf(Scene.Segment));
        var restored = await WalProgram.RunAsync("restore", "--data-dir", data, "--source", "zstd=" + archives[0], Scene.Segment.ToString(), "pg_wal/RECOVERYXLOG");
        var cleaned = await WalProgram.RunAsync("cleanup", "--archive", archives[1], Scene.Segments[2].ToString());

        (archived.ExitCode, restored.ExitCode, cleaned.ExitCode).Should().Be((0, 0, 0), archived.Error + restored.Error + cleaned.Error);
        File.ReadAllBytes(Path.Combine(data, "pg_wal", "RECOVERYXLOG")).Should().Equal(Scene.Original(Scene.Segment));
        ArchiveScene.FilesIn(archives[0]).Should().Equal(Scene.Segment + ".zst");
        ArchiveScene.FilesIn(archives[1]).Should().BeEmpty();
        File.ReadAllText(log).Should().Contain("successfully sent to all destinations.");
    }

    [Fact]
    public async Task A_path_with_bytes_that_are_not_UTF_8_is_told_as_such()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Needs a shell.");

        var result = await WalProgram.RunShellAsync(
            null, $"\"$(printf 'caf\\351/{Scene.Segment}')\"", "archive", "-D", Scene.DataDirectory, "--dst-local", Scene.MakeDirectory("archive"));

        result.ExitCode.Should().Be(23, result.Error);
        result.Error.Should().Contain("does not exist.").And.Contain("A word of the command line holds bytes that are not UTF-8, so no path can be named by it.");
    }
}
