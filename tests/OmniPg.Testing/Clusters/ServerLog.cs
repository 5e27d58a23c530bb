using System.Diagnostics;

namespace OmniPg.Testing;

/// <summary>What the server wrote, in a file that outlives restarts.</summary>
internal sealed class ServerLog(string path) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly StreamWriter _writer = new(new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.ReadWrite)) { AutoFlush = true };
    private bool _disposed;

    public string Path { get; } = path;

    public long Length
    {
        get
        {
            lock (_lock)
                return _disposed ? 0 : _writer.BaseStream.Length;
        }
    }

    public void Append(string? line)
    {
        if (line is null)
            return;
        lock (_lock)
        {
            if (!_disposed)
                _writer.WriteLine(line);
        }
    }

    public string Read(long from)
    {
        using var stream = new FileStream(Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        stream.Position = from;
        return new StreamReader(stream).ReadToEnd();
    }

    /// <summary>Waits until the ended process's last lines have arrived, at most two seconds.</summary>
    public static void Settle(Process process)
    {
        var pipes = Task.Run(process.WaitForExit);
        pipes.Wait(TimeSpan.FromSeconds(2));
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            _writer.Dispose();
        }
    }
}
