namespace OmniPg.Jobmon;

/// <summary>The progress of one step: written by any thread without lock or allocation, read by the flusher.</summary>
/// <remarks>The mark is set after the numbers and cleared before they are read, so a value is written twice rather than never.</remarks>
internal sealed class ProgressCell(TimeProvider time)
{
    private const long Unknown = long.MinValue;

    private readonly long _begun = time.GetTimestamp();
    private long _current;
    private long _total = Unknown;
    private string? _unit;
    private string? _message;
    private int _changed;
    private int _reported;

    public void Report(long current, long? total, string? message)
    {
        Volatile.Write(ref _current, current);
        if (total is { } known)
            Volatile.Write(ref _total, known);
        if (message is not null)
            Volatile.Write(ref _message, message);
        Volatile.Write(ref _changed, 1);
    }

    public void Increment(long by)
    {
        Interlocked.Add(ref _current, by);
        Volatile.Write(ref _changed, 1);
    }

    public void SetUnit(string? unit)
    {
        if (unit is not null)
            Volatile.Write(ref _unit, unit);
    }

    /// <summary>Whether something was reported since the last call; the caller is about to write it.</summary>
    public bool TakeChange()
    {
        if (Volatile.Read(ref _changed) == 0)
            return false;
        // Before the change is taken: who takes a snapshot in between must not find that nothing was ever reported.
        Volatile.Write(ref _reported, 1);
        return Interlocked.Exchange(ref _changed, 0) != 0;
    }

    /// <summary>The write failed: it is still to be done.</summary>
    public void PutBack() => Volatile.Write(ref _changed, 1);

    /// <summary>What was reported last, with rate and remaining time; null for nothing.</summary>
    public StepProgress? Last() => Snapshot().Reported ? Read() : null;

    public Numbers Snapshot()
    {
        var total = Volatile.Read(ref _total);
        // In this order: who takes a change sets the second before the first is cleared.
        var reported = Volatile.Read(ref _changed) != 0 || Volatile.Read(ref _reported) != 0;
        return new Numbers(reported, Volatile.Read(ref _current), total == Unknown ? null : total, Volatile.Read(ref _unit));
    }

    /// <summary>The numbers with rate and remaining time at the average pace since the step began.</summary>
    public StepProgress Read()
    {
        var now = Snapshot();
        var seconds = time.GetElapsedTime(_begun).TotalSeconds;
        var rate = now.Reported && seconds > 0 ? now.Current / seconds : 0;
        var left = now.Total - now.Current;
        return new StepProgress(now.Current, now.Total, now.Unit, Volatile.Read(ref _message))
        {
            Rate = rate,
            Remaining = left is { } units && rate > 0 ? TimeSpan.FromSeconds(Math.Min(Math.Max(0, units) / rate, TimeSpan.MaxValue.TotalSeconds / 2)) : null,
        };
    }

    /// <summary>Progress numbers at one moment.</summary>
    internal readonly record struct Numbers(bool Reported, long Current, long? Total, string? Unit);
}
