using System.Net.Sockets;
using System.Text;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Archiving;
using OmniPg.Wal.Tests.Resident;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Cli;

/// <summary>omnipg-wal-push beside a real resident mode, and beside sockets that answer as none should.</summary>
public sealed class PushProgramTests(WalWorkloads workloads) : ArchiveTests(workloads)
{
    private WalResidentOptions Options => new() { SpoolDirectory = Scene.MakeDirectory("spool"), SocketPath = Path.Combine(Scene.MakeDirectory("run"), "s") };

    private string Socket => Options.SocketPath!;

    [Fact]
    public async Task A_file_is_archived_by_the_resident_process()
    {
        Scene.Add();
        var archive = Scene.MakeDirectory("archive");
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).Build();
        await using var resident = await RunningResident.StartAsync(archiver, Options, Token);

        var result = await WalProgram.PushAsync(Scene.DataDirectory, "", Socket, ArchiveScene.PathOf(Scene.Segment), "--", "false");

        result.Should().Be(new ProgramResult(0, "", ""));
        ArchiveScene.FilesIn(archive).Should().Equal(Scene.Segment.ToString());
    }

    [Fact]
    public async Task A_refusal_has_the_exit_code_of_archive_and_starts_no_fallback()
    {
        Scene.Add();
        var other = Path.Combine(Scene.MakeDirectory("other/pg_wal"), Scene.Segment.ToString());
        File.Copy(Scene.Located(Scene.Segment), other);
        await using var archiver = Scene.Archiver().To(d => d.Directory(Scene.MakeDirectory("archive"))).Build();
        await using var resident = await RunningResident.StartAsync(archiver, Options, Token);

        var result = await WalProgram.PushAsync(null, "", Socket, other, "--", "sh", "-c", "echo fallback");

        (result.ExitCode, result.Output).Should().Be((21, ""));
        result.Error.Should().Be($"omnipg-wal-push: The file '{Scene.Segment}' of the request is not that of the cluster which this process serves, '{Scene.Located(Scene.Segment)}'.\n");
    }

    [Fact]
    public async Task Nobody_listening_ends_with_10_or_as_the_fallback_does()
    {
        var alone = await WalProgram.PushAsync(null, "", Socket, "pg_wal/x");
        var fallback = await WalProgram.PushAsync(null, "", Socket, "pg_wal/x", "--", "sh", "-c", "echo \"$1|$2\"; kill -PIPE $$", "sh", "a b", "");
        var missing = await WalProgram.PushAsync(null, "", Socket, "pg_wal/x", "--", "/nowhere/at all");

        alone.Should().Be(new ProgramResult(10, "", $"omnipg-wal-push: Nobody answers on '{Socket}'.\nhint: Start 'omnipg-wal resident', or name a fallback behind '--'.\n"));
        fallback.Should().Be(new ProgramResult(128 + 13, "a b|\n", ""), "arguments pass unchanged, and no signal is left ignored");
        missing.Should().Be(new ProgramResult(10, "", "omnipg-wal-push: Cannot start '/nowhere/at all': No such file or directory (errno 2).\n"));
    }

    [Fact]
    public async Task An_account_without_the_right_to_ask_is_told_so_and_has_the_fallback()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows() || ServerAccount.Name is null, "Needs root, to start a client under another account.");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(Socket));
        listener.Listen();
#pragma warning disable CA1416 // Skipped on Windows.
        File.SetUnixFileMode(Socket, UnixFileMode.UserRead | UnixFileMode.UserWrite);
#pragma warning restore CA1416
        using var program = ServerCommand.Prepare("omnipg-wal-push");

        var alone = await program.RunAsync([Socket, "pg_wal/x"], cancellationToken: Token);
        var fallback = await program.RunAsync([Socket, "pg_wal/x", "--", "sh", "-c", "exit 9"], cancellationToken: Token);

        alone.Should().Be(new ProgramResult(10, "", $"omnipg-wal-push: This account has no right to ask on '{Socket}'.\nhint: Run 'omnipg-wal resident' as the account of the server, or name a fallback behind '--'.\n"));
        fallback.ExitCode.Should().Be(9);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"ok\":true")]
    [InlineData("{\"ok\":tr\n")]
    [InlineData("{\"ok\":true}}\n")]
    [InlineData("{\"ok\":\"true\"}\n")]
    [InlineData("[true]\n")]
    [InlineData("{\"message\":\"done\"}\n")]
    public async Task Less_than_a_whole_answer_is_none(string line)
    {
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(Socket));
        listener.Listen();
        var pushing = WalProgram.PushAsync(null, "", Socket, "pg_wal/x", "--", "sh", "-c", "exit 7");
        using (var client = await listener.AcceptAsync(Token))
        {
            await client.ReceiveAsync(new byte[4096], Token);
            await client.SendAsync(Encoding.UTF8.GetBytes(line), Token);
        }

        (await pushing).ExitCode.Should().Be(7);
    }

    [Theory]
    [InlineData("2>&-")]
    [InlineData("2>/dev/full")]
    [InlineData("<&- >&- 2>&-")]
    public async Task A_standard_error_that_takes_nothing_changes_no_exit_code(string redirection)
    {
        (await WalProgram.PushAsync(null, redirection, Socket, "pg_wal/x")).ExitCode.Should().Be(10);
        (await WalProgram.PushAsync(null, redirection, Socket)).ExitCode.Should().Be(20);
    }

    [Fact]
    public async Task Wrong_use_ends_with_20()
    {
        foreach (string[] words in (string[][])[[], ["", "x"], [Socket, ""], [Socket, "x", "y"], [Socket, "x", "--"]])
            (await WalProgram.PushAsync(null, "", words)).ExitCode.Should().Be(20, string.Join(' ', words));
        (await WalProgram.PushAsync(null, "", "/" + new string('s', 200), "x")).Should().Be(
            new ProgramResult(20, "", $"omnipg-wal-push: '/{new string('s', 200)}' cannot be a socket: a path of at most 107 bytes is wanted.\n"));
    }
}
