namespace OmniPg.Wal;

/// <summary>Server timestamps: microseconds since 2000-01-01 00:00 UTC.</summary>
internal static class PgTimestamp
{
    private static readonly long Epoch = new DateTime(2000, 1, 1, 0, 0, 0, DateTimeKind.Utc).Ticks;
    private static readonly long Lowest = (DateTime.MinValue.Ticks - Epoch) / TimeSpan.TicksPerMicrosecond;
    private static readonly long Highest = (DateTime.MaxValue.Ticks - Epoch) / TimeSpan.TicksPerMicrosecond;

    /// <summary>Converts; times outside the years 1 to 9999 become the nearest possible one.</summary>
    public static DateTimeOffset ToDateTimeOffset(long microseconds) =>
        new(Epoch + (Math.Clamp(microseconds, Lowest, Highest) * TimeSpan.TicksPerMicrosecond), TimeSpan.Zero);
}
