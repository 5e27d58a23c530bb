namespace OmniPg.Wal.Cli;

/// <summary>A line on standard error for what takes longer than two seconds, with a bar where the end is known; none when nobody watches.</summary>
internal sealed class ProgressLine : IProgress<WalScanProgress>, IProgress<BackupProgress>, IDisposable
{
    private const int Width = 30;
    private static readonly TimeSpan Delay = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private readonly ProgramContext _context;
    private readonly long _started;
    private long _shown;
    private bool _visible;

    private ProgressLine(ProgramContext context) => (_context, _started) = (context, context.Time.GetTimestamp());

    /// <returns>Null when standard error is no terminal or <c>NO_COLOR</c> asks for plain output.</returns>
    public static ProgressLine? Start(ProgramContext context) =>
        Console.IsErrorRedirected || Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 } ? null : new ProgressLine(context);

    public void Report(WalScanProgress value)
    {
        if (!IsDue(out var elapsed))
            return;
        var filled = (int)(Width * value.Done / Math.Max(value.Total, 1));
        var rate = value.RawBytes / elapsed.TotalSeconds / (1 << 20);
        Show($"[{new string('#', filled)}{new string('.', Width - filled)}] {value.Done}/{value.Total}  {rate:0} MiB/s  {value.Current}");
    }

    public void Report(BackupProgress value)
    {
        if (IsDue(out _))
            Show($"{value.Part}: {value.RawBytes >> 20} MiB");
    }

    public void Dispose()
    {
        if (!_visible)
            return;
        _visible = false;
        _context.Error.Write("\r\x1b[K");
        _context.Error.Flush();
    }

    private bool IsDue(out TimeSpan elapsed)
    {
        elapsed = _context.Time.GetElapsedTime(_started);
        return elapsed >= Delay && !(_visible && _context.Time.GetElapsedTime(_shown) < Interval);
    }

    private void Show(string line)
    {
        (_visible, _shown) = (true, _context.Time.GetTimestamp());
        _context.Error.Write($"\r{line}\x1b[K");
        _context.Error.Flush();
    }
}
