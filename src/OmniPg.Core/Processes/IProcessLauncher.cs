using System.Text;

namespace OmniPg;

/// <summary>Starts external programs: the one seam for pg_dump, git, svn and all others. Implement it to run them in a container or on another machine.</summary>
/// <remarks>Thread-safe. <see cref="ExternalProcess.Launcher"/> starts children of this process.</remarks>
public interface IProcessLauncher
{
    /// <summary>Starts a program.</summary>
    /// <param name="options">
    /// Program, arguments, environment; <c>PGPASSWORD</c> may be among the variables, so never log these. A launcher for another machine takes the file name
    /// of a path only.
    /// </param>
    /// <param name="cancellationToken">Ends the start.</param>
    /// <returns>The running program; the caller disposes it.</returns>
    /// <exception cref="ExternalProcessException">It could not be started.</exception>
    ValueTask<IExternalProcess> StartAsync(ExternalProcessOptions options, CancellationToken cancellationToken = default);

    /// <summary>Runs a program to its end and returns its standard output as text.</summary>
    /// <param name="options">Program, arguments, environment.</param>
    /// <param name="input">Text that the program reads, as UTF-8; needs <see cref="ExternalProcessOptions.RedirectInput"/>. Null, the default, for none.</param>
    /// <param name="cancellationToken">Ends the program and then throws.</param>
    /// <returns>Everything it wrote to standard output, read as UTF-8.</returns>
    /// <exception cref="ExternalProcessException">It could not be started or ended with another exit code than 0.</exception>
    async Task<string> RunAsync(ExternalProcessOptions options, string? input = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        var process = await StartAsync(options, cancellationToken).ConfigureAwait(false);
        await using (process.ConfigureAwait(false))
        {
            if (input is not null)
                await WriteInputAsync(process, input, cancellationToken).ConfigureAwait(false);
            using var reader = new StreamReader(process.StandardOutput);
            var output = await reader.ReadToEndAsync(cancellationToken).ConfigureAwait(false);
            var result = await process.WaitAsync(cancellationToken).ConfigureAwait(false);
            return result.ExitCode == 0 ? output : throw new ExternalProcessException(options.FileName, result);
        }
    }

    private static async Task WriteInputAsync(IExternalProcess process, string input, CancellationToken cancellationToken)
    {
        try
        {
            await process.StandardInput.WriteAsync(Encoding.UTF8.GetBytes(input), cancellationToken).ConfigureAwait(false);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // The program ended without reading all of it: its exit code and its last words say why.
        }
    }
}

/// <summary>A running program. Disposal must end it, with everything it started.</summary>
/// <remarks>Not thread-safe. Read <see cref="StandardOutput"/> to its end before <see cref="WaitAsync"/>, or the program may block on a full pipe.</remarks>
public interface IExternalProcess : IAsyncDisposable
{
    /// <summary>What the program reads. Dispose it to signal the end. Valid only with <see cref="ExternalProcessOptions.RedirectInput"/>.</summary>
    Stream StandardInput { get; }

    /// <summary>What the program writes, as bytes.</summary>
    Stream StandardOutput { get; }

    /// <summary>Waits until the program has ended.</summary>
    /// <param name="cancellationToken">Ends the program, with everything it started, and then throws.</param>
    /// <returns>Exit code and the end of standard error.</returns>
    /// <exception cref="OperationCanceledException">Cancelled; the program is gone.</exception>
    Task<ExternalProcessResult> WaitAsync(CancellationToken cancellationToken = default);
}
