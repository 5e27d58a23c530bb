namespace OmniPg.Wal.Cli;

/// <summary>How far a backup or a restore has come, on standard error after two seconds; none when nobody watches.</summary>
internal sealed class BackupProgressLine : IProgress<BackupProgress>, IDisposable
{
    private static readonly TimeSpan Delay = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private readonly ProgramContext _context;
    private readonly long _started;
    private long _shown;
    private bool _visible;

    private BackupProgressLine(ProgramContext context) => (_context, _started) = (context, context.Time.GetTimestamp());

    /// <returns>Null when standard error is no terminal or <c>NO_COLOR</c> asks for plain output.</returns>
    public static BackupProgressLine? Start(ProgramContext context) =>
        Console.IsErrorRedirected || Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 } ? null : new BackupProgressLine(context);

    public void Report(BackupProgress value)
    {
        if (_context.Time.GetElapsedTime(_started) < Delay || (_visible && _context.Time.GetElapsedTime(_shown) < Interval))
            return;
        (_visible, _shown) = (true, _context.Time.GetTimestamp());
        _context.Error.Write($"\r{value.Part}: {value.RawBytes >> 20} MiB\x1b[K");
        _context.Error.Flush();
    }

    public void Dispose()
    {
        if (!_visible)
            return;
        _visible = false;
        _context.Error.Write("\r\x1b[K");
        _context.Error.Flush();
    }
}
