namespace OmniPg.Wal.Cli.Tests;

public sealed class PidFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("omnipg-lock-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Second_holder_is_refused_and_told_who_holds_it()
    {
        var path = Path.Combine(_folder, "pid");
        using var first = PidFile.Hold(path);

        var act = () => PidFile.Hold(path);

        act.Should().Throw<WalLockedException>()
            .Where(e => e.Code == "wal.locked" && e.IsTransient && e.HolderProcessId == Environment.ProcessId)
            .WithMessage($"The lock file '{path}' is held by a running process ('{Environment.ProcessId}').*");
    }

    [Fact]
    public void Release_removes_the_file_and_lets_the_next_one_in()
    {
        var path = Path.Combine(_folder, "pid");
        var first = PidFile.Hold(path);
        first.Dispose();
        first.Dispose();

        File.Exists(path).Should().BeFalse();
        using var second = PidFile.Hold(path);
        File.Exists(path).Should().BeTrue();
    }

    [Fact]
    public void File_left_by_a_dead_process_does_not_block_even_when_its_id_lives_again()
    {
        var path = Path.Combine(_folder, "pid");
        File.WriteAllText(path, "1\n");

        using (PidFile.Hold(path))
        {
            var act = () => PidFile.Hold(path);
            act.Should().Throw<WalLockedException>();
        }
    }

    [Fact]
    public void Missing_directory_is_a_configuration_error()
    {
        var act = () => PidFile.Hold(Path.Combine(_folder, "no", "pid"));

        act.Should().Throw<WalConfigurationException>().WithMessage("The pid file '*no/pid' cannot be opened*");
    }
}
