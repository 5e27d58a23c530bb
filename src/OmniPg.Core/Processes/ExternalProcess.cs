using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace OmniPg;

/// <summary>A running external program with its pipes: argument list, no shell, standard error drained at all times, the whole tree killed on demand.</summary>
/// <remarks>
/// Not thread-safe. Read <see cref="StandardOutput"/> to its end before <see cref="WaitAsync"/>, or the program may block on a full pipe.
/// Disposal kills what still runs and waits until it is gone, so no child is left behind.
/// </remarks>
public sealed class ExternalProcess : IExternalProcess
{
    private readonly Process _process;
    private readonly Task<string> _errorTail;
    private bool _disposed;

    private ExternalProcess(Process process, ExternalProcessOptions options)
    {
        _process = process;
        _errorTail = ErrorTail.ReadAsync(process.StandardError, options);
    }

    /// <summary>Starts programs as children of this process.</summary>
    public static IProcessLauncher Launcher { get; } = new ChildLauncher();

    /// <summary>Process id.</summary>
    public int Id => _process.Id;

    /// <inheritdoc/>
    public Stream StandardInput => _process.StandardInput.BaseStream;

    /// <inheritdoc/>
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
    public static Task<string> RunAsync(ExternalProcessOptions options, CancellationToken cancellationToken = default) =>
        Launcher.RunAsync(options, cancellationToken: cancellationToken);

    /// <inheritdoc/>
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

    private sealed class ChildLauncher : IProcessLauncher
    {
        public ValueTask<IExternalProcess> StartAsync(ExternalProcessOptions options, CancellationToken cancellationToken = default)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return new ValueTask<IExternalProcess>(Start(options));
        }
    }

    /// <summary>Drains standard error so that the program never blocks on it, and keeps its end for error messages, in bounded memory.</summary>
    private sealed class ErrorTail(ExternalProcessOptions options)
    {
        private readonly StringBuilder _tail = new();
        private readonly StringBuilder _line = new();

        public static async Task<string> ReadAsync(StreamReader reader, ExternalProcessOptions options)
        {
            var tail = new ErrorTail(options);
            var buffer = new char[4096];
            try
            {
                int read;
                while ((read = await reader.ReadAsync(buffer).ConfigureAwait(false)) > 0)
                    tail.Take(buffer.AsSpan(0, read));
            }
            catch (Exception error) when (error is IOException or ObjectDisposedException)
            {
                // The pipe broke because the program was killed: what was read so far is all there is.
            }
            tail.EndLine();
            return tail._tail.ToString().Trim();
        }

        private void Take(ReadOnlySpan<char> text)
        {
            _tail.Append(text);
            if (_tail.Length > options.ErrorTailLimit)
                _tail.Remove(0, _tail.Length - options.ErrorTailLimit);
            if (options.OnErrorLine is not null)
                TakeLines(text);
        }

        private void TakeLines(ReadOnlySpan<char> text)
        {
            while (text.IndexOf('\n') is >= 0 and var end)
            {
                _line.Append(text[..end]);
                PassLine();
                text = text[(end + 1)..];
            }
            _line.Append(text);
            // A program that never ends its line must not fill the memory: what came so far counts as one.
            if (_line.Length > options.ErrorTailLimit)
                PassLine();
        }

        private void EndLine()
        {
            if (_line.Length > 0)
                PassLine();
        }

        private void PassLine()
        {
            options.OnErrorLine?.Invoke(_line.ToString().TrimEnd('\r'));
            _line.Clear();
        }
    }
}
