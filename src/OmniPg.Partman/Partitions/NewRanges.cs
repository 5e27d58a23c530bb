using System.Globalization;

namespace OmniPg.Partman;

/// <summary>A partition that does not exist yet.</summary>
/// <param name="Name">What it will be called.</param>
/// <param name="Lower">Lower bound, inside.</param>
/// <param name="Upper">Upper bound, outside.</param>
internal sealed record NewRange(QualifiedName Name, PartitionBound Lower, PartitionBound Upper);

/// <summary>Finds the ranges that a set lacks: ahead of its current partition, between its partitions, or around a value.</summary>
internal static class NewRanges
{
    private const string AnchorFormat = "yyyy-MM-dd'T'HH:mm:ss.ffffff";

    public static string AnchorText(DateTime reading) => reading.ToString(AnchorFormat, CultureInfo.InvariantCulture);

    public static DateTime AnchorOf(string text) => DateTime.ParseExact(text, AnchorFormat, CultureInfo.InvariantCulture);

    /// <summary>
    /// The ranges that are missing until so many partitions as the set premakes follow each other behind a key: in gaps on the way there, then behind the
    /// last partition. A partition far ahead makes nobody fill the way to it.
    /// </summary>
    /// <param name="session">A session.</param>
    /// <param name="state">The set.</param>
    /// <param name="current">The key that the current partition holds.</param>
    /// <param name="most">Most ranges.</param>
    public static async Task<IReadOnlyList<NewRange>> MissingAsync(PgSession session, SetState state, PartitionBound current, int most)
    {
        if (state is { Partitions: [], Within: not null })
            return (await FirstAsync(session, state with { Newest = current }, most).ConfigureAwait(false)).Ranges;
        var ranges = new List<NewRange>();
        var ahead = 0;
        PartitionBound? edge = null;
        foreach (var partition in state.Partitions)
        {
            if (edge is { } from && from < partition.Lower && partition.Lower > current)
                await AddAsync(from, partition.Lower).ConfigureAwait(false);
            if (ahead >= state.Set.Premake || ranges.Count >= most)
                return ranges;
            ahead += !partition.DetachPending && partition.Lower > current ? 1 : 0;
            edge = partition.Upper;
        }
        if (edge is not { IsMax: true } && !state.IsFull)
            await AddAsync(edge, state.Within?.Upper is { IsMax: false } end ? end : null).ConfigureAwait(false);
        return ranges;

        async Task AddAsync(PartitionBound? from, PartitionBound? to)
        {
            var some = await SomeAsync(session, state, from, to, current, state.Set.Premake - ahead, most - ranges.Count).ConfigureAwait(false);
            ranges.AddRange(some);
            ahead += some.Count(r => r.Lower > current);
        }
    }

    /// <summary>
    /// The first ranges of a set that begins by itself, as <c>create_parent</c> makes them: some ahead of now, or of its newest row, and as many before. A set
    /// that lies between bounds of its own begins and ends there, whatever the time is.
    /// </summary>
    public static async Task<(IReadOnlyList<NewRange> Ranges, string Anchor)> FirstAsync(PgSession session, SetState state, int most)
    {
        PartitionBound current, from;
        var inside = (Lower: state.Within?.Lower is { IsMin: false } least ? least : (PartitionBound?)null, Upper: state.Within?.Upper is { IsMax: false } end ? end : (PartitionBound?)null);
        if (state.Key.IsTime)
        {
            current = state.Clock;
            var interval = state.Set.Interval!.Value;
            var wanted = interval.Multiply(-state.Set.Premake).AddTo((await LocalAsync(session, state, [current]).ConfigureAwait(false))[0]);
            var isWeeks = interval is { Months: 0, Microseconds: 0 } && interval.Days % 7 == 0;
            from = (await MomentsAsync(session, state, [isWeeks && !state.Set.IsInExtension ? TimeSteps.OnWeekday(wanted, DayOfWeek.Monday) : TimeSteps.Truncate(wanted, interval)]).ConfigureAwait(false))[0];
        }
        else
        {
            current = state.Newest ?? inside.Lower ?? PartitionBound.Of(0);
            var steps = new IdSteps(inside.Lower?.Id ?? 0, state.Set.IdInterval!.Value);
            var at = steps.AtOrBelow(current.Id!.Value);
            // Nothing below zero unless there are such rows.
            from = PartitionBound.Of(at > 0 ? (long)Int128.Max(Math.Max(0, steps.Anchor), at - ((Int128)state.Set.Premake * steps.Step)) : at);
        }
        from = inside.Lower is { } lower && (from < lower || (inside.Upper is { } upper && current >= upper)) ? lower : from;
        var anchor = from.Id is { } id ? id.ToString(CultureInfo.InvariantCulture) : AnchorText((await LocalAsync(session, state, [from]).ConfigureAwait(false))[0]);
        return (await SomeAsync(session, state, from, inside.Upper, current, state.Set.Premake, most).ConfigureAwait(false), anchor);
    }

