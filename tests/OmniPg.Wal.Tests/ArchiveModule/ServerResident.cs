using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Resident;

namespace OmniPg.Wal.Tests.ArchiveModule;

/// <summary>A resident process of the server's account; another account's would not serve the server.</summary>
public sealed class ServerResident : IAsyncDisposable
{
    private const int Terminate = 15;
    private const int Continue = 18;
    private const int Freeze = 19;
    private readonly Process _process;
    private readonly StringBuilder _messages = new();

    private ServerResident(Process process)
    {
        _process = process;
        process.ErrorDataReceived += (_, line) =>
        {
            lock (_messages)
                _messages.AppendLine(line.Data);
        };
        process.OutputDataReceived += static (_, _) => { };
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
    }

    public static async Task<ServerResident> StartAsync(ServerCommand program, string data, string archive, string spool, string socket)
    {
        foreach (var directory in (string[])[archive, spool])
        {
            Directory.CreateDirectory(directory);
            ServerAccount.Own(directory);
        }

        var info = ServerAccount.StartInfo(program.Path, ["resident", "--data-dir", data, "--dst-local", "zstd=" + archive, "--spool", spool, "--socket", socket, "--begin"]);
        info.WorkingDirectory = Path.GetTempPath();
        info.Environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        var resident = new ServerResident(Process.Start(info)!);
        await Eventually.TrueAsync(
            () => RunningResident.Listens(socket) || resident._process.HasExited, "the resident process listens", TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        resident._process.HasExited.Should().BeFalse("{0}", resident.Messages());
        return resident;
    }

    /// <summary>From now on it takes questions, as the kernel does for it, and answers none.</summary>
    public Task HangAsync()
    {
        ServerAccount.Signal(_process.Id, Freeze);
        // The signal is taken when a thread of it is next scheduled; until then it might still answer. Its state stands behind its name (proc(5)).
        return Eventually.TrueAsync(
            () => File.ReadAllText($"/proc/{_process.Id}/stat") is var stat && stat[stat.LastIndexOf(')') + 2] == 'T', "the resident process is stopped", cancellationToken: TestContext.Current.CancellationToken);
    }

    public void GoOn() => ServerAccount.Signal(_process.Id, Continue);

    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public string Messages()
    {
        lock (_messages)
            return _messages.ToString();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            ServerAccount.Signal(_process.Id, Terminate);
            GoOn();
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }
}
