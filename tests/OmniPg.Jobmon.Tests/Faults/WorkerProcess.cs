using System.Diagnostics;
using System.Globalization;

namespace OmniPg.Jobmon.Tests.Faults;

/// <summary>A real process that runs a job until it is ended.</summary>
internal sealed class WorkerProcess : IDisposable
{
    private readonly Process _process;

    private WorkerProcess(Process process, long jobId) => (_process, JobId) = (process, jobId);

    public long JobId { get; }

    public int Id => _process.Id;

    /// <summary>Starts the worker and waits until it has reported its progress.</summary>
    public static async Task<WorkerProcess> StartAsync(string mode, string connectionString, string jobName)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in new[] { Path.Combine(AppContext.BaseDirectory, "OmniPg.Jobmon.Worker.dll"), mode, connectionString, jobName })
            start.ArgumentList.Add(argument);
        var process = Process.Start(start)!;
        var line = await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
        if (line?.StartsWith("ready ", StringComparison.Ordinal) != true)
            throw new InvalidOperationException($"The worker said '{line}': {await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken)}");
        _ = process.StandardError.ReadToEndAsync();
        return new WorkerProcess(process, long.Parse(line.AsSpan("ready ".Length), CultureInfo.InvariantCulture));
    }

    public Task SignalAsync(string signal) => RunAsync("kill", $"-{signal}", Id.ToString(CultureInfo.InvariantCulture));

    public Task SayAsync(string line) => _process.StandardInput.WriteLineAsync(line);

    public Task WaitAsync() => _process.WaitForExitAsync(TestContext.Current.CancellationToken);

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
    }
}
