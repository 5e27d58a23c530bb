using System.Diagnostics;
using System.Globalization;
using OmniPg.Testing;

namespace OmniPg.Cli.Tests;

/// <summary>The built program as a process of its own.</summary>
internal sealed class CliProcess : IDisposable
{
    /// <summary>Path of the program.</summary>
    public static readonly string Location = Path.Combine(BuiltProgram.DirectoryOf("omnipg"), "omnipg");

    private CliProcess(Process process) => Process = process;

    public Process Process { get; }

    public StreamReader Output => Process.StandardOutput;

    /// <summary>Starts <c>omnipg</c> with these arguments.</summary>
    public static CliProcess Start(string? connection, params string[] args) => new(Process.Start(Describe(connection, Location, args))!);

    /// <summary>Starts a shell; <c>$OMNIPG</c> is the program.</summary>
    public static CliProcess StartShell(string? connection, string script) => new(Process.Start(Describe(connection, "/bin/sh", ["-c", script]))!);

    public static async Task<CliResult> RunAsync(string? connection, params string[] args)
    {
        using var process = Start(connection, args);
        process.Process.StandardInput.Close();
        return await process.EndAsync();
    }

    public async Task<CliResult> EndAsync()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var error = Process.StandardError.ReadToEndAsync(cancellation);
        var output = await Output.ReadToEndAsync(cancellation);
        await Process.WaitForExitAsync(cancellation);
        return new CliResult(Process.ExitCode, output, await error);
    }

    public async Task SendAsync(string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", Process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    public void Dispose()
    {
        if (!Process.HasExited)
            Process.Kill(entireProcessTree: true);
        Process.Dispose();
    }

    private static ProcessStartInfo Describe(string? connection, string file, string[] args)
    {
        var start = new ProcessStartInfo(file, args)
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
            Environment = { ["OMNIPG"] = Location },
        };
        foreach (var name in start.Environment.Keys.Where(k => k.StartsWith("PG", StringComparison.Ordinal) || k is "OMNIPG_CONNECTION" or "NO_COLOR").ToList())
            start.Environment.Remove(name);
        if (connection is not null)
            start.Environment["OMNIPG_CONNECTION"] = connection;
        return start;
    }
}
