namespace OmniPg.Wal.Tests;

/// <summary>The system's clock, whose time of day somebody sets while its timestamps go on: what <c>settimeofday</c> does to a process.</summary>
internal sealed class ShiftedClock : TimeProvider
{
    /// <summary>By how much the time of day is set.</summary>
    public TimeSpan Offset { get; set; }

    /// <summary>Time that has passed besides, for time of day and timestamps alike.</summary>
    public TimeSpan Passed { get; set; }

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + Offset + Passed;

    public override long GetTimestamp() => System.GetTimestamp() + (long)(Passed.TotalSeconds * System.TimestampFrequency);
}