    /// <summary>All ranges between the partitions.</summary>
    public static async Task<IReadOnlyList<NewRange>> GapsAsync(PgSession session, SetState state, int most)
    {
        var ranges = new List<NewRange>();
        for (var i = 1; i < state.Partitions.Count && ranges.Count < most; i++)
        {
            var (from, to) = (state.Partitions[i - 1].Upper, state.Partitions[i].Lower);
            if (from < to)
                ranges.AddRange(await SomeAsync(session, state, from, to, null, int.MaxValue, most - ranges.Count).ConfigureAwait(false));
        }
        return ranges;
    }

    /// <summary>The ranges that take some values of a user and are no partitions yet, each once, cut off where a partition begins or ends.</summary>
    /// <exception cref="ArgumentException">A moment for a set by id, an id for one by time, or the end of everything.</exception>
    /// <exception cref="InvalidPartitionDefinitionException">The set is a partition itself, which takes no such value.</exception>
    /// <exception cref="PartitionSetConfigurationException">A range reaches beyond what can be counted, or the detach of its partition was interrupted.</exception>
    public static async Task<IReadOnlyList<NewRange>> OfAsync(PgSession session, SetState state, IReadOnlyList<PartitionBound> values)
    {
        var ranges = new List<NewRange>();
        foreach (var value in values)
        {
            var key = await KeyAsync(session, state, value).ConfigureAwait(false);
            if (state.Within is { } own && (key < own.Lower || key >= own.Upper))
                throw new InvalidPartitionDefinitionException(state.Table, [new(InvalidDefinitionReason.Start, $"It takes '{own.Lower}' up to '{own.Upper}' itself, and '{key}' is none of that.")], "have a partition there");
            if (state.Partitions.FirstOrDefault(p => p.Lower <= key && p.Upper > key) is { } found)
            {
                if (found.DetachPending)
                    throw new PartitionSetConfigurationException(state.Table, $"The detach of '{found.Name}', which has '{key}' in its range, was interrupted.", "Let a maintenance finish it first.");
                continue;
            }
            var range = await AroundAsync(session, state, key).ConfigureAwait(false);
            ranges.Add(range);
            state = state with { Partitions = [.. state.Partitions, new Partition(range.Name, range.Lower, range.Upper)] };
        }
        return ranges;
    }

    /// <summary>A moment or an id of a user as a key of a set: in a column without a time zone it is what the set's clock shows then.</summary>
    /// <exception cref="ArgumentException">A moment for a set by id, an id for one by time, or the end of everything.</exception>
    public static async Task<PartitionBound> KeyAsync(PgSession session, SetState state, PartitionBound value)
    {
        if ((state.Key.IsTime ? value.Time.HasValue : value.Id.HasValue) is false)
            throw new ArgumentException($"'{state.Table}' is a set by {(state.Key.IsTime ? "time" : "id")}, and '{value}' is none.", nameof(value));
        return !state.Key.IsWallClock ? value
            : PartitionBound.Of(new DateTimeOffset((await ZoneClock.LocalAsync(session, state.Set.TimeZone, [value.Time!.Value]).ConfigureAwait(false))[0], TimeSpan.Zero));
    }

    /// <summary>The range that takes a value which no partition takes, cut off where a partition begins or ends.</summary>
    /// <exception cref="PartitionSetConfigurationException">It reaches beyond what can be counted.</exception>
    public static async Task<NewRange> AroundAsync(PgSession session, SetState state, PartitionBound value)
    {
        try
        {
            return await AroundOrBeyondAsync(session, state, value).ConfigureAwait(false);
        }
        catch (Exception error) when (error is OverflowException or ArgumentOutOfRangeException)
        {
            throw new PartitionSetConfigurationException(state.Table, $"The range of '{value}' in '{state.Table}' cannot be a partition: {error.Message}", state.Default is null ? null : "Such rows stay in the default partition.", error);
        }
    }

