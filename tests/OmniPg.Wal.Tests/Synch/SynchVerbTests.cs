using OmniPg.Testing;
using OmniPg.Wal.Tests.Backup;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Synch;

[Collection(nameof(BackupCollection))]
public sealed class SynchVerbTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_plan_is_shown_and_executed_under_the_account_of_the_server_when_it_is_wanted()
    {
        var (to, space) = (scene.Fresh("copy"), scene.Fresh("space"));
        string[] words = ["synch", "--connection", scene.Server.ConnectionString, "--output", to, "--map", $"{scene.Tablespace}:{space}"];

        var planned = await scene.Program.RunAsync([.. words, "--dry-run"], null, Token);
        var asked = await WalProgram.RunInAsync(null, "yes\n", words);
        var untouched = !Directory.Exists(to);
        var copied = await scene.Program.RunAsync([.. words, "--automatic"], null, Token);
        var refused = await scene.Program.RunAsync([.. words, "--automatic"], null, Token);

        (planned.ExitCode, asked.ExitCode, copied.ExitCode, refused.ExitCode).Should().Be((0, 10, 0, 10), "{0}{1}{2}{3}", planned.Error, asked.Error, copied.Error, refused.Error);
        planned.Output.Should().Contain($"'{scene.Server.DataDirectory}' -> '{to}'\n'{scene.Tablespace}' -> '{space}'\n");
        asked.Error.Should().Contain($"-> '{to}'").And.EndWith("Copy? (enter: YES): Nothing was copied.\n");
        untouched.Should().BeTrue();
        copied.Output.Should().StartWith("copied ").And.EndWith($", to '{to}'\n");
        refused.Error.Should().Contain($"'{to}' holds a cluster").And.Contain("--overwrite");
    }

    [Fact]
    public async Task A_signal_ends_the_question()
    {
        var to = scene.Fresh("copy");
        using var program = WalProgram.Start(null, ["synch", "--connection", scene.Server.ConnectionString, "--output", to, "--map", $"{scene.Tablespace}:{scene.Fresh("space")}"]);
        try
        {
            var asked = "";
            var buffer = new char[256];
            while (!asked.EndsWith("(enter: YES): ", StringComparison.Ordinal) && await program.StandardError.ReadAsync(buffer, Token) is > 0 and var count)
                asked += new string(buffer, 0, count);
            ServerAccount.Signal(program.Id, 15);
            await program.WaitForExitAsync(Token).WaitAsync(TimeSpan.FromSeconds(60), Token);

            program.ExitCode.Should().Be(143, asked);
        }
        finally
        {
            program.Kill();
        }

        Directory.Exists(to).Should().BeFalse();
    }

    [Theory]
    [InlineData("The option --output is required.", "synch")]
    [InlineData("must be an absolute path", "synch", "--output", "relative", "--connection", "Host=/nowhere")]
    [InlineData("must be an absolute path", "synch", "--output", "-oProxyCommand=x:/srv", "--connection", "Host=/nowhere")]
    [InlineData("must be an absolute path", "synch", "--output", "host:/srv/../etc", "--connection", "Host=/nowhere")]
    [InlineData("wants two absolute paths", "synch", "--output", "/srv/x", "--map", "/a", "--connection", "Host=/nowhere")]
    [InlineData("ssh compresses", "synch", "--output", "/srv/x", "--compress", "--connection", "Host=/nowhere")]
    public async Task Wrong_use_ends_with_64(string message, params string[] words)
    {
        var result = await WalProgram.RunAsync(words);

        (result.ExitCode, result.Output).Should().Be((64, ""));
        result.Error.Should().Contain(message);
    }

    [Fact]
    public async Task What_a_killed_copy_leaves_is_no_cluster_and_is_overwritten()
    {
        using var scripts = new TemporaryDirectory();
        var (to, space, hold) = (scene.Fresh("copy"), scene.Fresh("space"), scripts.Combine("hold"));
        await File.WriteAllTextAsync(hold, "", Token);
        var shell = TestScript.Write(scripts.Combine("shell"), $"shift; case \"$*\" in *'tar -xpf'*base.tar) head -c 512 >/dev/null; touch '{hold}.reached'; while [ -f '{hold}' ]; do sleep 0.05; done; /bin/sh -c \"$*\"; touch '{hold}.ended'; exit 1;; esac; exec /bin/sh -c \"$*\"");
        string[] words = ["synch", "--connection", scene.Server.ConnectionString, "--output", $"db.example:{to}", "--map", $"{scene.Tablespace}:{space}", "--automatic", "--ssh-path", shell];

        using var program = WalProgram.Start(null, words);
        await Eventually.TrueAsync(() => File.Exists(hold + ".reached"), "the data directory is being sent", TimeSpan.FromSeconds(60), Token);
        ServerAccount.Signal(program.Id, 9);
        await program.WaitForExitAsync(Token);
        File.Delete(hold);
        await Eventually.TrueAsync(() => File.Exists(hold + ".ended"), "what it had begun there has ended", TimeSpan.FromSeconds(60), Token);
        var left = await WalProgram.RunAsync(words);
        var control = File.Exists(Path.Combine(to, "global", "pg_control"));
        await Eventually.TrueAsync(
            () => scene.Server.ScalarAsync<bool>("SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory'", Token), "the server has seen that the session is gone", TimeSpan.FromSeconds(60), Token);
        var again = await WalProgram.RunAsync([.. words[..^1], TestScript.Write(scripts.Combine("plain"), "shift; exec /bin/sh -c \"$*\""), "--overwrite"]);

        program.ExitCode.Should().Be(137);
        (left.ExitCode, again.ExitCode).Should().Be((10, 0), "{0}{1}", left.Error, again.Error);
        left.Error.Should().Contain("holds what an earlier copy of this cluster left");
        control.Should().BeFalse();
        File.Exists(Path.Combine(to, "global", "pg_control")).Should().BeTrue();
    }
}
