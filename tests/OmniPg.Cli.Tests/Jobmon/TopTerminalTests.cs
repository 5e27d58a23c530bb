using System.Text;
using OmniPg.Testing;

namespace OmniPg.Cli.Tests.Jobmon;

/// <summary><c>jobmon top</c> on a real terminal, which <c>script</c> makes.</summary>
public sealed class TopTerminalTests : IAsyncLifetime
{
    private const string Enter = "\e[?1049h\e[?25l\e[?7l";
    private const string Leave = "\e[?7h\e[?25h\e[?1049l";

    private readonly StringBuilder _seen = new();
    private PgCluster _cluster = null!;
    private TestDatabase _database = null!;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/script"), "needs the program 'script', which makes a terminal");
        _cluster = await PgCluster.StartAsync(cancellationToken: TestContext.Current.CancellationToken);
        _database = await _cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        (await CliProcess.RunAsync(_database.ConnectionString, "jobmon", "install")).ExitCode.Should().Be(0);
        await _database.ExecuteAsync("SELECT jobmon.close_job(jobmon.add_job(E'evil \\x1b[2J'))", TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (_database is not null)
            await _database.DisposeAsync();
        if (_cluster is not null)
            await _cluster.DisposeAsync();
    }

    [Theory]
    [InlineData("q")]
    [InlineData("\u0003")]
    public async Task The_screen_is_given_back_and_the_exit_code_is_0(string key)
    {
        using var terminal = Start("$OMNIPG jobmon top");
        await SeeAsync(terminal, "EVIL");

        await PressAsync(terminal, key);

        (await EndAsync(terminal)).Should().Be(0);

        var text = _seen.ToString();
        text.Should().Contain(Enter).And.Contain("EVIL \uFFFD[2J");
        text.LastIndexOf(Leave, StringComparison.Ordinal).Should().BeGreaterThan(text.LastIndexOf("LATEST", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_server_that_goes_away_is_said_so_and_top_goes_on_when_it_is_back()
    {
        using var terminal = Start("$OMNIPG jobmon top --interval 0.1");
        await SeeAsync(terminal, "LATEST");

        await _cluster.StopAsync(cancellationToken: TestContext.Current.CancellationToken);
        await SeeAsync(terminal, "No answer since ");
        await _cluster.StartAgainAsync(cancellationToken: TestContext.Current.CancellationToken);
        (await CliProcess.RunAsync(_database.ConnectionString, "jobmon", "run", "after the restart", "--sql", "SELECT 1")).ExitCode.Should().Be(0);
        await SeeAsync(terminal, "after the restart");
        await PressAsync(terminal, "q");

        (await EndAsync(terminal)).Should().Be(0);
        _seen.ToString().Should().NotContain("   at ");
    }

    [Fact]
    public async Task Without_colours_it_is_one_frame_of_plain_lines()
    {
        using var terminal = Start("NO_COLOR=1 $OMNIPG jobmon top");

        (await EndAsync(terminal)).Should().Be(0);
        _seen.ToString().Should().Contain("latest\t1\tEVIL \uFFFD[2J\tOK\t").And.NotContain(Enter).And.NotContain("\e[3");
    }

    // The program takes the place of the shell: Ctrl-C goes to all in the foreground, and which shells outlive it differs.
    private CliProcess Start(string command) =>
        CliProcess.StartShell(_database.ConnectionString, $"exec script -qefc 'exec env TERM=xterm {command}' /dev/null");

    private static async Task PressAsync(CliProcess terminal, string key)
    {
        await terminal.Process.StandardInput.WriteAsync(key);
        await terminal.Process.StandardInput.FlushAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>Reads all that the terminal still shows and returns the exit code of the program in it.</summary>
    private async Task<int> EndAsync(CliProcess terminal)
    {
        var result = await terminal.EndAsync();
        _seen.Append(result.Output);
        return result.ExitCode;
    }

    /// <summary>Reads on until the terminal has shown a text that was not there before.</summary>
    private async Task SeeAsync(CliProcess terminal, string text)
    {
        var from = _seen.Length;
        var buffer = new char[4096];
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(TimeSpan.FromSeconds(30));
        while (!_seen.ToString(from, _seen.Length - from).Contains(text, StringComparison.Ordinal))
        {
            var read = await terminal.Output.ReadAsync(buffer.AsMemory(), deadline.Token);
            read.Should().BeGreaterThan(0, $"the terminal shows '{text}', not only {_seen.ToString(from, _seen.Length - from)}");
            _seen.Append(buffer, 0, read);
        }
    }
}
