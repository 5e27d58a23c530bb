using System.ComponentModel;
using System.Diagnostics;

namespace OmniPg.Processes;

/// <summary>A running external program with its pipes: argument list, no shell, standard error drained at all times, the whole tree killed on demand.</summary>
/// <remarks>
/// Not thread-safe. Read <see cref="StandardOutput"/> to its end before <see cref="WaitAsync"/>, or the program may block on a full pipe.
/// Disposal kills what still runs and waits until it is gone, so no child is left behind.
/// </remarks>
public sealed class ExternalProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Task<string> _errorTail;
    private bool _disposed;

    private ExternalProcess(Process process, ExternalProcessOptions options)
    {
        _process = process;
        _errorTail = ErrorTail.ReadAsync(process.StandardError, options);
    }

    /// <summary>Process id.</summary>
    public int Id => _process.Id;

    /// <summary>What the program reads. Dispose it to signal the end. Valid only with <see cref="ExternalProcessOptions.RedirectInput"/>.</summary>
    public Stream StandardInput => _process.StandardInput.BaseStream;

    /// <summary>What the program writes, as bytes.</summary>
    public Stream StandardOutput => _process.StandardOutput.BaseStream;

    /// <summary>Starts a program.</summary>
    /// <param name="options">Program, arguments, environment.</param>
    /// <returns>The running program; dispose it.</returns>
    /// <exception cref="ExternalProcessException">It could not be started.</exception>
    public static ExternalProcess Start(ExternalProcessOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var process = new Process { StartInfo = StartInfoFor(options) };
        try
        {
            process.Start();
        }
        catch (Exception error) when (error is Win32Exception or FileNotFoundException or DirectoryNotFoundException)
        {
            process.Dispose();
            throw new ExternalProcessException(options.FileName, error);
        }
        if (!options.RedirectInput)
            process.StandardInput.Close();
        return new ExternalProcess(process, options);
    }

    /// <summary>Runs a program to its end and returns its standard output as text.</summary>
    /// <param name="options">Program, arguments, environment.</param>
    /// <param name="cancellationToken">Kills the process tree.</param>
    /// <returns>Everything it wrote to standard output.</returns>
    /// <exception cref="ExternalProcessException">It could not be started or ended with another exit code than 0.</exception>
    public static async Task<string> RunAsync(ExternalProcessOptions options, CancellationToken cancellationToken = default)
    {
        var process = Start(options);
        await using (process.ConfigureAwait(false))
        {
            using var reader = new StreamReader(process.StandardOutput);
            var output = await reader.ReadToEndAsync(cancellationToken).ConfigureAwait(false);
            var result = await process.WaitAsync(cancellationToken).ConfigureAwait(false);
            return result.ExitCode == 0 ? output : throw new ExternalProcessException(options.FileName, result);
        }
    }

    /// <summary>Waits until the program has ended.</summary>
    /// <param name="cancellationToken">Kills the process tree and then throws.</param>
    /// <returns>Exit code and the end of standard error.</returns>
    /// <exception cref="OperationCanceledException">Cancelled; the program is gone.</exception>
    public async Task<ExternalProcessResult> WaitAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            await _process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            Kill();
            await _process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
            throw;
        }
        return new ExternalProcessResult(_process.ExitCode, await _errorTail.ConfigureAwait(false));
    }

    /// <summary>Kills the program and everything it started. Does nothing when it has ended.</summary>
    public void Kill()
    {
        try
        {
            _process.Kill(entireProcessTree: true);
        }
        catch (InvalidOperationException)
        {
            // It ended between the caller's decision and this call, which is what the caller wanted.
        }
        catch (Win32Exception) when (_process.HasExited)
        {
            // The same race, as the operating system reports it.
        }
    }

    /// <summary>Kills what still runs and waits until it is gone.</summary>
    /// <returns>A task that ends when no child is left.</returns>
    public async ValueTask DisposeAsync()
    {
        if (_disposed)
            return;
        _disposed = true;
        if (!_process.HasExited)
        {
            Kill();
            await _process.WaitForExitAsync().ConfigureAwait(false);
        }
        _process.Dispose();
    }

    private static ProcessStartInfo StartInfoFor(ExternalProcessOptions options)
    {
        var info = new ProcessStartInfo(options.FileName)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            WorkingDirectory = options.WorkingDirectory ?? "",
        };
        foreach (var argument in options.Arguments)
            info.ArgumentList.Add(argument);
        foreach (var (name, value) in options.Environment)
        {
            if (value is null)
                info.Environment.Remove(name);
            else
                info.Environment[name] = value;
        }
        return info;
    }
}
