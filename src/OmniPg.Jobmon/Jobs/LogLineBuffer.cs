namespace OmniPg.Jobmon;

/// <summary>Captured lines of one run, bounded: the lines beyond the limit are counted, and the count is the last line.</summary>
internal sealed class LogLineBuffer(int limit)
{
    /// <summary>Category of the line that counts the dropped ones.</summary>
    public const string OwnCategory = "OmniPg.Jobmon";

    private const int MaxBatch = 1_000;
    private readonly Lock _lock = new();
    private readonly Queue<LogLine> _lines = new();
    private int _accepted;
    private int _dropped;
    private long _written;

    /// <summary>Text of that line.</summary>
    public static string Dropped(int count) => string.Create(null, $"{count} lines dropped");

    public void Add(LogLine line)
    {
        lock (_lock)
        {
            if (_accepted >= limit)
            {
                _dropped++;
                return;
            }

            _accepted++;
            _lines.Enqueue(line);
        }
    }

    /// <summary>The next lines with the number of the first one; they stay until they are <see cref="Written"/>.</summary>
    public (long First, LogLine[] Lines) Next()
    {
        lock (_lock)
            return (_written + 1, [.. _lines.Take(MaxBatch)]);
    }

    /// <summary>Forgets lines that the server has, by number: a flush and the end of the run may both have written them.</summary>
    public void Written(long first, int count)
    {
        lock (_lock)
        {
            for (; _written < first - 1 + count; _written++)
                _lines.Dequeue();
        }
    }

    /// <summary>Adds the count of dropped lines, at the end of the run; returns it.</summary>
    public int Seal(long mark)
    {
        lock (_lock)
        {
            if (_dropped > 0)
                _lines.Enqueue(new LogLine(null, mark, 3, OwnCategory, Dropped(_dropped)));
            return _dropped;
        }
    }
}
