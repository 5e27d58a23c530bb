namespace OmniPg.Partman;

/// <summary>Finds the step that partitions were made with. The newest ones count: a set grows at its end, and what it was cut into before retires as it is.</summary>
internal static class AdoptedSteps
{
    private const int Newest = 12;

    /// <summary>The length of most of the newest ranges, the last among them; null when they have none in common.</summary>
    /// <param name="ranges">Readings of one clock, the newest last.</param>
    public static PgInterval? OfTimes(IReadOnlyList<(DateTime Lower, DateTime Upper)> ranges)
    {
        var some = ranges.TakeLast(Newest).ToList();
        foreach (var step in some.Count == 0 ? [] : Lengths(some[^1].Lower, some[^1].Upper))
        {
            if (some.Count(r => step.AddTo(r.Lower) == r.Upper) * 2 >= some.Count)
                return step;
        }
        return null;
    }

    /// <summary>The number of ids in most of the newest ranges, the last among them; null when they have none in common.</summary>
    public static long? OfIds(IReadOnlyList<(long Lower, long Upper)> ranges)
    {
        var some = ranges.TakeLast(Newest).ToList();
        return some.Count > 0 && some[^1].Upper - some[^1].Lower is var step && some.Count(r => r.Upper - r.Lower == step) * 2 >= some.Count ? step : null;
    }

    // February and the four weeks are the same length in one year of four: what is longer in words comes first, and the other ranges decide.
    private static IEnumerable<PgInterval> Lengths(DateTime lower, DateTime upper)
    {
        var months = ((upper.Year - lower.Year) * 12) + upper.Month - lower.Month;
        if (months > 0 && PgInterval.OfMonths(months).AddTo(lower) == upper)
            yield return PgInterval.OfMonths(months);
        var length = upper - lower;
        if (length.Ticks % TimeSpan.TicksPerDay == 0)
            yield return PgInterval.OfDays(length.Days);
        else if (length >= TimeSpan.FromSeconds(1))
            yield return PgInterval.FromTimeSpan(length);
    }
}
