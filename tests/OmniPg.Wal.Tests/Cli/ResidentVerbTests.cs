using OmniPg.Testing;
using OmniPg.Wal.Tests.Recovery;

namespace OmniPg.Wal.Tests.Cli;

[Collection(nameof(RecoveryCollection))]
public sealed class ResidentVerbTests(RecoveryScene scene) : IDisposable
{
    private readonly TemporaryDirectory _root = new();

    public void Dispose() => _root.Dispose();

    [Fact]
    public async Task Archive_asks_the_resident_process_and_works_alone_when_there_is_none()
    {
        var (archive, spool) = (Directory.CreateDirectory(_root.Combine("a")).FullName, Directory.CreateDirectory(_root.Combine("s")).FullName);
        var socket = _root.Combine("r.sock");
        string[] common = ["--data-dir", scene.Primary.DataDirectory, "--dst-local", "zstd=" + archive, "--socket", socket, "--verbose"];
        var segments = Directory.GetFiles(scene.PlainCopies).Where(f => Path.GetFileName(f).Length == 24).Order(StringComparer.Ordinal).ToArray();

        using var resident = WalProgram.Start(null, ["resident", .. common, "--spool", spool]);
        await Eventually.TrueAsync(() => File.Exists(socket) || resident.HasExited, "the resident process listens", cancellationToken: TestContext.Current.CancellationToken);
        var asked = await WalProgram.RunAsync(["archive", .. common, segments[0]]);
        ServerAccount.Signal(resident.Id, 15);
        var ended = await WalProgram.EndAsync(resident);
        var alone = await WalProgram.RunAsync(["archive", .. common, segments[1]]);

        asked.ExitCode.Should().Be(0, asked.Error + ended.Error);
        asked.Error.Should().Contain("The resident process archived");
        ended.ExitCode.Should().Be(143, ended.Error);
        alone.ExitCode.Should().Be(0, alone.Error);
        alone.Error.Should().NotContain("The resident process archived");
        Directory.GetFiles(archive, "*.zst").Should().HaveCount(2);
    }
}
