using System.Diagnostics;

namespace OmniPg.Testing;

/// <summary>One run of the <c>postgres</c> program.</summary>
/// <remarks>
/// It is started from a thread of its own that lives as long as the server: the death signal that ends the server with a killed test process is
/// bound to the thread that started it.
/// </remarks>
internal sealed class ServerProcess
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Process _process = null!;

    public int Id { get; private set; }

    public bool HasExited => _ended.Task.IsCompleted;

    public static ServerProcess Start(string program, IEnumerable<string> arguments, string workingDirectory, ServerLog log, MountNamespace? mounts = null)
    {
        var server = new ServerProcess();
        var started = new TaskCompletionSource();
        var thread = new Thread(() => server.Run(program, arguments, workingDirectory, log, mounts, started)) { IsBackground = true, Name = "postgres" };
        thread.Start();
        started.Task.GetAwaiter().GetResult();
        return server;
    }

    public Task WaitAsync(CancellationToken cancellationToken) => _ended.Task.WaitAsync(cancellationToken);

    /// <summary>SIGKILL for the postmaster and all of its children, as the out-of-memory killer or a power cut would.</summary>
    public void KillTree()
    {
        // Stopped first: it must not start new children, nor tidy up after those that vanish.
        const int sigStop = 19, sigKill = 9;
        ServerAccount.Signal(Id, sigStop);
        var children = ProcessTree.ChildrenOf(Id);
        foreach (var child in children)
            ServerAccount.Signal(child, sigKill);
        ServerAccount.Signal(Id, sigKill);
        _ended.Task.GetAwaiter().GetResult();
        // One that has not had the processor since still holds the shared memory, and a server that starts again would find it in use.
        while (children.Any(ProcessTree.IsAlive))
            Thread.Sleep(5);
    }

    private void Run(string program, IEnumerable<string> arguments, string workingDirectory, ServerLog log, MountNamespace? mounts, TaskCompletionSource started)
    {
        try
        {
            var info = ServerAccount.StartInfo(program, arguments, dieWithParentThread: true);
            info.WorkingDirectory = workingDirectory;
            _process = Process.Start(mounts?.Enter(info) ?? info)!;
            Id = _process.Id;
        }
        catch (Exception error)
        {
            started.SetException(error);
            return;
        }
        _process.StandardInput.Close();
        _process.OutputDataReceived += (_, line) => log.Append(line.Data);
        _process.ErrorDataReceived += (_, line) => log.Append(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        started.SetResult();
        // The overload without a limit also waits for the pipes: the log is complete once the server counts as ended. A limit guards
        // against programs that inherited the pipes and outlive the server.
        while (!_process.WaitForExit(1000))
        {
        }
        ServerLog.Settle(_process);
        _ended.SetResult();
    }
}
