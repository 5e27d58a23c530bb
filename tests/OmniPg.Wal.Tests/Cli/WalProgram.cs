using System.Diagnostics;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Cli;

/// <summary>Runs the built program as the current user.</summary>
internal static class WalProgram
{
    private static readonly string Location = Path.Combine(BuiltProgram.DirectoryOf("omnipg-wal"), "omnipg-wal");

    public static async Task<ProgramResult> RunInAsync(string? workingDirectory, string input, params IEnumerable<string> words)
    {
        using var process = Start(workingDirectory, words);
        return await EndAsync(process, input);
    }

    public static Task<ProgramResult> RunAsync(params IEnumerable<string> words) => RunInAsync(null, "", words);

    /// <summary>Runs it with variables besides.</summary>
    public static async Task<ProgramResult> RunWithAsync((string Name, string Value)[] variables, params IEnumerable<string> words)
    {
        using var process = Start(null, Location, words, variables);
        return await EndAsync(process);
    }

    /// <summary>Runs it with its standard streams as a shell redirects them, such as <c>2&gt;/dev/full</c> or <c>&gt;&amp;-</c>.</summary>
    public static async Task<ProgramResult> RunShellAsync(string? workingDirectory, string redirection, params IEnumerable<string> words)
    {
        using var process = Start(workingDirectory, "/bin/sh", ["-c", $"exec \"$0\" \"$@\" {redirection}", Location, .. words]);
        return await EndAsync(process);
    }

    /// <summary>Starts it with writes that fail; see <see cref="FailingWrites"/>.</summary>
    public static Process StartFailing(string watched, string error, string when, string output, string messages, IEnumerable<string> words) =>
        FailingWrites.Start(watched, error, when, output, messages, Location, words);

    /// <summary>Runs the client of the resident mode, with its standard error redirected as a shell does.</summary>
    public static async Task<ProgramResult> PushAsync(string? workingDirectory, string redirection, params IEnumerable<string> words)
    {
        using var process = Start(workingDirectory, "/bin/sh", ["-c", $"exec \"$0\" \"$@\" {redirection}", Path.Combine(AppContext.BaseDirectory, "omnipg-wal-push"), .. words]);
        return await EndAsync(process);
    }

    public static Process Start(string? workingDirectory, IEnumerable<string> words) => Start(workingDirectory, Location, words);

    private static Process Start(string? workingDirectory, string program, IEnumerable<string> words, params (string Name, string Value)[] variables)
    {
        var info = new ProcessStartInfo(program, words)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = workingDirectory ?? Path.GetTempPath(),
        };
        info.Environment["OMNIPG_TEST_PASSWORD"] = "hunter2";
        info.Environment["AWS_ACCESS_KEY_ID"] = S3Endpoint.AccessKey;
        info.Environment["AWS_SECRET_ACCESS_KEY"] = S3Endpoint.SecretKey;
        foreach (var (name, value) in variables)
            info.Environment[name] = value;
        return Process.Start(info)!;
    }

    public static async Task<ProgramResult> EndAsync(Process process, string input = "")
    {
        var token = TestContext.Current.CancellationToken;
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(token);
        var error = process.StandardError.ReadToEndAsync(token);
        await process.WaitForExitAsync(token);
        return new ProgramResult(process.ExitCode, await output, await error);
    }
}
