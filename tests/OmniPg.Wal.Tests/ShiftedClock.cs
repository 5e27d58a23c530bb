namespace OmniPg.Wal.Tests;

/// <summary>The system's clock, whose time of day somebody sets while its timestamps go on: what <c>settimeofday</c> does to a process.</summary>
internal sealed class ShiftedClock : TimeProvider
{
    public TimeSpan Offset { get; set; }

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + Offset;
}