    private static async Task<NewRange> AroundOrBeyondAsync(PgSession session, SetState state, PartitionBound value)
    {
        PartitionBound lower, upper;
        if (!state.Key.IsTime)
        {
            var ids = Ids(state);
            (lower, upper) = (PartitionBound.Of(ids.AtOrBelow(value.Id!.Value)), PartitionBound.Of(ids.Above(value.Id!.Value)));
        }
        else
        {
            var ends = state.Highest is { Time: not null } highest ? [value, highest] : new[] { value };
            var local = await LocalAsync(session, state, ends).ConfigureAwait(false);
            // Without an anchor boundaries go on from the partitions that are there, and the first ones are round.
            var steps = Steps(state, local is [_, var end] ? end : TimeSteps.Truncate(local[0], state.Set.Interval!.Value));
            var n = steps.IndexOf(local[0]);
            var bounds = await MomentsAsync(session, state, [steps[n], steps[n + 1]]).ConfigureAwait(false);
            (lower, upper) = (bounds[0], bounds[1]);
        }
        if (state.Within is { } own && value >= own.Lower && value < own.Upper)
            (lower, upper) = (lower < own.Lower ? own.Lower : lower, upper > own.Upper ? own.Upper : upper);
        foreach (var partition in state.Partitions)
        {
            lower = partition.Upper > lower && partition.Upper <= value ? partition.Upper : lower;
            upper = partition.Lower < upper && partition.Lower > value ? partition.Lower : upper;
        }
        return (await NamedAsync(session, state, [(lower, upper)]).ConfigureAwait(false))[0];
    }

    /// <summary>The ranges of the set's own boundaries from one bound on, which need be none of them, until one ends at or behind another; one more than the most where there are more.</summary>
    public static async Task<IReadOnlyList<NewRange>> GridAsync(PgSession session, SetState state, PartitionBound from, PartitionBound upTo, int most)
    {
        if (!state.Key.IsTime)
        {
            var ids = Ids(state);
            return Named(state, Cut(from.Id!.Value, ids.Above, lower => ids.Above(lower) >= upTo.Id!.Value, most + 1).Select(PartitionBound.Of));
        }
        // Former partitions give their names away.
        state = state with { Partitions = [] };
        var local = await LocalAsync(session, state, [from, upTo]).ConfigureAwait(false);
        var steps = Steps(state, local[0]);
        return await NamedTimesAsync(session, state, Cut(local[0], steps.Above, lower => steps.Above(lower) >= local[1], most + 1)).ConfigureAwait(false);
    }

    /// <summary>Ranges from boundary to boundary, the first ones of a new set.</summary>
    public static Task<IReadOnlyList<NewRange>> NamedAsync(PgSession session, SetState state, IReadOnlyList<DateTime> boundaries) => NamedTimesAsync(session, state, boundaries);

    /// <summary>Ranges of a set by id from boundary to boundary.</summary>
    public static IReadOnlyList<NewRange> Named(SetState state, IEnumerable<PartitionBound> boundaries)
    {
        var all = boundaries.ToList();
        return [.. all.Zip(all.Skip(1), (lower, upper) => new NewRange(
            new QualifiedName(state.Table.Schema, PartitionName.OfId(state.Table.Name, state.Set.NamePrefix, lower.Id!.Value)), lower, upper))];
    }

    // Ranges from one end on, up to a partition if there is one, until enough of them begin behind a key.
    private static async Task<IReadOnlyList<NewRange>> SomeAsync(PgSession session, SetState state, PartitionBound? from, PartitionBound? to, PartitionBound? current, int wanted, int most)
    {
        if (wanted <= 0 || most <= 0)
            return [];
        if (!state.Key.IsTime)
        {
            var (steps, id) = (Ids(state), current?.Id);
            long Above(long bound)
            {
                var next = steps.Above(bound);
                // The numbers of a smallint end before those of a bigint.
                _ = state.Key.Literal(PartitionBound.Of(next));
                return next;
            }
            return Named(state, Cut(from?.Id ?? steps.AtOrBelow(id!.Value), Above, lower => lower > id && --wanted <= 0, most, to?.Id).Select(PartitionBound.Of));
        }
        var local = await LocalAsync(session, state, [.. new[] { from, to, current }.OfType<PartitionBound>()]).ConfigureAwait(false);
        var now = current is null ? (DateTime?)null : local[^1];
        var begin = from is null ? TimeSteps.Truncate(now!.Value, state.Set.Interval!.Value) : local[0];
        return await NamedAsync(session, state, Cut(begin, Steps(state, begin).Above, lower => lower > now && --wanted <= 0, most, to is null ? null : local[1])).ConfigureAwait(false);
    }

