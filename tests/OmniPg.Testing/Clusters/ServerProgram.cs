using System.Diagnostics;

namespace OmniPg.Testing;

/// <summary>Runs client programs such as <c>psql</c> or <c>pgbench</c> under the server's account.</summary>
public static class ServerProgram
{
    /// <summary>Runs a program to its end.</summary>
    /// <param name="program">Path of the program.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="workingDirectory">A directory that the server's account can enter; <see langword="null"/> takes <c>/tmp</c> or its like.</param>
    /// <param name="cancellationToken">Kills the program.</param>
    /// <returns>Exit code and both outputs, whole.</returns>
    public static Task<ProgramResult> RunAsync(
        string program, IEnumerable<string> arguments, string? workingDirectory = null, CancellationToken cancellationToken = default)
    {
        var info = ServerAccount.StartInfo(program, arguments);
        info.WorkingDirectory = workingDirectory ?? Path.GetTempPath();
        return RunAsync(info, cancellationToken);
    }

    /// <summary>Runs a program to its end in a mount namespace; its working directory is the root.</summary>
    /// <param name="mounts">The namespace.</param>
    /// <param name="program">Path of the program.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="cancellationToken">Kills the program.</param>
    /// <returns>Exit code and both outputs, whole.</returns>
    public static Task<ProgramResult> RunAsync(MountNamespace mounts, string program, IEnumerable<string> arguments, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(mounts);
        return RunAsync(mounts.Enter(ServerAccount.StartInfo(program, arguments)), cancellationToken);
    }

    private static async Task<ProgramResult> RunAsync(ProcessStartInfo info, CancellationToken cancellationToken)
    {
        using var process = Process.Start(info)!;
        process.StandardInput.Close();
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
            var error = process.StandardError.ReadToEndAsync(cancellationToken);
            await process.WaitForExitAsync(cancellationToken);
            return new ProgramResult(process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }
}

/// <summary>What a program left behind.</summary>
/// <param name="ExitCode">Exit code.</param>
/// <param name="Output">Everything on standard output.</param>
/// <param name="Error">Everything on standard error.</param>
public sealed record ProgramResult(int ExitCode, string Output, string Error)
{
    /// <summary>Throws unless the program ended with 0.</summary>
    /// <returns>This result.</returns>
    public ProgramResult MustSucceed() =>
        ExitCode == 0 ? this : throw new InvalidOperationException($"The program ended with {ExitCode}: {Error}{Output}");
}