    // The boundaries from a first one on: until the range that was begun last is the last one wanted, the limit is reached, or the most are made.
    private static List<T> Cut<T>(T from, Func<T, T> above, Func<T, bool> isLast, int most, T? limit = null)
        where T : struct, IComparable<T>
    {
        var boundaries = new List<T> { from };
        while (boundaries.Count <= most && (limit is not { } end || boundaries[^1].CompareTo(end) < 0))
        {
            T next;
            try
            {
                next = above(boundaries[^1]);
            }
            catch (Exception error) when (error is OverflowException or ArgumentOutOfRangeException)
            {
                // The calendar, or the numbers, end here.
                break;
            }
            boundaries.Add(limit is { } stop && next.CompareTo(stop) > 0 ? stop : next);
            if (isLast(boundaries[^2]))
                break;
        }
        return boundaries;
    }

    private static IdSteps Ids(SetState state) => new(
        state.Set.Anchor is { } anchor ? long.Parse(anchor, CultureInfo.InvariantCulture) : state.Highest?.Id ?? 0, state.Set.IdInterval!.Value);

    private static TimeSteps Steps(SetState state, DateTime begin) =>
        new(state.Set.Anchor is { } anchor ? AnchorOf(anchor) : begin, state.Set.Interval!.Value);

    private static Task<IReadOnlyList<DateTime>> LocalAsync(PgSession session, SetState state, IReadOnlyList<PartitionBound> bounds) =>
        ZoneClock.LocalAsync(session, state.NeedsZone ? state.Set.TimeZone : "UTC", [.. bounds.Select(b => b.Time!.Value)]);

    private static async Task<IReadOnlyList<PartitionBound>> MomentsAsync(PgSession session, SetState state, IReadOnlyList<DateTime> readings) =>
        [.. (await ZoneClock.MomentsAsync(session, state.NeedsZone ? state.Set.TimeZone : "UTC", readings).ConfigureAwait(false)).Select(PartitionBound.Of)];

    private static async Task<IReadOnlyList<NewRange>> NamedTimesAsync(PgSession session, SetState state, IReadOnlyList<DateTime> boundaries)
    {
        var bounds = await MomentsAsync(session, state, boundaries).ConfigureAwait(false);
        return await NamedAsync(session, state, [.. bounds.Zip(bounds.Skip(1))]).ConfigureAwait(false);
    }

    private static async Task<IReadOnlyList<NewRange>> NamedAsync(PgSession session, SetState state, IReadOnlyList<(PartitionBound Lower, PartitionBound Upper)> ranges)
    {
        if (!state.Key.IsTime)
            return [.. ranges.SelectMany(r => Named(state, [r.Lower, r.Upper]))];
        var calendar = TimeSteps.FollowsCalendar(state.Set.Interval!.Value);
        // The extension names hours on the clock of its session; the sets of this package on UTC, which shows no hour twice.
        var zone = !state.Key.IsWallClock && (calendar || state.Set.IsInExtension) ? state.Set.TimeZone : "UTC";
        var readings = await ZoneClock.LocalAsync(session, zone, [.. ranges.Select(r => r.Lower.Time!.Value)]).ConfigureAwait(false);
        var taken = state.Partitions.Select(p => p.Name.Name).ToHashSet();
        var named = new List<NewRange>();
        foreach (var ((lower, upper), reading) in ranges.Zip(readings))
        {
            var name = PartitionName.OfTime(state.Table.Name, state.Set.NamePrefix, reading, withTime: !calendar);
            if (!taken.Add(name) && zone != "UTC")
            {
                name = PartitionName.Fit(state.Table.Name.Value, string.Create(
                    CultureInfo.InvariantCulture, $"{state.Set.NamePrefix}{reading:yyyyMMdd_HHmmss}z{lower.Time!.Value.UtcDateTime:HHmmss}"));
            }
            named.Add(new NewRange(new QualifiedName(state.Table.Schema, name), lower, upper));
        }
        return named;
    }
}
